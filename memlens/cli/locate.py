"""Where things are: trained models, recordings inside of runs, streams."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from memlens.errors import RecordingError, StreamError
from memlens.resources import model_folder, shipped_models

if TYPE_CHECKING:
    from memlens.model import MemoryModel
    from memlens.recording import Recording
    from memlens.streams import Stream


def model(name: str) -> Path:
    """Path of a model: a folder, or the name of a trained model that comes with memlens."""
    return model_folder(name)


def model_of(opened: "Recording", given: str | None, analyses: Iterable[str] | None = None) -> "MemoryModel | None":
    """Load the model that a recording was made with.

    Parameters
    ----------
    opened : Recording
        Says the digest of its model's weights.
    given : str or None
        The model's folder or name. Without it, the folders that the recording command names and the models that come with memlens are
        searched for weights of that digest.
    analyses : names, optional
        Analyses to run; None stands for all.

    Returns
    -------
    MemoryModel or None
        None where none of the analyses runs the model, or it is not found.

    Raises
    ------
    ModelError
        When what is given is not a memory model.
    RecordingError
        When it is not the model that the recording was made with.
    """
    from memlens.catalogue import find

    if analyses is not None and not any("model" in find(name).needs for name in analyses):
        return None
    words = shlex.split(opened.info.command)
    folders = [model(given)] if given else [*(Path(word) for word in words), *shipped_models().values()]
    wanted = opened.info.weights_sha256
    from memlens.model.checkpoint import WEIGHTS, load_memory_model
    from memlens.provenance import file_sha256
    from memlens.recording.capture.replay import refuse_other

    for folder in folders:
        if given or ((folder / WEIGHTS).is_file() and file_sha256(folder / WEIGHTS) == wanted):
            found = load_memory_model(folder, policy=opened.info.policy)
            refuse_other(opened, found)
            return found
    return None


def recording(run: str) -> Path:
    """Path of the recording of a run: the folder itself, or the ``recording`` folder that a demo puts into it."""
    path = Path(run)
    if not path.is_dir():
        what = "it is a file" if path.exists() else "there is nothing"
        raise RecordingError(f"no recording at '{run}': {what}; give the folder that 'memlens record -o' wrote")
    return path / "recording" if (path / "recording").is_dir() else path


def root(run: str) -> Path:
    """Resolved folder that a dashboard shows: of one recording, or one in which recordings lie; RecordingError where it is neither."""
    from memlens.recording.reading.folder import recordings_in

    folder = recording(run).resolve()
    if not recordings_in(folder):
        raise RecordingError(
            f"no recording at '{run}': neither the folder is one nor those in it; give a folder that 'memlens record -o' wrote"
        )
    return folder


def opened(run: str) -> "Recording":
    """The recording of a run, opened: where a path of the command line becomes a recording."""
    from memlens import recording as recordings

    return recordings.open(recording(run))


def stream(name: str, n_token: int | None, seed: int | None, allow_outside: bool = False) -> "Stream":
    """Find a stream.

    Parameters
    ----------
    name : str
        Of a built-in stream or a task, or the path of a file or folder; ``./name`` is a path in any case.
    n_token : int or None
        Length of a built-in stream, in positions; None for its own.
    seed : int or None
        Of a built-in stream; None for its own.
    allow_outside : bool
        Whether a stream file may name files outside its own folder.

    Returns
    -------
    Stream
        Made or read.

    Raises
    ------
    StreamError
        When there is none, or a length or a seed is given for a file.
    """
    from memlens import streams
    from memlens.streams.registry import BUILTIN_STREAMS

    if name not in BUILTIN_STREAMS and (Path(name).exists() or "/" in name or "." in name):
        if n_token is not None or seed is not None:
            raise StreamError(f"'{name}' is a file or folder: --length and --seed are for built-in streams")
        return streams.load_stream(name, allow_outside)
    wishes = {"n_token": n_token, "seed": seed}
    return streams.builtin_stream(name, **{key: value for key, value in wishes.items() if value is not None})
