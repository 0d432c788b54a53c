"""Where a recording lies: an Icechunk repository in one folder, with one committer."""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

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


def _config() -> icechunk.RepositoryConfig:
    # what is opened is read when it is used; reading ahead, in the background, complains of a folder that is gone meanwhile
    ahead = icechunk.ManifestPreloadConfig(max_total_refs=0)
    return icechunk.RepositoryConfig(manifest=icechunk.ManifestConfig(preload=ahead))


def create_repository(path: Path) -> icechunk.Repository:
    """Start an empty repository."""
    return icechunk.Repository.create(_storage(path))


def is_repository(path: Path) -> bool:
    """Whether a folder looks like a recording's; it may be damaged all the same."""
    return (path / "refs").is_dir() and (path / "snapshots").is_dir()


def open_repository(path: Path) -> icechunk.Repository:
    """Open a repository that is there; RecordingError when there is none or it is damaged."""
    if not is_repository(path):
        raise RecordingError(f"no recording at '{path}'; give a folder that `memlens record -o` wrote")
    try:
        return icechunk.Repository.open(_storage(path), config=_config())
    except STORAGE_ERRORS as error:
        raise damaged(path, error) from error


class Commit:
    """One commit of a recording, opened without asking its branch, which may be damaged or further on.

    Attributes
    ----------
    session : icechunk.Session
        To read it by.
    """

    def __init__(self, path: Path, snapshot: str):
        self._snapshot = snapshot
        self._repository = icechunk.Repository.open(_storage(Path(_view(path.resolve(), snapshot).name)))
        self.session = self._repository.readonly_session(snapshot_id=snapshot)

    def describe(self) -> dict[str, Any]:
        """What Icechunk knows of it: arrays, and their manifests with the ranges of chunks each lists."""
        return json.loads(self._repository.inspect_snapshot(self._snapshot))


@cache
def _view(path: Path, snapshot: str) -> tempfile.TemporaryDirectory[str]:
    """A folder with the files of a recording and a branch of its own; it lives as long as the process, for arrays are lazy.

    Icechunk opens no repository whose branch it cannot read.
    """
    view = tempfile.TemporaryDirectory(prefix="memlens-")
    for name in ("chunks", "manifests", "snapshots", "transactions"):
        (Path(view.name) / name).symlink_to(path / name)
    branch = Path(view.name) / "refs" / f"branch.{BRANCH}"
    branch.mkdir(parents=True)
    (branch / "ref.json").write_text(json.dumps({"snapshot": snapshot}), encoding="utf-8")
    return view


def damaged(path: Path, error: Exception) -> RecordingError:
    """Make the error that says a recording cannot be read.

    Parameters
    ----------
    path : Path
    error : Exception
        What was raised.

    Returns
    -------
    RecordingError
    """
    return RecordingError(f"'{path}' is not a recording, or is damaged: {reason(error)}; record it anew")


def reason(error: BaseException) -> str:
    """What an error says, in one line: Icechunk adds where in its own code it was, below a line of its own."""
    said = str(error).partition("context:")[0]
    return " ".join(word for word in said.split() if word not in ("x", "|")) or type(error).__name__
