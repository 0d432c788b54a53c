"""A Q phase: the memory is frozen, runs of it are logged, and Q is fitted to what entries turned out to be worth."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch

from memlens.config import QConfig
from memlens.dims import Action
from memlens.model.controller import Controller
from memlens.model.model import MemoryModel
from memlens.model.run import Encoded, Steps, encode_questions, run, segment_of
from memlens.model.segment import Segment, StepOutputs
from memlens.streams import EncodedStream
from memlens.streams.registry import builtin_stream
from memlens.training.entry_value import entry_values
from memlens.training.progress import Progress
from memlens.training.q_learning import QLog, QLogger, exploration, regress


@torch.no_grad()
def collect(
    model: MemoryModel, streams: Sequence[Encoded], config: QConfig, epsilon: float, generator: torch.Generator
) -> QLog:
    """Run the model under its present policy with exploration, and log what entries were worth.

    Parameters
    ----------
    model : MemoryModel
    streams : sequence of EncodedStream
        Run as one batch.
    config : QConfig
    epsilon : float
        Probability of a random action of a candidate.
    generator : torch.Generator

    Returns
    -------
    QLog
    """
    device = model.device
    length, n_candidates, n_entries = model.cfg.segment_length, model.cfg.n_slots, len(model.entry_level)
    state = model.initial_state(len(streams))
    logger = QLogger(model.cfg, model.entry_level, config)
    right, asked_in_all = 0, 0
    for t in range(max(stream.n_segment(length) for stream in streams)):
        rows, asked = zip(*(segment_of(stream, t, length) for stream in streams), strict=True)
        segment, questions = Segment.stack(list(rows), device), encode_questions(model, asked)
        explore = exploration(len(streams), n_candidates, n_entries, epsilon, generator).to(device)
        before = state
        outputs, state = model.step(segment, state, questions, explore=explore, predict=False)
        reward = torch.zeros(len(streams), n_candidates + n_entries, device=device)
        if questions is not None and outputs.answers is not None:
            _, context, _ = model.perceive(segment, before)
            memory = model.memory(model.candidates(context, before), before)
            index, value = entry_values(model, questions, memory, outputs.answers)
            earned = torch.zeros_like(memory.prior).scatter_add(1, index.flatten(1), value.flatten(1).float())
            reward[:, n_candidates:] = earned[:, n_candidates + model.cfg.working_slots :]
            right += int(outputs.answers.correct.sum())
            asked_in_all += int(questions.valid.sum())
        logger.add(torch.cat((outputs.slot, before.store.content), 1), outputs.decisions, reward)
    return logger.log(right / max(asked_in_all, 1))


def learn(
    controller: Controller,
    config: QConfig,
    generator: torch.Generator,
    collect: Callable[[float], QLog],
    recall: Callable[[], float],
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Log and regress in rounds: Monte-Carlo returns under a heuristic (phase B), then double DQN (phase C).

    Parameters
    ----------
    controller : Controller
        Is left with the Q that recalls most on validation, and with the policy "learned".
    config : QConfig
        A round ends early when ``config.patience`` checks in a row found no better Q.
    generator : torch.Generator
    collect : callable
        Logs runs under the controller's present policy with this epsilon.
    recall : callable
        Recall of the policy "learned" on validation streams.
    progress : callable, optional
        Called with updates done, updates in all, and what is being done.

    Returns
    -------
    list of dict
        Metrics of each round.
    """
    c, network = config, controller.q_network
    rows: list[dict[str, float]] = []
    logs: list[QLog] = []
    best, kept = -1.0, copy.deepcopy(network.state_dict())
    for round_ in range(c.rounds):
        monte_carlo = round_ < c.monte_carlo
        controller.policy = c.behaviour if monte_carlo else "learned"
        share = round_ / max(1, c.rounds - 1)
        epsilon = c.epsilon + share * (c.epsilon_last - c.epsilon)
        logs.append(collect(epsilon))
        controller.policy = "learned"
        waited, updates, found = 0, 0, -1.0

        def check(done: int, loss: float, round_: int = round_) -> bool:
            nonlocal best, kept, waited, updates, found
            now, updates = recall(), done
            waited = 0 if now > found else waited + 1
            found = max(found, now)
            if now >= best:
                best, kept = now, copy.deepcopy(network.state_dict())
            if progress is not None:
                what = f"Q phase, round {round_ + 1} of {c.rounds}: loss {loss:.4f}, validation recall {now:.3f}"
                progress(round_ * c.steps + done, c.rounds * c.steps, what)
            return waited < c.patience

        loss = regress(network, logs, c, generator, bootstrap=not monte_carlo, check=check)
        frequency = torch.bincount(logs[-1].action[logs[-1].live], minlength=4).double()
        frequency = frequency / frequency.sum()
        rows.append({
            "q_round": round_, "epsilon": epsilon, "q_loss": loss, "q_updates": updates,
            "exact_while_logging": logs[-1].accuracy, "exact_validation": found,
            **{f"share_{action.name.lower()}": float(frequency[action]) for action in Action},
            "action_entropy": float(-(frequency * frequency.clamp_min(1e-9).log()).sum()),
        })  # fmt: skip
    network.load_state_dict(kept)
    return rows


def learn_control(
    model: MemoryModel, config: QConfig, seed: Sequence[int], progress: Progress | None = None
) -> list[dict[str, float]]:
    """Learn to control on streams of the train split (``learn``).

    Parameters
    ----------
    model : MemoryModel
        Is left in training mode. Torch's global random state is left as it was.
    config : QConfig
    seed : sequence of int
    progress : callable, optional
        Called with updates done, updates in all, and what is being done.

    Returns
    -------
    list of dict
        Metrics of each round.
    """
    rng = np.random.default_rng(list(seed))
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(int(rng.integers(2**31)))
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        model.eval()
        model.context.pick_width = model.cfg.pick_width
        roomy = with_capacities(model, tuple(config.room * capacity for capacity in model.cfg.capacities))
        roomy.controller = model.controller
        validation = streams_of(model, config, config.n_validation, "validation", rng)

        def log(epsilon: float) -> QLog:
            actor = model if model.controller.policy == "learned" else roomy
            return collect(actor, streams_of(model, config, config.n_stream, "train", rng), config, epsilon, generator)

        rows = learn(model.controller, config, generator, log, lambda: _recall_of(model, validation), progress)
        model.train()
    return rows


def with_capacities(model: MemoryModel, capacities: tuple[int, ...]) -> MemoryModel:
    """Copy a model with another size of its store: no parameter depends on that.

    Parameters
    ----------
    model : MemoryModel
    capacities : tuple of int
        Entries of each level.

    Returns
    -------
    MemoryModel
        In evaluation mode.
    """
    with torch.random.fork_rng(devices=[]):
        cfg = model.cfg.model_copy(update={"capacities": capacities})
        other = MemoryModel(cfg, model.tokenizer, str(model.name))
    other.load_state_dict(model.state_dict())
    other.controller.policy = model.controller.policy
    return other.to(model.device).eval()


def streams_of(
    model: MemoryModel, config: QConfig, n: int, split: str, rng: np.random.Generator
) -> list[EncodedStream]:
    """Make fresh streams, of each of ``config.tasks`` its share.

    Parameters
    ----------
    model : MemoryModel
        Its tokenizer encodes them.
    config : QConfig
    n : int
        How many.
    split : {"train", "validation", "test"}
    rng : numpy.random.Generator
        Draws their seeds.

    Returns
    -------
    list of EncodedStream
    """
    share = np.cumsum([task.share for task in config.tasks])
    which = np.searchsorted(share, (np.arange(n) + 0.5) / n * share[-1])
    made = []
    for task in (config.tasks[int(i)] for i in which):
        prose = {"prose": split} if task.name == "builtin" else {}
        stream = builtin_stream(
            task.name, n_token=config.n_token, seed=int(rng.integers(1, 2**31)), split=split, **prose, **task.options
        )
        made.append(stream.encode(model.tokenizer))
    return made


def _recall_of(model: Steps[StepOutputs], streams: Sequence[Encoded]) -> float:
    """Share of questions answered exactly under the model's present policy."""
    right, asked = 0, 0
    for result in run(model, streams, predict=False):
        if result.outputs.answers is not None:
            right += int(result.outputs.answers.correct.sum())
            asked += sum(len(row) for row in result.asked)
    return right / max(asked, 1)
