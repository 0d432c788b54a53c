"""What a model recalls in the streams of a task, under each policy; for streams without questions, how well it predicts their text."""

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memlens.calls import checked
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
from memlens.training.progress import Progress
from memlens.training.scores import Answered

#: Segments between two calls of ``progress``.
_REPORT_EVERY = 10
_LIBRARIES = ("memlens", "torch", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and all it takes to measure it again.

    Attributes
    ----------
    task : str
    options : dict
        All options of the task, defaults included.
    n_token : int
        Positions asked for in a stream.
    seeds : tuple of int
        One stream for each seed, run as one batch.
    split : str
    model : dict
        ``name`` and ``sha256`` of its weights ("" where it was not read from a folder).
    versions, commit
        Of the code.
    seconds : float
        Making the streams, and running over all of them under every policy.
    tokens_per_second : float
        Positions read in all streams, per second spent in ``step``.
    peak_rss_bytes : int
        The most memory that this process has ever held.
    state_bytes : int
        Size of the state that one stream carries from segment to segment, after the last one.
    results : list of dict
        One entry for each policy (``scores.result``); for streams without questions ``policy`` and ``by_memory``
        (``language.score_language``).
    questions : tuple of Answered
        Every question under every policy; empty for streams without questions.
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

    def __repr__(self) -> str:
        said = []
        for entry in self.results:
            if "overall" in entry:
                said.append(f"{entry['policy']} {entry['overall']['accuracy']:.3f} of {entry['overall']['n']:,} exact")
            else:
                said.append(f"{entry['policy']} {entry['by_memory'][0]['bits_per_byte']:.3f} bits per byte")
        sizes = f"{len(self.seeds)} streams of {self.n_token:,} positions"
        return (
            f"<Evaluation of {self.model['name']!r} on {self.task!r}: {sizes}, split {self.split}; {'; '.join(said)}>"
        )

    def as_dict(self, questions: bool = False) -> dict[str, Any]:
        """Everything that JSON can hold, with a row for each question when ``questions``."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "questions"}
        named["seeds"] = list(self.seeds)
        return {**named, "questions": [asdict(row) for row in self.questions]} if questions else named


@dataclass
class _Meter:
    """What running costs, summed over all runs; reports progress."""

    progress: Progress | None
    total: int
    n_token: int = 0
    step_seconds: float = 0.0
    done: int = 0
    state_bytes: int = 0

    def count(self, result: Result, what: str) -> None:
        """Count one segment."""
        self.done += 1
        self.n_token += int(sum(row["valid"].sum() for row in result.rows))
        self.step_seconds += result.seconds
        if self.done == self.total:
            named = result.state.flat().values()
            self.state_bytes = sum(x.numel() * x.element_size() for x in named) // len(result.rows)
        if self.progress is not None and (self.done % _REPORT_EVERY == 0 or self.done == self.total):
            self.progress(self.done, self.total, f"evaluating: {what}")


@checked()
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
        Name of a built-in stream: "builtin" or a task (``memlens.streams.registry.BUILTIN_STREAMS``).
    n_token
        Positions in a stream; the task's own number when not given.
    seeds
        One stream for each seed.
    policies
        Controller policies to run under; the others are compared with the first. The model's own when not given.
    split : {"train", "validation", "test"}
        Split of keys, images and voices, and for tasks of the prose.
    options
        Options of the task, such as ``{"n_fact": 16}``.
    progress
        Called with segments done, segments in all (before that: streams made, streams in all), and what is being done.

    Returns
    -------
    Evaluation

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
    resolved = resolve(task, {} if options is None else options)
    n_token = default_length(task) if n_token is None else n_token
    if isinstance(seeds, str) or not isinstance(seeds, Sequence) or not seeds or len(set(seeds)) < len(seeds):
        raise StreamError(f"seeds are {seeds!r}, expected a sequence of at least one whole number, each only once")
    if not isinstance(model, str | Path | MemoryModel | StreamReader):
        raise ModelError(f"model is a {type(model).__name__}, expected a memory model, a baseline or the folder of one")
    loaded = load_model(model) if isinstance(model, str | Path) else model
    policies = _policies(loaded, policies)
    streams = _make_streams(loaded, task, seeds, progress, n_token=n_token, split=split, **resolved)
    results, questions, meter = _measure(loaded, streams, seeds, policies, n_token, progress)
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


def _make_streams(
    model: MemoryModel | StreamReader, task: str, seeds: Sequence[int], progress: Progress | None, **options: Any
) -> list[EncodedStream]:
    """One stream for each seed."""
    streams = []
    for i, seed in enumerate(seeds):
        if progress is not None:
            progress(i, len(seeds), f"evaluating: making the stream of seed {seed}")
        streams.append(BUILTIN_STREAMS[task](seed=seed, **options).encode(model.tokenizer))
    return streams


def _measure(
    model: MemoryModel | StreamReader,
    streams: Sequence[EncodedStream],
    seeds: Sequence[int],
    policies: Sequence[str],
    n_token: int,
    progress: Progress | None,
) -> tuple[list[dict[str, Any]], list[Answered], _Meter]:
    """Run over the streams under every policy: results, every question, and what it cost."""
    asks = any(stream.questions for stream in streams)
    memories = NOTHING if asks else without(model)
    n_segment = max(stream.n_segment(model.cfg.segment_length) for stream in streams)
    meter = _Meter(progress, n_segment * len(policies) * len(memories))
    results: list[dict[str, Any]] = []
    questions: list[Answered] = []
    for policy in policies:
        with _policy(model, policy):
            if asks:
                rows = _ask_streams(model, streams, seeds, policy, meter)
                first = questions[: len(rows)] or None
                results.append(scores.result(rows, first, n_token))
                questions += rows
            else:
                measured = {
                    name: predict_streams(model, streams, hooks, partial(meter.count, what=f"without {name}"))
                    for name, hooks in memories.items()
                }
                results.append({"policy": policy, "by_memory": score_language(measured)})
    return results, questions, meter


def _ask_streams(
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
        meter.count(result, f"policy {policy}")
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
    """The policies to run under; each is checked before the first run."""
    if policies is None:
        return (model.policy_name,)
    if isinstance(model, StreamReader):
        raise ModelError(f"model '{model.name}' is a baseline; it has no controller, so leave the policies out")
    if isinstance(policies, str) or not policies:
        raise ConfigError(
            f"policies are {policies!r}, expected a sequence of at least one; leave them out for the model's own"
        )
    for policy in policies:
        with _policy(model, policy):
            pass
    return policies


@contextmanager
def _policy(model: MemoryModel | StreamReader, name: str) -> Iterator[None]:
    """Decide by the policy ``name`` within this context; ConfigError for an unknown one. A baseline has none to change."""
    if isinstance(model, StreamReader):
        yield
        return
    before = model.controller.policy
    model.controller.policy = name
    try:
        yield
    finally:
        model.controller.policy = before
