"""Where a recording lies: an Icechunk repository in one folder, with one committer."""

from pathlib import Path

import icechunk

from memlens.errors import RecordingError

#: The one branch that is committed to.
BRANCH = "main"
#: What Icechunk, zarr, xarray and the file system raise when bytes are missing or wrong.
STORAGE_ERRORS = (icechunk.IcechunkError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError)


def _storage(path: Path) -> icechunk.Storage:
    # a recording has one committer, so the warning about concurrent commits to a local folder says nothing
    icechunk.set_logs_filter("warn,icechunk::storage::object_store=error")
    return icechunk.local_filesystem_storage(str(path))


def create_repository(path: Path) -> icechunk.Repository:
    """Start an empty repository."""
    return icechunk.Repository.create(_storage(path))


def open_repository(path: Path) -> icechunk.Repository:
    """Open a repository that is there; RecordingError when there is none or it is damaged."""
    if not (path / "refs").is_dir() or not (path / "snapshots").is_dir():
        raise RecordingError(f"no recording at '{path}'; give a folder that `memlens record -o` wrote")
    try:
        return icechunk.Repository.open(_storage(path))
    except STORAGE_ERRORS as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> RecordingError:
    """The error that says a recording cannot be read."""
    return RecordingError(f"'{path}' is no recording, or is damaged: {reason(error)}; record it anew")


def reason(error: BaseException) -> str:
    """What an error says, in one line: Icechunk adds where in its own code it was, below a line of its own."""
    said = str(error).partition("context:")[0]
    return " ".join(word for word in said.split() if word not in ("x", "|")) or type(error).__name__
