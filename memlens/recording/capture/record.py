"""``record``: stream through a model and keep what its memory did. Hooks copy; they change nothing."""

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from memlens import streams as stream_sources
from memlens.errors import RecordingError
from memlens.model.checkpoint import load_memory_model
from memlens.model.model import MemoryModel
from memlens.model.points import points as all_points
from memlens.model.run import Change
from memlens.provenance import git_commit
from memlens.recording.capture.appender import refuse_existing
from memlens.recording.capture.point_selection import SPARSE, Kept, choose
from memlens.recording.capture.resume import check_same
from memlens.recording.capture.segment_rows import tensors_of
from memlens.recording.capture.session import Pass
from memlens.recording.capture.unseen_entries import Start
from memlens.recording.capture.writer import check_dtype
from memlens.recording.format.states import layout_of
from memlens.recording.reading.recording import Recording
from memlens.recording.reading.recording import open as open_recording
from memlens.streams.encoded import EncodedStream
from memlens.streams.registry import BUILTIN_STREAMS
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
    commit_every: int = 128,
    dtype: str = "float16",
    resume: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    interventions: Sequence[Change] = (),
    parent: Recording | None = None,
    start: Start | None = None,
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
    interventions
        Changes of the run, as ``memlens.interventions`` makes them, in their order. What is kept is what comes of them.
    parent
        The recording that this one is to be compared with.
    start
        The moment to go on from, as ``Recording.replay`` gives it: the recording then begins with that segment.
    attrs
        Root attributes to set beside those that are measured.

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
    start = Start(0, model.initial_state(len(encoded))) if start is None else start
    described = {
        **_provenance(model, encoded, kept), "dtype": dtype, "states_every": states_every, "commit_every": commit_every,
        "state_layout": layout_of(tensors_of(start.state)), "interventions": [one.to_dict() for one in interventions],
        "parent": "" if parent is None else parent.id, **(attrs or {}),
    }  # fmt: skip
    if there is not None:
        check_same(there, described, start.segment)
        if there.attrs["complete"]:
            return there
    run = Pass(model, encoded, kept, start, states_every, interventions, parent)
    if there is not None:
        run.go_on(there)
    run.record(path, described, commit_every, dtype, resume, progress)
    return open_recording(path)


def _loaded(folder: str | Path) -> MemoryModel:
    if not isinstance(folder, str | Path):
        kind = type(folder).__name__
        raise RecordingError(f"model is a {kind}, expected a MemoryModel (not a compiled one) or a folder")
    return load_memory_model(folder)


def _encoded(source: Source, model: MemoryModel) -> EncodedStream:
    if isinstance(source, EncodedStream):
        return source
    if isinstance(source, str) and source in BUILTIN_STREAMS:
        source = stream_sources.builtin_stream(source)
    elif isinstance(source, str | Path):
        source = stream_sources.load(source)
    if not isinstance(source, Stream):
        kind = type(source).__name__
        raise RecordingError(f"stream is a {kind}, expected a Stream, an EncodedStream, a name or a path")
    return source.encode(model.tokenizer)


def _provenance(model: MemoryModel, encoded: Sequence[EncodedStream], kept: Sequence[Kept]) -> dict[str, Any]:
    made = [{"name": e.name, "seed": e.seed, "config": e.config, "sha256": e.sha256} for e in encoded]
    stream = made[0] if len(made) == 1 else {"name": f"{len(made)} streams", "seed": made[0]["seed"], "streams": made}
    libraries = ("torch", "transformer-lens", "numpy", "zarr", "icechunk", "xarray")
    return {
        "model": model.name,
        "model_config": json.loads(model.cfg.model_dump_json()),
        "weights_sha256": model.sha256,
        "parameters_sha256": _fingerprint(model),
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


def _fingerprint(model: MemoryModel) -> str:
    """Digest of every weight as it is now, whether or not it came from a file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
