"""``record``: stream through a model and keep what its memory did. Hooks copy; they change nothing."""

import json
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor

from memlens import streams as stream_sources
from memlens.errors import RecordingError
from memlens.model.checkpoint import load_memory_model
from memlens.model.model import MemoryModel
from memlens.model.outputs import MemoryState
from memlens.model.points import Point, points, select
from memlens.model.run import Result, run
from memlens.provenance import git_commit
from memlens.recording.labels import EntryLabels
from memlens.recording.reader import Recording
from memlens.recording.reader import open as open_recording
from memlens.recording.rows import (
    decision_rows,
    entry_rows,
    numpy_of,
    payload_rows,
    position_columns,
    question_rows,
    segment_arrays,
    state_rows,
)
from memlens.recording.schema import Variable
from memlens.recording.writer import DTYPES, RecordingWriter, refuse_existing
from memlens.streams.encoded import EncodedStream
from memlens.streams.named import NAMED
from memlens.streams.stream import Stream
from memlens.streams.tokenizer import token_bytes

#: Groups whose points fire only where questions are asked: no dense arrays. What was read is in ``/questions``.
SPARSE = ("question", "retrieval", "decoder")
PATTERN = "context.hook_pattern"
Source = EncodedStream | Stream | str | Path


def record(
    model: MemoryModel | str | Path,
    stream: Source | Sequence[Source],
    path: str | Path,
    *,
    points: Sequence[str] = ("default",),
    states_every: int = 16,
    commit_every: int = 32,
    dtype: str = "float16",
    progress: Callable[[int, int, str], None] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Recording:
    """Run a model over streams and record it.

    Parameters
    ----------
    model
        A model, or the folder of one.
    stream
        What it reads: encoded or not, the name of a built-in stream, or the path of a file or folder; a list of them is
        read side by side, one sequence each.
    path
        Folder to make; it must not exist.
    points
        Hook points to keep: names, globs, groups, "default" or "all" (all that fire every segment).
    states_every
        The memory's state before every such segment is kept, and the last one, to go on from later; 0 keeps none.
    commit_every
        Segments in a block, which is written at once.
    dtype
        "float16" or "float32": how floats of points are kept. Values that overflow are counted (``fp16_overflow``).
    progress
        Called with segments done, segments in all, and what is being done.
    attrs
        Root attributes to set beside those that are measured, such as ``interventions`` and ``parent``.

    Raises
    ------
    RecordingError
        When the folder exists, a point cannot be recorded, or writing fails.
    PointError, ModelError, StreamError
        When a point, the model or a stream is not what it should be.
    """
    path = refuse_existing(path)
    if dtype not in DTYPES:
        raise RecordingError(f"dtype is '{dtype}', expected one of {', '.join(DTYPES)}")
    if states_every < 0:
        raise RecordingError(f"states_every is {states_every}, expected 0 (none) or a number of segments")
    model = model if isinstance(model, MemoryModel) else _loaded(model)
    if model.tokenizer is None:
        raise RecordingError(f"model '{model.name}' has no tokenizer; give MemoryModel(cfg, tokenizer=...) one")
    chosen = recordable(model, points)
    sources: Sequence[Any] = stream if isinstance(stream, list | tuple) else [stream]
    encoded = [_encoded(one, model) for one in sources]
    if not encoded:
        raise RecordingError("no stream was given; give at least one")
    vocab = [model.tokenizer.id_to_token(i) or "" for i in range(model.tokenizer.get_vocab_size())]
    labels = [EntryLabels(one.modality, one.fact) for one in encoded]
    n_bytes = token_bytes(model.tokenizer)
    total = max(one.n_segment(model.cfg.segment_length) for one in encoded)
    seen: dict[str, Tensor] = {}

    def keep(tensor: Tensor, hook: Any) -> None:
        seen[hook.name] = tensor.detach().clone()

    hooked = {p.name for p in chosen} | {PATTERN}
    writer: RecordingWriter | None = None
    with model.hooks(fwd_hooks=[(name, keep) for name in sorted(hooked)]):
        initial = model.initial_state(len(encoded))
        results = run(model, encoded, state=initial)
        first = next(results)
        _check_fired(hooked, seen)
        writer = RecordingWriter(
            path,
            points=_variables(chosen, seen),
            states=_state_variables(initial),
            sizes={"read": _n_read(model), "feature": len(model.control_names), **_state_sizes(initial)},
            coordinates={"entry_level": numpy_of(model.entry_level), "feature": list(model.control_names)},
            attrs={**_provenance(model, encoded, chosen), **(attrs or {})},
            vocab=vocab,
            commit_every=commit_every,
            dtype=dtype,
        )
        with writer:
            for result in chain((first,), results):
                states = {0: initial} if result.segment == 0 and states_every else {}
                before = result.segment + 1
                if states_every and (before % states_every == 0 or before == total):
                    states[before] = result.state
                _add(writer, model, result, chosen, seen, labels, n_bytes, states)
                _tell(progress, before, total)
    return open_recording(path)


def recordable(model: MemoryModel, patterns: Sequence[str]) -> tuple[Point, ...]:
    """The points that these names choose and that fire every segment.

    Raises
    ------
    RecordingError
        When a name chooses only points that fire where questions are asked.
    """
    names: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = select(model.cfg, pattern)
        dense = {p.name for p in found if p.group not in SPARSE}
        if not dense:
            raise RecordingError(
                f"'{pattern}' fires only where questions are asked, so it has no place in /segments; what "
                "questions read is in /questions; record points of other groups"
            )
        names |= dense
    if not names:
        raise RecordingError("no points were given; give points=('default',) or names of points")
    return tuple(p for p in points(model.cfg) if p.name in names)


def _loaded(folder: str | Path) -> MemoryModel:
    if not isinstance(folder, str | Path):
        kind = type(folder).__name__
        raise RecordingError(f"model is a {kind}, expected a MemoryModel (not a compiled one) or a folder")
    return load_memory_model(folder)


def _encoded(source: Source, model: MemoryModel) -> EncodedStream:
    if isinstance(source, EncodedStream):
        return source
    if isinstance(source, str) and source in NAMED:
        source = stream_sources.named(source)
    elif isinstance(source, str | Path):
        source = stream_sources.load(source)
    if not isinstance(source, Stream):
        kind = type(source).__name__
        raise RecordingError(f"stream is a {kind}, expected a Stream, an EncodedStream, a name or a path")
    return source.encode(model.tokenizer)


def _add(
    writer: RecordingWriter,
    model: MemoryModel,
    result: Result,
    chosen: Sequence[Point],
    seen: dict[str, Tensor],
    labels: Sequence[EntryLabels],
    n_bytes: Any,
    states: Mapping[int, MemoryState],
) -> None:
    births, deaths = entry_rows(result, numpy_of(seen[PATTERN]), labels)
    asked = question_rows(model, result)
    tables = {"decisions": decision_rows(model, result), "entries": births, "deaths": deaths,
              "payloads": payload_rows(result)}  # fmt: skip
    if states:
        tables["states"] = state_rows(states)
    writer.add(
        {**segment_arrays(model, result, n_bytes), **{p.name: numpy_of(seen[p.name]) for p in chosen}},
        position_columns(result),
        tables if asked is None else {**tables, "questions": asked},
    )
    seen.clear()


def _check_fired(hooked: set[str], seen: Mapping[str, Tensor]) -> None:
    silent = sorted(hooked - set(seen))
    if silent:
        raise RecordingError(f"{', '.join(silent)} did not fire in the first segment; record the eager, whole model")


def _variables(chosen: Sequence[Point], seen: Mapping[str, Tensor]) -> list[Variable]:
    """Variables of the points. One dim has one size; where a later point differs, its dim is called so, ``head_4``."""
    sizes: dict[str, int] = {}
    made: dict[str, Variable] = {}
    # those recorded by default keep the plain names, whatever else is recorded
    for p in sorted(chosen, key=lambda p: not p.recorded):
        dims = []
        for dim, size in zip(p.dims, seen[p.name].shape[1:], strict=True):
            plain = sizes.setdefault(dim, size) == size
            dims.append(dim if plain else f"{dim}_{size}")
        dtype = "float" if p.dtype == "float" else "int32"
        whole = ("sequence", "segment", *dims)
        made[p.name] = Variable(p.name, whole, dtype, p.meaning, p.unit, p.symbol, p.group)
    return [made[p.name] for p in chosen]


def _state_variables(state: MemoryState) -> list[Variable]:
    """One variable a tensor, at its own dtype; its axes are its own."""
    return [
        Variable(name, ("state", *_state_dims(name, value)), str(numpy_of(value).dtype), "state carried on")
        for name, value in state.flat().items()
    ]


def _state_sizes(state: MemoryState) -> dict[str, int]:
    flat = state.flat().items()
    return {dim: size for name, value in flat for dim, size in zip(_state_dims(name, value), value.shape, strict=True)}


def _state_dims(name: str, value: Tensor) -> tuple[str, ...]:
    return ("sequence", *(f"{name}.axis_{i}" for i in range(1, value.ndim)))


def _n_read(model: MemoryModel) -> int:
    cfg = model.cfg
    return min(cfg.retrieve, cfg.n_slots + cfg.working_slots + sum(cfg.capacities))


def _provenance(model: MemoryModel, encoded: Sequence[EncodedStream], chosen: Sequence[Point]) -> dict[str, Any]:
    made = [{"name": e.name, "seed": e.seed, "config": e.config, "sha256": e.sha256} for e in encoded]
    stream = made[0] if len(made) == 1 else {"name": f"{len(made)} streams", "seed": made[0]["seed"], "streams": made}
    libraries = ("torch", "transformer-lens", "numpy", "zarr", "icechunk", "xarray")
    return {
        "model": model.name,
        "model_config": json.loads(model.cfg.model_dump_json()),
        "weights_sha256": model.sha256,
        "policy": model.policy_name,
        "device": str(model.device),
        "stream": stream,
        "seed": -1 if encoded[0].seed is None else encoded[0].seed,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
        "commit": git_commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "points": [{"name": p.name, "group": p.group, "dims": p.dims, "unit": p.unit, "symbol": p.symbol,
                    "meaning": p.meaning} for p in chosen],
        "points_available": [p.name for p in points(model.cfg) if p.group not in SPARSE],
    }  # fmt: skip


def _tell(progress: Callable[[int, int, str], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total, "segments recorded")
