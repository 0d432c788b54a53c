"""The training loop: memory phases and Q phases in turn, over shards and processes, and what a checkpoint holds."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from memlens.config import TrainConfig
from memlens.dims import Modality
from memlens.errors import MemlensError, TrainingError
from memlens.model.baseline import StreamReader
from memlens.model.model import MemoryModel
from memlens.streams import default_tokenizer
from memlens.training import nan_guard
from memlens.training.curriculum import Batch, Curriculum
from memlens.training.distributed import ALONE, ProcessGroup
from memlens.training.episodes import Episode
from memlens.training.memory_loss import MemoryLoss, memory_loss
from memlens.training.metrics import LEADING, Metrics, MetricSums, gradient_norms, loss_metrics, merge_shards, watch
from memlens.training.optimiser import Optimiser
from memlens.training.prefetch import EpisodePrefetcher
from memlens.training.progress import TrainingProgress
from memlens.training.q_phase import learn_control
from memlens.training.reader_loss import reader_loss
from memlens.training.shards import batch_rng, control_seed, shard_rng

#: What a checkpoint holds besides tensors and the curriculum.
_COUNTS = ("step", "alternation", "n_token", "seconds")
#: Keys of a config that say where a run takes place and do not change its result: it may be resumed with others.
_PLACE = {"device", "threads", "workers"}


@dataclass(frozen=True)
class ShardResult:
    """Metrics of a shard, or why it failed."""

    metrics: MetricSums
    error: MemlensError | None = None


class Trainer:
    """Everything that a run carries, and a checkpoint holds: model, optimiser, place in the curriculum, the state that each shard left.

    Parameters
    ----------
    config : TrainConfig
    group : ProcessGroup
        The processes of the run.

    Raises
    ------
    TrainingError
        When the processes cannot share the shards evenly.
    """

    def __init__(self, config: TrainConfig, group: ProcessGroup = ALONE):
        self.config, self.group = config, group
        self.shards = group.own_shards(config.shards)
        self.tokenizer = default_tokenizer()
        self.episodes = EpisodePrefetcher(config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = self._make_model().to(group.device)
        self.trained = [p for name, p in self.model.named_parameters() if not name.startswith("controller.")]
        self.optimiser = Optimiser(self.model, self.trained, config)
        self.curriculum = Curriculum(config)
        self.step, self.alternation, self.n_token, self.seconds = 0, 0, 0, 0.0
        self.carried: dict[int, Any] = {}

    def _make_model(self) -> MemoryModel | StreamReader:
        c = self.config
        if c.baseline is not None:
            return StreamReader(c.baseline, self.tokenizer, c.name)
        return MemoryModel(c.model, self.tokenizer, c.name)

    def rate_share(self) -> float:
        """Present share of the highest learning rates: warm-up, then a cosine to the last."""
        c = self.config
        if self.step < c.warmup:
            return (self.step + 1) / c.warmup
        done = (self.step - c.warmup) / max(1, c.steps - c.warmup)
        return c.last_rate + (1 - c.last_rate) * 0.5 * (1 + math.cos(math.pi * done))

    # one update

    def memory_step(self, watched: bool = True) -> Metrics:
        """Update everything but the controller once.

        Returns the metrics, with those of hooks and of parts of the model when ``watched``.

        Raises
        ------
        TrainingError
            When a loss or a gradient is not finite, on any process; on all of them.
        """
        c = self.config
        batch = self.curriculum.draw(batch_rng(c.seed, self.step))
        if isinstance(self.model, MemoryModel):
            self.model.context.pick_width = batch.stage.pick_width or c.model.pick_width
        share = self.rate_share()
        self.model.zero_grad()  # the controller's too: a Q phase leaves some
        self.episodes.prefetch(self.step, self.shards, self.curriculum)
        results = self.group.all_gather([self._shard_result(shard, batch, watched) for shard in self.shards])
        for result in results:
            if result.error is not None:
                raise result.error
        self.group.sum_gradients(self.trained)
        norm = nan_guard.check_gradient(self.step, self.model, self.trained)
        norms = gradient_norms(self.model) if watched else {}
        torch.nn.utils.clip_grads_with_norm_(self.trained, c.clip, norm)
        self.optimiser.step(share)
        metrics = merge_shards([result.metrics for result in results])
        self.curriculum.learn(batch, metrics.pop(LEADING, None))
        self.step += 1
        self.n_token += batch.stage.n_row * batch.stage.n_token
        place = {"step": self.step, "stage": batch.number, "tokens": self.n_token, "rate": share * c.learning_rate}
        return {**place, **metrics, "exact_mean": self.curriculum.accuracy, "gradient_norm": norm.item(), **norms}

    def _shard_result(self, shard: int, batch: Batch, watched: bool) -> ShardResult:
        """Learn from a shard. An error is kept, so that all processes raise it together."""
        try:
            return ShardResult(self._learn_shard(shard, batch, watched))
        except MemlensError as error:
            return ShardResult({}, error)

    def _learn_shard(self, shard: int, batch: Batch, watched: bool) -> MetricSums:
        """Add a shard's part to the gradients, and keep the state that it ends in."""
        state = self.model.initial_state(batch.shape.n_row)
        before = self.carried.get(shard)
        if batch.carry and before is not None and before.position.shape == state.position.shape:
            state = before
        with watch(self.model, watched) as seen:
            episode, loss = self._shard_loss(shard, batch, state)

        def again() -> MemoryLoss:
            return self._shard_loss(shard, batch, state)[1]

        nan_guard.check_loss(self.step, self.model, state, loss, again)
        (loss.total / self.config.shards).backward()
        nan_guard.check_gradient(self.step, self.model, self.trained, again)
        self.carried[shard] = loss.state.detach()
        has_memory = isinstance(self.model, MemoryModel)
        return loss_metrics(loss, episode, self.config.tasks, has_memory) | seen.metrics()

    def _shard_loss(self, shard: int, batch: Batch, state: Any) -> tuple[Episode, MemoryLoss]:
        """The rows of a shard and their loss; the same each time."""
        c, device = self.config, self.group.device
        with shard_rng(c.seed, self.step, shard, device) as generator:
            episode = self.episodes.take(self.step, shard, batch).to(device)
            # in rows full of facts everything is important
            weights = c.weights if batch.stage.sparse else c.weights.model_copy(update={"importance": 0.0})
            with torch.autocast(device.type, torch.bfloat16, enabled=c.bfloat16):
                if isinstance(self.model, StreamReader):
                    return episode, reader_loss(self.model, episode, state, weights=c.weights, generator=generator)
                return episode, memory_loss(
                    self.model, episode, state, weights=weights, noise=c.noise, distractors=c.distractors,
                    compress=batch.stage.compress, generator=generator,
                )  # fmt: skip

    # the run

    def run(
        self,
        keep: Callable[[Metrics], None],
        save: Callable[[], None] | None = None,
        progress: TrainingProgress | None = None,
    ) -> None:
        """Train to the end.

        Parameters
        ----------
        keep : callable
            Called with every row of metrics.
        save : callable, optional
            Called when a checkpoint is due.
        progress : callable, optional
            Called with updates done, updates in all, what is being done, and new metrics.
        """
        try:
            self._phases(keep, save, progress)
        finally:
            self.episodes.close()
        if isinstance(self.model, MemoryModel):
            self.model.context.pick_width = self.model.cfg.pick_width
        self.model.eval()

    def _phases(
        self, keep: Callable[[Metrics], None], save: Callable[[], None] | None, progress: TrainingProgress | None
    ) -> None:
        c = self.config
        start = time.monotonic() - self.seconds
        ends = phase_ends(c)
        self.model.train()
        while self.alternation < len(ends):
            while self.step < ends[self.alternation]:
                due = (self.step + 1) % c.log_every == 0 or self.step + 1 == ends[self.alternation]
                row = self.memory_step(due)
                self.seconds = time.monotonic() - start
                if due:
                    keep({**row, "seconds": self.seconds})
                    if progress is not None:
                        progress(self.step, c.steps, _line(row), _shown(row))
                if save is not None and self.step % c.checkpoint_every == 0:
                    save()
            if c.alternations and c.baseline is None:
                for row in self.q_phase(progress):
                    keep({**row, "seconds": time.monotonic() - start})
            nan_guard.check_weights(self.step, self.model)
            self.alternation += 1
            self.seconds = time.monotonic() - start
            if save is not None:
                save()

    def q_phase(self, progress: TrainingProgress | None) -> list[Metrics]:
        """Learn to control, with the memory frozen, on the first process; return rows of metrics.

        Its random numbers are its own: memory phases continue as if there had been no Q phase.
        """
        model = self.model
        assert isinstance(model, MemoryModel)
        seed = control_seed(self.config.seed, self.alternation)
        rows = self.group.run_on_first(lambda: learn_control(model, self.config.q, seed, progress))
        self.group.broadcast(list(model.controller.state_dict().values()))
        model.controller.policy = "learned"
        return [{"alternation": self.alternation, **row} for row in rows]

    # what a checkpoint holds

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the run carries, on all processes: tensors by name, and values that JSON can hold."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"optimiser.{k}": v for k, v in self.optimiser.flat().items()}
        mine = [(shard, state.to("cpu").flat()) for shard, state in sorted(self.carried.items())]
        for shard, flat in self.group.all_gather(mine):
            tensors |= {f"carried.{shard}.{k}": v for k, v in flat.items()}
        c = self.curriculum
        return tensors, {
            **{name: getattr(self, name) for name in _COUNTS},
            "curriculum": {"stage": c.stage, "stage_step": c.stage_step, "accuracy": c.accuracy},
            "config": self.config.model_dump(mode="json"),
        }

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Put back what ``snapshot`` returned; the number of processes may differ.

        Parameters
        ----------
        tensors : mapping of str to Tensor
        values : mapping of str to object

        Raises
        ------
        TrainingError
            When another config made it; device, threads and workers may differ.
        """
        before = {key: value for key, value in values["config"].items() if key not in _PLACE}
        if before != self.config.model_dump(mode="json", exclude=_PLACE):
            raise TrainingError(
                "the checkpoint was made with another config; give the config that the run was started with"
            )

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(under("model."))
        self.optimiser.fill(under("optimiser."))
        for shard in self.shards:
            if flat := under(f"carried.{shard}."):
                empty = self.model.initial_state(flat["position"].shape[0])
                self.carried[shard] = empty.filled(flat).to(self.group.device)
        self.curriculum = replace(self.curriculum, **values["curriculum"])
        for name in _COUNTS:
            setattr(self, name, values[name])


def phase_ends(config: TrainConfig) -> list[int]:
    """Updates after which each memory phase ends; all but a baseline's are followed by a Q phase, and all but the first are short."""
    if config.baseline is not None or not config.alternations:
        return [config.steps]
    return [round(config.steps * (1 - config.last_share * i)) for i in reversed(range(config.alternations))]


def _line(row: Metrics) -> str:
    parts = [f"{m.name.lower()} {row[k]:.2f}" for m in Modality if (k := f"exact_{m.name.lower()}") in row]
    return f"memory phase: stage {row['stage']:.0f} loss {row['loss']:.3f} exact {row['exact_mean']:.3f} ({', '.join(parts)})"


def _shown(row: Metrics) -> Metrics:
    """Metrics to watch while a run goes on: all but its place and those of single parts of the model."""
    hidden = ("step", "tokens", "gradient_norm_")
    return {name: value for name, value in row.items() if not name.startswith(hidden)}
