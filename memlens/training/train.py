"""``memlens train``: curriculum, memory phases and Q phases in turn, checkpoints, resume, a log of metrics."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from memlens.config import TrainConfig
from memlens.dims import Modality
from memlens.errors import TrainingError
from memlens.model.checkpoint import save_model
from memlens.model.model import MemoryModel
from memlens.model.outputs import MemoryState
from memlens.streams import builtin, default_tokenizer
from memlens.training.card import write_card
from memlens.training.episodes import EpisodeShape, make_episode
from memlens.training.memory_loss import MemoryLoss, memory_loss
from memlens.training.progress_file import Checkpoint, append_metrics
from memlens.training.q_learning import collect, regress

Progress = Callable[[int, int, str], None]
METRICS = "metrics.jsonl"


class Trainer:
    """All that a run carries: model, optimiser, generators, place in the curriculum. A checkpoint holds exactly this."""

    def __init__(self, config: TrainConfig):
        self.config = config
        torch.manual_seed(config.seed)
        self.tokenizer = default_tokenizer()
        self.model = MemoryModel(config.model, self.tokenizer, config.name)
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        memory = [p for n, p in self.model.named_parameters() if not n.startswith("controller.")]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in memory if p.dim() > 1], "weight_decay": config.weight_decay},
                {"params": [p for p in memory if p.dim() <= 1], "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            betas=(0.9, 0.95),
        )
        self.step, self.stage, self.stage_step, self.alternation = 0, 0, 0, 0
        self.accuracy, self.n_token, self.seconds = 0.0, 0, 0.0
        self.carried: MemoryState | None = None

    def learning_rate(self) -> float:
        """Warm-up, then a cosine to the last rate."""
        c = self.config
        if self.step < c.warmup:
            return c.learning_rate * (self.step + 1) / c.warmup
        done = (self.step - c.warmup) / max(1, c.steps - c.warmup)
        return c.learning_rate_last + (c.learning_rate - c.learning_rate_last) * 0.5 * (1 + math.cos(math.pi * done))

    def memory_step(self) -> dict[str, float]:
        """One update of everything but the controller."""
        c, stage = self.config, self.config.stages[self.stage]
        last = self.stage == len(c.stages) - 1
        self.model.context.pick_width = stage.pick_width or c.model.pick_width
        # towards the end rows are as sparse as a real stream, and as dense as before
        n_fact = round(3 * (stage.n_fact / 3) ** self.rng.random()) if stage.sparse else stage.n_fact
        n_segment = 2 if stage.sparse and self.rng.random() < c.two_segments else 1
        shape = EpisodeShape(
            stage.n_row, stage.n_token, n_segment, n_fact, stage.n_question, mix=c.mix, restated=c.restated
        )
        episode = make_episode(self.rng, self.tokenizer, shape)
        state = self.model.initial_state(stage.n_row)
        carry = self.rng.random() < c.carry
        if self.carried is not None and self.carried.position.shape[0] == stage.n_row and carry:
            state = self.carried
        rate = self.learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=c.bfloat16):
            loss = memory_loss(
                self.model, episode, state, noise=c.noise, distractors=c.distractors, compress=stage.compress,
                generator=self.generator,
            )  # fmt: skip
        if not bool(torch.isfinite(loss.total)):
            raise TrainingError(f"step {self.step}: the loss is {loss.total.item()}; {self._first_bad()}")
        self.optimiser.zero_grad()
        loss.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), c.clip)
        if not bool(torch.isfinite(norm)):
            raise TrainingError(f"step {self.step}: the gradient is not finite; {self._first_bad(gradient=True)}")
        self.optimiser.step()
        self.carried = loss.state.detach()
        self.step += 1
        self.stage_step += 1
        self.n_token += stage.n_row * stage.n_token
        self.accuracy += 0.03 * (loss.exact.float().mean().item() - self.accuracy)
        row = self._row(loss, float(norm), rate)
        if self.accuracy > stage.until and not last and self.stage_step >= stage.at_least:
            self.stage, self.stage_step, self.accuracy = self.stage + 1, 0, 0.0
        return row

    def _row(self, loss: MemoryLoss, norm: float, rate: float) -> dict[str, float]:
        exact = loss.exact.float()
        row = {
            "step": self.step, "stage": self.stage, "tokens": self.n_token, "rate": rate, "gradient_norm": norm,
            "loss": loss.total.item(), "answer": loss.answer.item(), "retrieval": loss.retrieval.item(),
            "predict": loss.predict.item(), "fidelity": loss.fidelity.item(),
            "covered": loss.covered.float().mean().item(), "exact": exact.mean().item(), "exact_mean": self.accuracy,
        }  # fmt: skip
        for modality in Modality:
            here = loss.modality == modality
            if bool(here.any()):
                row[f"exact_{modality.name.lower()}"] = exact[here].mean().item()
        return row

    def _first_bad(self, gradient: bool = False) -> str:
        for name, p in self.model.named_parameters():
            value: Tensor | None = p.grad if gradient else p
            if value is not None and not bool(torch.isfinite(value).all()):
                return f"the first tensor that is not finite is {name}; lower learning_rate or clip"
        return "all weights are finite, so the batch made it; lower learning_rate"

    def q_phase(self, progress: Progress | None) -> list[dict[str, float]]:
        """Phases B and C: Monte-Carlo returns under a heuristic, then double DQN. Memory is frozen.

        The replay of an earlier phase is not kept, since a memory phase changes what entries are worth. Its random numbers are its
        own: memory phases go on as if there had been no Q phase.
        """
        rng = np.random.default_rng([self.config.seed, 1 + self.alternation])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            return self._q_rounds(rng, torch.Generator().manual_seed(int(rng.integers(2**31))), progress)

    def _q_rounds(
        self, rng: np.random.Generator, generator: torch.Generator, progress: Progress | None
    ) -> list[dict[str, float]]:
        c = self.config.q
        rows, logs = [], []
        self.model.eval()
        self.model.context.pick_width = self.config.model.pick_width
        for round_ in range(c.rounds):
            monte_carlo = round_ < c.monte_carlo
            self.model.controller.policy = c.behaviour if monte_carlo else "learned"
            streams = [
                builtin(n_token=c.n_token, seed=int(rng.integers(1, 2**31)), split="train", prose="train").encode(
                    self.tokenizer
                )
                for _ in range(c.n_stream)
            ]
            share = round_ / max(1, c.rounds - 1)
            epsilon = c.epsilon + share * (c.epsilon_last - c.epsilon)
            log = collect(self.model, streams, c, epsilon, generator)
            logs.append(log)
            loss = regress(self.model, logs, c, generator, bootstrap=not monte_carlo, progress=progress)
            frequency = torch.bincount(log.action[log.live], minlength=4).float()
            frequency = frequency / frequency.sum()
            row = {
                "alternation": self.alternation, "q_round": round_, "epsilon": epsilon, "q_loss": loss,
                "exact_while_logging": log.accuracy,
                "action_entropy": float(-(frequency * frequency.clamp_min(1e-9).log()).sum()),
            }  # fmt: skip
            rows.append(row)
            if progress is not None:
                progress(round_ + 1, c.rounds, f"Q phase: exact {log.accuracy:.3f} (epsilon {epsilon:.2f})")
        self.model.controller.policy = "learned"
        self.model.train()
        return rows


def train(config_path: str | Path, out: str | Path, *, resume: bool = False, progress: Progress | None = None) -> Path:
    """Train a model by a TOML config into the folder ``out``; return the folder.

    Checkpoints are kept under ``out/checkpoint`` until the end; with ``resume`` a run that was cut off goes on from the last one,
    bit-equal on CPU.

    Raises
    ------
    ConfigError, TrainingError
        A bad config; a folder that holds a run already (without ``resume``) or none (with it); a loss that is not finite.
    """
    config = TrainConfig.load(config_path)
    out = Path(out)
    checkpoint = Checkpoint(out / "checkpoint")
    if resume and not checkpoint.exists():
        raise TrainingError(f"nothing to resume in '{out}': no checkpoint there; train without --resume")
    if not resume and out.exists() and any(out.iterdir()):
        raise TrainingError(f"'{out}' exists and is not empty; give another -o, or --resume to go on with it")
    torch.set_num_threads(config.threads)
    trainer = Trainer(config)
    if resume:
        checkpoint.load(trainer)
    out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic() - trainer.seconds
    # memory updates before each Q phase; after the first, short ones
    ends = [round(config.steps * (1 - config.last_share * i)) for i in reversed(range(config.alternations))]
    trainer.model.train()
    while trainer.alternation < config.alternations:
        while trainer.step < ends[trainer.alternation]:
            row = trainer.memory_step()
            trainer.seconds = time.monotonic() - start
            if trainer.step % 20 == 0:
                append_metrics(out / METRICS, {**row, "seconds": trainer.seconds})
                if progress is not None:
                    progress(trainer.step, config.steps, _line(row))
            if trainer.step % config.checkpoint_every == 0:
                checkpoint.save(trainer)
        for row in trainer.q_phase(progress):
            append_metrics(out / METRICS, {**row, "seconds": time.monotonic() - start})
        trainer.alternation += 1
        trainer.seconds = time.monotonic() - start
        checkpoint.save(trainer)
    save_model(trainer.model, out)
    write_card(trainer.model, config, out, trainer.seconds, trainer.n_token, progress)
    checkpoint.remove()
    return out


def _line(row: dict[str, float]) -> str:
    parts = [f"{m.name.lower()} {row[k]:.2f}" for m in Modality if (k := f"exact_{m.name.lower()}") in row]
    return f"memory phase: stage {row['stage']:.0f} loss {row['loss']:.3f} exact {row['exact_mean']:.3f} ({', '.join(parts)})"
