"""What a recording offers. Analyses, reports, export and summary know this and nothing else of recordings."""

from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import xarray as xr

from memlens.errors import RecordingError
from memlens.recording.reading.info import RecordingInfo
from memlens.recording.reading.tables import RecordedTables


class RecordingLike(Protocol):
    """A recording: opened from disk (``memlens.open``), or planted in memory (``memlens.testing.write_recording``)."""

    #: Its folder.
    path: Path
    #: Root attributes as stored; lists and dicts are JSON text.
    attrs: dict[str, Any]

    @property
    def id(self) -> str:
        """uuid4."""
        ...

    @cached_property
    def info(self) -> RecordingInfo:
        """Root attributes, parsed."""
        ...

    @cached_property
    def tables(self) -> RecordedTables:
        """Tables as typed columns."""
        ...

    @cached_property
    def segments(self) -> xr.Dataset:
        """Dense arrays, dims (sequence, segment, ...), lazy."""
        ...

    @cached_property
    def positions(self) -> xr.Dataset:
        """The streams, dims (sequence, position), lazy."""
        ...

    @cached_property
    def questions(self) -> xr.Dataset:
        """One row a question."""
        ...

    @cached_property
    def decisions(self) -> xr.Dataset:
        """One row a live agent and segment."""
        ...

    @cached_property
    def entries(self) -> xr.Dataset:
        """One row an entry that ever was."""
        ...

    def n_rows(self, group: str) -> int:
        """Rows of a group, such as "decisions", without reading it."""
        ...

    def __getitem__(self, name: str) -> xr.DataArray:
        """A recorded point."""
        ...


Given = TypeVar("Given")


def as_recording(value: Given, what: str = "recording") -> Given:
    """Check that an argument is a recording.

    Parameters
    ----------
    value : object
        What was given.
    what : str
        What the argument is called.

    Returns
    -------
    RecordingLike
        The same object, of the same type.

    Raises
    ------
    RecordingError
        When it is something else, such as a path; the message says how a recording is opened.
    """
    if isinstance(value, str | Path):
        raise RecordingError(
            f"{what}: got a {_kind(value)} {str(value)!r}, expected a recording: memlens.open({str(value)!r})"
        )
    if all(hasattr(type(value), name) or hasattr(value, name) for name in ("attrs", "info", "tables", "segments")):
        return value
    raise RecordingError(f"{what}: got a {_kind(value)}, expected a recording: memlens.open(path)")


def _kind(value: Any) -> str:
    return "path" if isinstance(value, Path) else type(value).__name__
