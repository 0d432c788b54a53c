"""``record``: run a model over streams and record what its memory does. Hooks copy; they change nothing."""

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from memlens import streams as stream_sources
from memlens.calls import checked
from memlens.errors import RecordingError
from memlens.model.checkpoint import load_memory_model
from memlens.model.model import MemoryModel
from memlens.model.points import points as all_points
from memlens.model.run import Change, check_questions
from memlens.provenance import git_commit
from memlens.recording.capture.appender import refuse_existing
from memlens.recording.capture.options import RecordOptions
from memlens.recording.capture.point_selection import SPARSE, SelectedPoint, select_points
from memlens.recording.capture.resume import check_same
from memlens.recording.capture.segment_rows import tensors_of
from memlens.recording.capture.session import Session
from memlens.recording.capture.unseen_entries import Start
from memlens.recording.format.states import layout_of
from memlens.recording.protocol import as_recording
from memlens.recording.reading.recording import Recording
from memlens.recording.reading.recording import open as open_recording
from memlens.streams.encoded import EncodedStream
from memlens.streams.registry import BUILTIN_STREAMS
from memlens.streams.stream import Stream

StreamSource = EncodedStream | Stream | str | Path


@checked()
def record(
    model: MemoryModel | str | Path,
    stream: StreamSource | Sequence[StreamSource],
    path: str | Path,
    options: RecordOptions = RecordOptions(),  # noqa: B008 - frozen
) -> Recording:
    """Run a model over streams and record it.

    Parameters
    ----------
    model : MemoryModel or path
        A model, or the folder of one.
    stream : Stream, EncodedStream, str, path or a list of these
        What it reads: encoded or not, the name of a built-in stream, or the path of a file or folder. Several are read side by side, one
        sequence each.
    path : path
        Folder of the new recording; it must not exist, unless ``options.resume``.
    options : RecordOptions
        What is recorded, and how.

    Returns
    -------
    Recording
        The new recording, opened.

    Raises
    ------
    RecordingError
        When the folder exists, a point cannot be recorded, the recording to resume is of another run, or writing fails.
    PointError, ModelError, StreamError
        When a point, the model or a stream is not what it should be.
    """
    options = _checked(options)
    if not options.resume:
        refuse_existing(path)
    model = model if isinstance(model, MemoryModel) else _loaded(model)
    if model.tokenizer is None:
        raise RecordingError(f"model '{model.name}' has no tokenizer; give MemoryModel(cfg, tokenizer=...) one")
    sources: Sequence[Any] = stream if isinstance(stream, list | tuple) else [stream]
    if not sources:
        raise RecordingError("got no stream, expected one or more")
    # a wrong point is refused before a long stream is encoded
    select_points(model.cfg, options.points, options.attention_top)
    encoded = [_encoded(one, model) for one in sources]
    return record_from(Start(0, model.initial_state(len(encoded))), model, encoded, path, options)


def record_from(
    start: Start, model: MemoryModel, streams: Sequence[EncodedStream], path: str | Path, options: RecordOptions
) -> Recording:
    """Run a model over streams from a segment on and record it.

    Parameters
    ----------
    start : Start
        The first segment to run, and the state before it.
    model : MemoryModel
    streams : list of EncodedStream
        One a sequence, whole.
    path : path
        Folder of the recording.
    options : RecordOptions

    Returns
    -------
    Recording
        Its first segment is that of ``start``.

    Raises
    ------
    RecordingError, PointError
        As ``record``.
    """
    check_questions(model, streams)
    path = Path(path)
    begun = open_recording(path) if options.resume and path.exists() else None
    if begun is None:
        refuse_existing(path)
    selected = select_points(model.cfg, options.points, options.attention_top)
    attrs = _attributes(start, model, streams, selected, options)
    if begun is not None:
        check_same(begun, attrs, start.segment)
        if begun.info.complete:
            return begun
    session = Session(model, streams, selected, start, options)
    if begun is not None:
        session.resume(begun)
    session.record(path, attrs)
    return open_recording(path)


def _checked(options: RecordOptions) -> RecordOptions:
    if not isinstance(options, RecordOptions):
        raise RecordingError(
            f"options is a {type(options).__name__}, expected RecordOptions(points=..., dtype=..., ...)"
        )
    for one in options.interventions:
        if not isinstance(one, Change):
            raise RecordingError(f"an intervention is a {type(one).__name__}, expected one of memlens.interventions")
    if options.parent is not None:
        as_recording(options.parent, "parent")
    return options


def _loaded(folder: str | Path) -> MemoryModel:
    if not isinstance(folder, str | Path):
        kind = type(folder).__name__
        raise RecordingError(f"model is a {kind}, expected a MemoryModel (not a compiled one) or a folder")
    return load_memory_model(folder)


def _encoded(source: StreamSource, model: MemoryModel) -> EncodedStream:
    if isinstance(source, EncodedStream):
        return source
    if isinstance(source, str) and source in BUILTIN_STREAMS:
        source = stream_sources.builtin_stream(source)
    elif isinstance(source, str | Path):
        source = stream_sources.load_stream(source)
    if not isinstance(source, Stream):
        kind = type(source).__name__
        raise RecordingError(f"stream is a {kind}, expected a Stream, an EncodedStream, a name or a path")
    return source.encode(model.tokenizer)


def _attributes(
    start: Start,
    model: MemoryModel,
    encoded: Sequence[EncodedStream],
    selected: Sequence[SelectedPoint],
    options: RecordOptions,
) -> dict[str, Any]:
    """Root attributes of the recording: what is run, on what, how it is stored, and what the user adds."""
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
        "points": [one.described() for one in selected],
        "points_available": [p.name for p in all_points(model.cfg) if p.group not in SPARSE],
        "dtype": options.dtype,
        "states_every": options.states_every,
        "commit_every": options.commit_every,
        "state_layout": layout_of(tensors_of(start.state)),
        "interventions": [one.to_dict() for one in options.interventions],
        "parent": "" if options.parent is None else options.parent.id,
        **options.attrs,
    }  # fmt: skip


def _fingerprint(model: MemoryModel) -> str:
    """Digest of every weight as it is now, whether or not it came from a file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
