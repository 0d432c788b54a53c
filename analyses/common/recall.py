"""What studies of recall share: streams asked under hooks, answers as rows keep them, accuracies with intervals, resized models.

Answers to the questions of some streams, stream after stream, are ``{"correct": "1101...", "loss": nats}``: a figure a question, 1 where it
was right, and the mean loss. What is known of the questions is given once, as lists in that order (``about``).
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.common.results import ROOT
from memlens.errors import AnalysisError, ConfigError
from memlens.stats.bootstrap import Interval, percentiles, share_interval

if TYPE_CHECKING:
    from memlens.model import MemoryModel, StreamReader
    from memlens.model.run import Result
    from memlens.streams import EncodedStream

#: (name of a hook point, hook function), as ``MemoryModel.hooks`` takes them.
Hooks = Sequence[tuple[str | Callable[..., Any], Callable[..., Any]]]
Answers = dict[str, Any]
NANO, BASE = (ROOT / "trained_models" / name for name in ("nano", "base"))
N_DRAW = 2000


def model_option(parser: argparse.ArgumentParser) -> None:
    """The model that is studied, as an option."""
    parser.add_argument("--model", default=str(NANO), help="folder of a memory model (default: trained_models/nano)")


# running


def make_streams(tokenizer: Any, task: str, seeds: Iterable[int], **options: Any) -> "list[EncodedStream]":
    """The encoded test streams of a task, one a seed."""
    from memlens.streams.registry import BUILTIN_STREAMS

    return [BUILTIN_STREAMS[task](seed=seed, **options).encode(tokenizer) for seed in seeds]


def seeds_of(seed: int, n_stream: int) -> range:
    """Seeds of the streams of one of a study's seeds: no two of these share a stream."""
    return range(seed * n_stream, (seed + 1) * n_stream)


def about(streams: "Sequence[EncodedStream]") -> dict[str, list[Any]]:
    """What is known of the questions: distance of the fact (positions), its depth (share of the stream), group, modality."""
    asked = [(question, stream.n_token) for stream in streams for question in stream.questions]
    return {
        "distance": [q.distance for q, _ in asked],
        "depth": [round((q.position - q.distance - 1) / n, 4) for q, n in asked],
        "group": [q.group for q, _ in asked],
        "modality": ["" if q.fact_modality is None else q.fact_modality.name.lower() for q, _ in asked],
    }


def recall(
    model: "MemoryModel | StreamReader",
    streams: "Sequence[EncodedStream]",
    asked: Mapping[str, Hooks],
    during: Hooks = (),
    policy: str | None = None,
    on_result: "Callable[[Result], None] | None" = None,
) -> dict[str, Answers]:
    """Answers to all questions of streams that are run as one batch, under each condition of ``asked``.

    What comes before the first question is run once, under ``during`` alone. Each condition goes on from there, under ``during`` and hooks
    of its own. For hooks that act on questions only, that is the same as a whole run under them.

    Parameters
    ----------
    model
        A memory model, or a baseline, which has no points to hook.
    streams
        All are run together.
    asked
        Name of a condition -> hooks that act from the first question on.
    during
        Hooks that act on every segment.
    policy
        Decides in the place of the model's own.
    on_result
        Called with every segment's Result, under the first condition.

    Returns
    -------
    Answers by the name of the condition.

    Raises
    ------
    AnalysisError
        When the streams ask nothing.
    """
    from memlens.model.run import run

    positions = [question.position for stream in streams for question in stream.questions]
    if not positions:
        raise AnalysisError("the streams ask nothing; give streams with facts")
    first = max(0, min(positions) - 1) // model.cfg.segment_length
    state, found = model.initial_state(len(streams)), {}
    with _deciding(model, policy), _hooked(model, during):
        for result in run(model, streams, predict=False) if first else ():
            state = result.state
            if on_result is not None:
                on_result(result)
            if result.segment + 1 == first:
                break
        for name, hooks in asked.items():
            with _hooked(model, hooks):
                rest = run(model, streams, state=state, first=first, predict=False)
                found[name] = _noted(rest, len(streams), None if found else on_result)
    return found


def _noted(results: "Iterator[Result]", n_stream: int, on_result: "Callable[[Result], None] | None") -> Answers:
    correct: list[list[bool]] = [[] for _ in range(n_stream)]
    loss: list[float] = []
    for result in results:
        if on_result is not None:
            on_result(result)
        for b, asked in enumerate(result.asked):
            if asked:
                correct[b] += result.outputs.answers.correct[b, : len(asked)].tolist()
                loss += result.outputs.answers.loss[b, : len(asked)].tolist()
    return noted([right for each in correct for right in each], loss)


def noted(correct: Iterable[bool], loss: Sequence[float]) -> Answers:
    """Answers as rows keep them."""
    return {"correct": "".join("01"[bool(right)] for right in correct), "loss": round(float(np.mean(loss)), 5)}


def _hooked(model: "MemoryModel | StreamReader", hooks: Hooks) -> Any:
    """The model under hooks; a baseline has no point to hook."""
    from memlens.model import MemoryModel

    return model.hooks(fwd_hooks=list(hooks)) if isinstance(model, MemoryModel) else nullcontext()


@contextmanager
def _deciding(model: "MemoryModel | StreamReader", policy: str | None) -> Iterator[None]:
    """Another policy decides inside of this; None for the model's own."""
    from memlens.model import MemoryModel

    if policy is None or not isinstance(model, MemoryModel):
        yield
        return
    before = model.controller.policy
    model.controller.policy = policy
    try:
        yield
    finally:
        model.controller.policy = before


def resized(model: "MemoryModel", **sizes: Any) -> "MemoryModel":
    """The same weights in a model of other sizes.

    Raises
    ------
    ConfigError
        When weights depend on one of them.
    """
    from memlens.model import MemoryModel

    cfg = type(model.cfg).parse(model.cfg.model_dump() | sizes, where="resized")
    other = MemoryModel(cfg, model.tokenizer, str(model.name))
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    changed = [name for name, tensor in other.state_dict().items() if shapes.get(name) != tensor.shape]
    if changed:
        raise ConfigError(f"{', '.join(sizes)}: {changed[0]} would have another shape; train a model of these sizes")
    other.load_state_dict(model.state_dict())
    other.controller.policy = model.controller.policy
    other.sha256 = model.sha256
    return other.to(model.device).eval()


# accuracies


def right(answers: Answers) -> np.ndarray:
    """Answers as 0.0 and 1.0."""
    return np.frombuffer(answers["correct"].encode(), np.uint8) - 48.0


def accuracy(groups: Iterable[np.ndarray]) -> Interval:
    """Share of right answers (0 or 1, one group a seed), with the wider end of its bootstrap and its Wilson interval on each side.

    A bootstrap of right answers alone has no width; Wilson's interval takes questions of one seed as independent. The wider end is
    the cautious one.
    """
    told = [group for group in groups if group.size]
    picks = np.random.default_rng(0).integers(len(told), size=(N_DRAW, len(told))) if told else np.zeros(0)
    low, high = percentiles(_resampled(told, picks))
    whole = np.concatenate(told)
    alone = share_interval(int(whole.sum()), len(whole))
    return alone | {"low": min(float(low), alone["low"]), "high": max(float(high), alone["high"]), "groups": len(told)}


def contrast(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Interval:
    """Accuracy of the first minus that of the second, over different questions of the same seeds: only seeds are drawn together."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a.size and b.size]
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    picks = np.random.default_rng(0).integers(len(pairs), size=(N_DRAW, len(pairs))) if pairs else np.zeros(0)
    draws = _resampled(sides[0], picks, 1) - _resampled(sides[1], picks, 2)
    low, high = percentiles(draws)
    one, other = (np.concatenate(side) for side in sides)
    return {
        "value": float(one.mean() - other.mean()),
        "low": float(low),
        "high": float(high),
        "n": len(one) + len(other),
        "groups": len(pairs),
    }


def _resampled(groups: Sequence[np.ndarray], picks: np.ndarray, seed: int = 1) -> np.ndarray:
    """Shares of right answers [draw] when groups are picked [draw, group] and answers drawn within each: binomial counts."""
    if not groups:
        raise AnalysisError("nothing to resample: no seed has questions; give it at least one")
    n, odds = np.array([group.size for group in groups]), np.array([group.mean() for group in groups])
    return np.random.default_rng(seed).binomial(n[picks], odds[picks]).sum(1) / n[picks].sum(1)


def where(found: Iterable[Mapping[str, Any]], **wanted: Any) -> list[Mapping[str, Any]]:
    """Those with these values."""
    return [each for each in found if all(each.get(key) == value for key, value in wanted.items())]


def only(found: Iterable[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    """The one with these values."""
    [each] = where(found, **wanted)
    return each
