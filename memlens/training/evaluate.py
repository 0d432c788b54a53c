"""What a model recalls in the streams of a task, under each policy; of a stream that asks nothing, how well it predicts the text."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memlens.errors import ConfigError, ModelError, StreamError
from memlens.model.baseline import StreamReader
from memlens.model.checkpoint import load_model
from memlens.model.model import MemoryModel
from memlens.model.run import Result, Steps, run
from memlens.provenance import git_commit, peak_rss
from memlens.streams.encoded import AskedQuestion, EncodedStream
from memlens.streams.options import default_length, resolve
from memlens.streams.registry import BUILTIN_STREAMS
from memlens.streams.tokenizer import decode_answer
from memlens.training import scores
from memlens.training.language import NOTHING, predict_streams, score_language, without
from memlens.training.scores import Answered

Progress = Callable[[int, int, str], None]
#: Segments between two calls of ``progress``.
_TELL_EVERY = 10
_LIBRARIES = ("memlens", "torch", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and all it takes to measure it again.

    Attributes
    ----------
    task : str
    options : dict
        All options of the task, those that were not given too.
    n_token : int
        Positions asked for in a stream.
    seeds : tuple of int
        One stream a seed, run as one batch.
    split : str
    model : dict
        ``name`` and ``sha256`` of its weights ("" where it was not read from a folder).
    versions, commit
        Of the code.
    seconds : float
        Making the streams, and running over all of them under every policy.
    tokens_per_second : float
        Positions read, those of all streams, by second inside of ``step``.
    peak_rss_bytes : int
        The most memory that this process has ever held.
    state_bytes : int
        What is carried from segment to segment, for one stream, after the last one.
    results : list of dict
        One entry a policy, as ``scores.result`` gives it; for streams that ask nothing, ``policy`` and ``by_memory``, as
        ``language.score_language`` gives it.
    questions : tuple of Answered
        Every question under every policy; empty for streams that ask nothing.
    """

    task: str
    options: dict[str, Any]
    n_token: int
    seeds: tuple[int, ...]
    split: str
    model: dict[str, str]
    versions: dict[str, str]
    commit: str
    seconds: float
    tokens_per_second: float
    peak_rss_bytes: int
    state_bytes: int
    results: list[dict[str, Any]]
    questions: tuple[Answered, ...]

    def as_dict(self, questions: bool = False) -> dict[str, Any]:
        """Everything as JSON can hold it, with a row a question when wanted."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "questions"}
        named["seeds"] = list(self.seeds)
        return {**named, "questions": [asdict(row) for row in self.questions]} if questions else named


@dataclass
class _Meter:
    """What running costs, summed over all runs, and where progress is told."""

    progress: Progress | None
    total: int
    n_token: int = 0
    step_seconds: float = 0.0
    done: int = 0
    state_bytes: int = 0

    def told(self, result: Result, what: str) -> None:
        """Count one segment."""
        self.done += 1
        self.n_token += int(sum(row["valid"].sum() for row in result.rows))
        self.step_seconds += result.seconds
        if self.done == self.total:
            named = result.state.flat().values()
            self.state_bytes = sum(x.numel() * x.element_size() for x in named) // len(result.rows)
        if self.progress is not None and (self.done % _TELL_EVERY == 0 or self.done == self.total):
            self.progress(self.done, self.total, f"evaluating: {what}")


def evaluate(
    model: str | Path | MemoryModel | StreamReader,
    task: str = "builtin",
    *,
    n_token: int | None = None,
    seeds: Sequence[int] = (0,),
    policies: Sequence[str] | None = None,
    split: str = "test",
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure what a model recalls in the streams of a task.

    Parameters
    ----------
    model
        A memory model or a baseline, or the folder of one.
    task
        Name of a stream: "builtin" or a task (``memlens.streams.registry.BUILTIN_STREAMS``).
    n_token
        Positions in a stream; the task's own number when not given.
    seeds
        One stream a seed.
    policies
        Controller policies to run under; the first is what the others are compared with. When not given, the model's own.
    split : {"train", "validation", "test"}
        Whose keys, images and voices, and for tasks whose prose.
    options
        Options of the task, such as ``{"n_fact": 16}``.
    progress
        Called with segments done, segments in all (before that: streams made, streams in all), and what is being done.

    Raises
    ------
    ModelError
        When the folder holds no sound model, or policies are given to a model without a controller.
    StreamError
        For an unknown task, option or split, no seeds, or a seed that is given twice.
    ConfigError
        For an unknown policy.
    """
    began = time.perf_counter()
    resolved = resolve(task, options or {})
    n_token = default_length(task) if n_token is None else n_token
    if not seeds or len(set(seeds)) < len(seeds):
        raise StreamError(f"seeds are {list(seeds)}, expected at least one, and each only once")
    loaded = load_model(model) if isinstance(model, str | Path) else model
    policies = _policies(loaded, policies)
    streams = []
    for i, seed in enumerate(seeds):
        if progress is not None:
            progress(i, len(seeds), f"evaluating: making the stream of seed {seed}")
        made = BUILTIN_STREAMS[task](n_token=n_token, seed=seed, split=split, **resolved)
        streams.append(made.encode(loaded.tokenizer))
    asks = any(stream.questions for stream in streams)
    memories = NOTHING if asks else without(loaded)
    n_segment = max(stream.n_segment(loaded.cfg.segment_length) for stream in streams)
    meter = _Meter(progress, n_segment * len(policies) * len(memories))
    results: list[dict[str, Any]] = []
    questions: list[Answered] = []
    for policy in policies:
        with _policy(loaded, policy):
            if asks:
                rows = ask_streams(loaded, streams, seeds, policy, meter)
                first = questions[: len(rows)] or None
                results.append(scores.result(rows, first, n_token))
                questions += rows
            else:
                measured = {
                    name: predict_streams(loaded, streams, hooks, partial(meter.told, what=f"without {name}"))
                    for name, hooks in memories.items()
                }
                results.append({"policy": policy, "by_memory": score_language(measured)})
    return Evaluation(
        task=task,
        options=resolved,
        n_token=n_token,
        seeds=tuple(seeds),
        split=split,
        model={"name": str(loaded.name), "sha256": str(loaded.sha256)},
        versions={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        commit=git_commit(),
        seconds=round(time.perf_counter() - began, 3),
        tokens_per_second=round(meter.n_token / meter.step_seconds, 1),
        peak_rss_bytes=peak_rss(),
        state_bytes=meter.state_bytes,
        results=results,
        questions=tuple(questions),
    )


def ask_streams(
    model: Steps[Any], streams: Sequence[EncodedStream], seeds: Sequence[int], policy: str, meter: _Meter
) -> list[Answered]:
    """Run over the streams as one batch and note every question."""
    counts = [0] * len(streams)
    rows = []
    for result in run(model, streams, predict=False):
        answers = result.outputs.answers
        for b, asked in enumerate(result.asked):
            for i, question in enumerate(asked):
                assert answers is not None
                said = decode_answer(model.tokenizer, answers.token[b, i].tolist())
                rows.append(
                    Answered(
                        policy=policy,
                        seed=int(seeds[b]),
                        number=counts[b],
                        **_about(question, streams[b]),
                        predicted=said,
                        correct=bool(answers.correct[b, i]),
                        loss=float(answers.loss[b, i]),
                    )
                )
                counts[b] += 1
        meter.told(result, f"policy {policy}")
    return rows


def _about(question: AskedQuestion, stream: EncodedStream) -> dict[str, Any]:
    """What is known of a question before it is answered."""
    known = question.distance >= 0
    return {
        "modality": scores.UNKNOWN if question.fact_modality is None else question.fact_modality.name.lower(),
        "distance": question.distance,
        "depth": (question.position - question.distance - 1) / stream.n_token if known else -1.0,
        "group": question.group,
        "answer": question.answer,
    }


def _policies(model: MemoryModel | StreamReader, policies: Sequence[str] | None) -> Sequence[str]:
    """The policies to run under, each checked before the first run."""
    if policies is None:
        return (model.policy_name,)
    if isinstance(model, StreamReader):
        raise ModelError(f"model '{model.name}' is a baseline; it has no controller, so leave the policies out")
    if not policies:
        raise ConfigError("policies are empty; name at least one, or leave them out for the model's own")
    for policy in policies:
        with _policy(model, policy):
            pass
    return policies


@contextmanager
def _policy(model: MemoryModel | StreamReader, name: str) -> Iterator[None]:
    """Decide by the policy ``name`` inside of this; ConfigError for an unknown one. A baseline has none to change."""
    if isinstance(model, StreamReader):
        yield
        return
    before = model.controller.policy
    model.controller.policy = name
    try:
        yield
    finally:
        model.controller.policy = before
