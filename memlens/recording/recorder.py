"""``record``: stream through a model and keep what its memory did. Hooks copy; they change nothing."""

import json
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
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
from memlens.model.points import points as all_points
from memlens.model.run import Result, run
from memlens.provenance import git_commit
from memlens.recording.appender import refuse_existing
from memlens.recording.kept import SPARSE, Kept, choose, variables
from memlens.recording.labels import EntryLabels
from memlens.recording.reader import Recording
from memlens.recording.reader import open as open_recording
from memlens.recording.resume import check_same, remembered, restored
from memlens.recording.rows import PATTERN, Part, Rows, tensors_of
from memlens.recording.states import layout_of
from memlens.recording.writer import RecordingWriter, check_dtype
from memlens.streams.encoded import EncodedStream
from memlens.streams.named import NAMED
from memlens.streams.stream import Stream

Source = EncodedStream | Stream | str | Path


def record(
    model: MemoryModel | str | Path,
    stream: Source | Sequence[Source],
    path: str | Path,
    *,
    points: Sequence[str] = ("default",),
    attention_top: int = 0,
    states_every: int = 16,
    commit_every: int = 64,
    dtype: str = "float16",
    resume: bool = False,
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
        Folder to make; it must not exist, unless ``resume``.
    points
        Hook points to keep: names, globs, groups, "default" or "all" (all that fire every segment). With ``@START:STOP:STEP``
        after it, as in ``context.hook_slot@0:200:10`` or ``backbone@::4``, in those segments only; the others hold the fill value.
    attention_top
        Of points of the group "attention", keep so many of the largest weights and where they are; 0 keeps all.
    states_every
        The memory's state before every such segment is kept, and the last one, to go on from later; 0 keeps none.
    commit_every
        Segments in a block, which is written at once.
    dtype
        "float16", "float32" or "int8": how floats of points are kept. Values that overflow are counted (``fp16_overflow``).
    resume
        Go on with the recording that is there, after its last commit; one that is complete is given back as it is, and where
        nothing is there yet it starts. The run must be the same.
    progress
        Called with segments done, segments in all, and what is being done: ``segments recorded: N committed``.
    attrs
        Root attributes to set beside those that are measured, such as ``interventions`` and ``parent``.

    Raises
    ------
    RecordingError
        When the folder exists, a point cannot be recorded, the recording to resume is of another run, or writing fails.
    PointError, ModelError, StreamError
        When a point, the model or a stream is not what it should be.
    """
    path = Path(path)
    there = open_recording(path) if resume and path.exists() else None
    if there is None:
        refuse_existing(path)
    check_dtype(dtype)
    if states_every < 0:
        raise RecordingError(f"states_every is {states_every}, expected 0 (none) or a number of segments")
    model = model if isinstance(model, MemoryModel) else _loaded(model)
    if model.tokenizer is None:
        raise RecordingError(f"model '{model.name}' has no tokenizer; give MemoryModel(cfg, tokenizer=...) one")
    kept = choose(model.cfg, points, attention_top)
    sources: Sequence[Any] = stream if isinstance(stream, list | tuple) else [stream]
    encoded = [_encoded(one, model) for one in sources]
    if not encoded:
        raise RecordingError("no stream was given; give at least one")
    initial = model.initial_state(len(encoded))
    described = {
        **_provenance(model, encoded, kept), "dtype": dtype, "states_every": states_every, "commit_every": commit_every,
        "state_layout": layout_of(tensors_of(initial)), "parent": "", "interventions": [], **(attrs or {}),
    }  # fmt: skip
    if there is not None:
        check_same(there, described)
        if there.attrs["complete"]:
            return there
    _Run(model, encoded, kept, initial, states_every, there).record(path, described, commit_every, dtype, progress)
    return open_recording(path)


class _Run:
    """One run over streams, with hooks that copy what is kept; it may begin where a recording was cut off."""

    def __init__(
        self,
        model: MemoryModel,
        encoded: Sequence[EncodedStream],
        kept: Sequence[Kept],
        initial: MemoryState,
        states_every: int,
        there: Recording | None,
    ):
        self.model, self.encoded, self.kept, self.states_every, self.there = model, encoded, kept, states_every, there
        self.total = max(one.n_segment(model.cfg.segment_length) for one in encoded)
        self.labels = [EntryLabels(one.modality, one.fact) for one in encoded]
        self.n_done, self.first, self.state = 0, 0, initial
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.seen: dict[str, Tensor] = {}
        self.by_name = {one.point.name: one for one in kept}
        if there is not None:
            self.n_done = there.n_rows("segments")
            if len(there.states) and there.states[0] == 0:
                self.first, tensors = there.state(self.n_done)
                self.state = restored(initial, tensors)
            remembered(there, self.labels)
            of = there.segments
            self.shapes = {name: (len(encoded), *of[name].shape[2:]) for name in self.by_name}

    def record(
        self, path: Path, attrs: Mapping[str, Any], commit_every: int, dtype: str,
        progress: Callable[[int, int, str], None] | None,
    ) -> None:  # fmt: skip
        """Run from where it stands to the end."""
        with closing(self._parts()) as parts:
            # what a point's tensor looks like is known after the first segment
            first = next(parts, None)
            with self._writer(path, attrs, commit_every, dtype) as writer:
                for part in chain(() if first is None else (first,), parts):
                    writer.put(part)
                    if progress is not None:
                        said = f"segments recorded: {writer.committed} committed"
                        progress(part.result.segment + 1, self.total, said)

    def _parts(self) -> Iterator[Part]:
        """Run, and give what is kept of each segment that is not recorded yet."""
        hooked = {PATTERN, *self.by_name}
        started = False
        with self.model.hooks(fwd_hooks=[(name, self._keep) for name in sorted(hooked)]):
            for result in run(self.model, self.encoded, state=self.state, first=self.first):
                seen, self.seen = self.seen, {}
                if not started:
                    _check_fired({name for name in hooked if self._wants(name, result.segment)}, seen)
                    self.shapes = self.shapes or {name: tuple(seen[name].shape) for name in self.by_name}
                    started = True
                if result.segment >= self.n_done:
                    yield Part(result, seen, self._states(result))

    def _keep(self, tensor: Tensor, hook: Any) -> None:
        if self._wants(hook.name, hook.segment):
            self.seen[hook.name] = tensor.detach().clone()

    def _wants(self, name: str, segment: int) -> bool:
        """Whether a point is kept in a segment; at first all are, to see what they look like."""
        return not self.shapes or name == PATTERN or self.by_name[name].at(segment)

    def _states(self, result: Result) -> dict[int, MemoryState]:
        """States to keep with a segment: the one after it, and before the first also that."""
        every, before = self.states_every, result.segment + 1
        if not every:
            return {}
        states = {0: self.state} if result.segment == 0 else {}
        return {**states, before: result.state} if before % every == 0 or before == self.total else states

    def _writer(self, path: Path, attrs: Mapping[str, Any], commit_every: int, dtype: str) -> RecordingWriter:
        model, tokenizer = self.model, self.model.tokenizer
        rows = Rows(model, self.kept, self.labels, self.shapes)
        return RecordingWriter(
            path,
            points=variables(self.kept, self.shapes),
            sizes={
                "read": _n_read(model), "feature": len(model.control_names),
                "byte": sum(value.nbytes for value in tensors_of(self.state).values()),
            },
            coordinates={"entry_level": rows.level, "feature": list(model.control_names)},
            attrs=attrs,
            vocab=[tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())],
            commit_every=commit_every,
            dtype=dtype,
            rows=rows,
            resume=self.there is not None,
        )  # fmt: skip


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


def _check_fired(hooked: set[str], seen: Mapping[str, Tensor]) -> None:
    silent = sorted(hooked - set(seen))
    if silent:
        raise RecordingError(f"{', '.join(silent)} did not fire in the first segment; record the eager, whole model")


def _n_read(model: MemoryModel) -> int:
    cfg = model.cfg
    return min(cfg.retrieve, cfg.n_slots + cfg.working_slots + sum(cfg.capacities))


def _provenance(model: MemoryModel, encoded: Sequence[EncodedStream], kept: Sequence[Kept]) -> dict[str, Any]:
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
        "points": [one.described() for one in kept],
        "points_available": [p.name for p in all_points(model.cfg) if p.group not in SPARSE],
    }  # fmt: skip
