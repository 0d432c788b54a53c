"""What a check of a recording found: damages, and the segments that are still as they were written."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memlens.plain import plain

#: Half-open ranges (first, after) of segments.
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong.

    Attributes
    ----------
    kind : str
        "file", "seals", "unsealed", "chunks", "unreadable", one of the checks' names ("lengths", "segments", "ranges",
        "lineage", "asked"), "weights", "stream" or "parent".
    where : str
        The file inside the recording ("chunks/..."), or the group or variable ("/segments/hook_hidden").
    what : str
        What is wrong with it.
    segments : tuple
        Half-open ranges of the segments that it takes; () for none, or where that cannot be said.
    """

    kind: str
    where: str
    what: str
    segments: Ranges = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{f'; {spelled(self.segments)}' if self.segments else ''}"


@dataclass(frozen=True, repr=False)
class Verification:
    """What ``verify`` found.

    Attributes
    ----------
    path : Path
    id : str
        The recording's identity, "" where it cannot be read.
    complete : bool
        Whether the writer finished.
    n_file, n_byte, n_segment : int
        What was read. Segments are those of ``snapshot``.
    damages : tuple of Damage
        What is wrong; empty for a good recording.
    good : tuple
        Half-open ranges of the segments of which every value is as it was written.
    snapshot : str
        The commit in which they are: the last one, or the one before a damaged one; ``memlens.open`` takes it.
    notes : tuple of str
        What is worth knowing and no damage: what could not be checked, and why.
    """

    path: Path
    id: str
    complete: bool
    n_file: int
    n_byte: int
    n_segment: int
    damages: tuple[Damage, ...]
    good: Ranges
    snapshot: str
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "path": str(self.path), "ok": self.ok}

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [
            f"recording  {self.path} ({self.id or 'id unknown'}{'' if self.complete else ', not complete'})",
            f"read       {self.n_file:,} files, {self.n_byte / 1e6:,.1f} MB, {self.n_segment:,} segments",
            *(f"damaged    {plain(damage)}" for damage in self.damages),
            *(f"note       {plain(note)}" for note in self.notes),
            f"good       {spelled(self.good) if self.good else 'no segments'}",
        ]
        if self.damages and self.good:
            lines.append(f"           memlens.open(path, snapshot='{self.snapshot}') opens them")
        return "\n".join([*lines, "good" if self.ok else "DAMAGED"])


def spelled(found: Ranges) -> str:
    """Ranges in words, last segment included."""
    return "segments " + ", ".join(f"{a}-{b - 1}" if b - a > 1 else f"{a}" for a, b in found)


def ranges(mask: np.ndarray, first: int = 0) -> Ranges:
    """Ranges in which a mask is True.

    Parameters
    ----------
    mask : bool [segment]
    first : int
        Number of the first segment.

    Returns
    -------
    tuple
        Half-open ranges.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return tuple((int(a) + first, int(b) + first) for a, b in edges.reshape(-1, 2))
