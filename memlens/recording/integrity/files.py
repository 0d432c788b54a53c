"""The files of a recording, compared with their seals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from memlens.recording.integrity.seals import SEALS, Fingerprint, Seals, files_of, fingerprint_of, snapshot_of
from memlens.recording.integrity.verification import Damage


@dataclass(frozen=True)
class SealedFiles:
    """The files of a recording, compared with its seals.

    Attributes
    ----------
    n, n_byte : int
        How many there are, and how large they are together.
    wrong : dict
        Sealed file -> what is wrong with it now.
    unsealed : tuple
        Files that no seal knows.
    whole : frozenset
        Digests of the sealed files that are as they were.
    suspect : frozenset
        Digests, as they are now, of files that changed.
    """

    n: int
    n_byte: int
    wrong: Mapping[str, str]
    unsealed: tuple[str, ...]
    whole: frozenset[str]
    suspect: frozenset[str]

    def is_whole(self, name: str) -> bool:
        """Whether a file is known and as it was sealed."""
        return name not in self.wrong and name not in self.unsealed


def compare_with_seals(path: Path, seals: Seals) -> SealedFiles:
    """Read every file of a recording and compare it with its seal.

    Parameters
    ----------
    path : Path
    seals : Seals

    Returns
    -------
    SealedFiles
    """
    found: dict[str, Fingerprint] = {}
    wrong: dict[str, str] = {}
    for name in sorted(files_of(path)):
        try:
            found[name] = fingerprint_of(path / name)
        except OSError as error:
            wrong[name] = f"cannot be read: {error.strerror}"
    for name, sealed in seals.files.items():
        if name in wrong:
            continue
        if name not in found:
            wrong[name] = "is missing"
        elif found[name].size != sealed.size:
            wrong[name] = f"has {found[name].size:,} bytes, {sealed.size:,} were sealed"
        elif found[name].digest != sealed.digest:
            wrong[name] = "is not what was sealed"
    return SealedFiles(
        n=len(found),
        n_byte=sum(one.size for one in found.values()),
        wrong=wrong,
        unsealed=tuple(name for name in found if name not in seals.files),
        whole=frozenset(found[name].digest for name in seals.files if name in found and name not in wrong),
        suspect=frozenset(found[name].digest for name in wrong if name in found),
    )


def damaged_seals(path: Path, seals: Seals) -> Iterator[Damage]:
    """Find what is wrong with the seals themselves.

    Parameters
    ----------
    path : Path
    seals : Seals

    Yields
    ------
    Damage
    """
    if not (path / SEALS).exists():
        yield Damage("seals", SEALS, "is missing, so the files cannot be compared with what was written")
    if seals.problem:
        yield Damage("seals", SEALS, seals.problem)
    if seals.n_torn:
        yield Damage("unsealed", SEALS, f"ends in {seals.n_torn:,} bytes of a line: the last commit is not sealed")


def unsealed(path: Path, seals: Seals, files: SealedFiles, complete: bool, notes: list[str]) -> Iterator[Damage]:
    """Find files that no seal knows: those of a commit that was not sealed, or what a killed process left behind.

    Parameters
    ----------
    path : Path
    seals : Seals
    files : SealedFiles
    complete : bool
        Whether the run came to its end.
    notes : list of str
        Remarks that are not damage are added here.

    Yields
    ------
    Damage
    """
    if not files.unsealed or not seals.files:
        return
    n, snapshot = len(files.unsealed), snapshot_of(path)
    if snapshot and snapshot not in seals.snapshots:
        yield Damage(
            "unsealed", f"snapshots/{snapshot}", "the last commit is not sealed; `memlens record --resume` seals it"
        )
    elif complete or seals.problem or seals.n_torn:
        yield Damage("unsealed", files.unsealed[0], f"is one of {n:,} files that no seal knows")
    else:
        notes.append(f"{n:,} files are left of a commit that was not made; nothing refers to them")
