"""Seals: fingerprints of a recording's files, so that every later change to any of them is noticed.

Icechunk writes each file once, under a name of its own; only what lies in ``refs`` is written again. After a commit,
one line is added to ``seals.jsonl``: the size and the digest of every file that is new, the snapshot the branch is at,
and the digest of the line before. So a line that is edited, or missing in the middle, shows; and lines missing at the
end show as files that no line knows. Sealing reads only what is new.

A seal guards against accidents (disks, copies, tools), not against somebody who writes new seals on purpose.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from memlens.errors import RecordingError
from memlens.provenance import file_sha256

#: The file of the seals, at the top of a recording, where Icechunk looks at no files.
SEALS = "seals.jsonl"
#: Folder of the files that are written again, by every commit.
REFS = "refs"


@dataclass(frozen=True)
class Fingerprint:
    """Fingerprint of a file: its size in bytes and its SHA-256 (hexadecimal)."""

    size: int
    digest: str


@dataclass
class Seals:
    """What the seals of a recording say.

    Attributes
    ----------
    files : dict
        Path inside the recording -> the last fingerprint of it.
    snapshots : list
        Of each seal, the snapshot that the branch was at.
    last : str
        Digest of the last good line, "" before the first.
    n_good : int
        Bytes of the file up to the first line that is not good.
    n_torn : int
        Bytes after them that have no end of line: what a killed process leaves.
    problem : str
        What is wrong with the file beyond that, or "".
    """

    files: dict[str, Fingerprint] = field(default_factory=dict)
    snapshots: list[str] = field(default_factory=list)
    last: str = ""
    n_good: int = 0
    n_torn: int = 0
    problem: str = ""


def read_seals(path: Path) -> Seals:
    """Read the seals of a recording. A missing file has none; of a damaged one, the lines that are whole count."""
    seals = Seals()
    try:
        text = (path / SEALS).read_bytes()
    except FileNotFoundError:
        return seals
    *lines, rest = text.split(b"\n")
    bad = []
    for number, line in enumerate(lines, start=1):
        follows = _take(seals, line)
        if not follows:
            bad.append(str(number))
        elif not bad:
            seals.n_good += len(line) + 1
    if bad:
        seals.problem = f"not as written, or not after what it follows: line {', '.join(bad)} of {len(lines)}"
    seals.n_torn = len(rest)
    return seals


class Sealer:
    """Seals a recording; one process at a time, the one that commits.

    Parameters
    ----------
    path
        The recording's folder. What a killed process left of a line is taken away.

    Raises
    ------
    RecordingError
        When earlier seals are damaged: new ones would hide it.
    """

    def __init__(self, path: Path):
        self.path = path
        self._seals = read_seals(path)
        if self._seals.problem:
            raise RecordingError(
                f"'{path / SEALS}' is damaged: {self._seals.problem}; `memlens verify` says which segments are good"
            )
        if self._seals.n_torn:
            os.truncate(path / SEALS, self._seals.n_good)

    def seal(self) -> None:
        """Add a line with the files that came since the last one, durably; nothing where none came."""
        new = {name: fingerprint_of(self.path / name) for name in files_of(self.path) if self._is_new(name)}
        new = {name: found for name, found in new.items() if self._seals.files.get(name) != found}
        if not new:
            return
        line = _line(new, snapshot_of(self.path), self._seals.last)
        _append(self.path / SEALS, line + b"\n")
        _take(self._seals, line)

    def _is_new(self, name: str) -> bool:
        return name not in self._seals.files or name.startswith(f"{REFS}/")


def files_of(path: Path) -> Iterator[str]:
    """Paths inside a recording of all its files but the seals, in no order; hidden files are no part of it."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(path / folder) as found:
            for item in found:
                name = f"{folder}{item.name}"
                if item.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                elif name != SEALS:
                    yield name


def fingerprint_of(file: Path) -> Fingerprint:
    """Fingerprint of a file as it is now; OSError when it cannot be read."""
    return Fingerprint(file.stat().st_size, file_sha256(file))


def snapshot_of(path: Path) -> str:
    """Id of the snapshot that the branch is at; "" where that cannot be read."""
    try:
        return str(json.loads((path / REFS / "branch.main" / "ref.json").read_bytes())["snapshot"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


# parts


def _line(files: dict[str, Fingerprint], snapshot: str, previous: str) -> bytes:
    """One seal: its own digest, then what the digest covers."""
    listed = {name: [files[name].size, files[name].digest] for name in sorted(files)}
    body = json.dumps({"previous": previous, "snapshot": snapshot, "files": listed}, separators=(",", ":")).encode()
    return _digest(body).encode() + b" " + body


def _take(seals: Seals, line: bytes) -> bool:
    """Add a whole line to what is known; False when it is damaged or does not follow the one before."""
    digest, _, body = line.partition(b" ")
    if digest != _digest(body).encode():
        return False
    told = json.loads(body)
    follows = told["previous"] == seals.last
    seals.files |= {name: Fingerprint(*found) for name, found in told["files"].items()}
    seals.snapshots.append(told["snapshot"])
    seals.last = digest.decode()
    return follows


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _append(file: Path, line: bytes) -> None:
    first = not file.exists()
    with file.open("ab", buffering=0) as opened:
        opened.write(line)
        os.fsync(opened.fileno())
    if first:
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
