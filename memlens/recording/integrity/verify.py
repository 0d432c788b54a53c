"""``verify``: re-read a recording and say what is damaged, and which segments are still as they were written.

Every file is compared with its seal, every array is decoded, and what the arrays say is compared with each other.
Nothing here needs torch, and nothing is changed.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from memlens.calls import checked
from memlens.errors import ModelError, RecordingError
from memlens.provenance import file_sha256
from memlens.recording.format.repository import STORAGE_ERRORS
from memlens.recording.integrity.consistency import CHECKS
from memlens.recording.integrity.files import SealedFiles, compare_with_seals, damaged_seals, unsealed
from memlens.recording.integrity.seals import SEALS, Seals, read_seals
from memlens.recording.integrity.snapshot import Snapshot
from memlens.recording.integrity.verification import Damage, Verification, ranges
from memlens.recording.reading.info import RecordingInfo

_WEIGHTS = "model.safetensors"


@checked()
def verify(path: str | Path, *, model: str | Path | None = None, parent: str | Path | None = None) -> Verification:
    """Re-read a recording.

    Parameters
    ----------
    path
        The recording.
    model
        Folder of the model that was recorded: its weights are compared with the recording's ``weights_sha256``.
    parent
        The recording that this one was made from: its ``id`` is compared with ``parent``.

    Returns
    -------
    Verification
        Damages, and the segments that are good.

    Raises
    ------
    RecordingError
        When there is no recording at ``path``, however damaged.
    ModelError
        When there are no weights at ``model``.
    """
    path = Path(path)
    if not path.is_dir() or not any((path / name).exists() for name in (SEALS, "snapshots", "refs")):
        raise RecordingError(f"no recording at '{path}'; give a folder that `memlens record -o` wrote")
    seals = read_seals(path)
    files = compare_with_seals(path, seals)
    damages = [Damage("file", name, what) for name, what in files.wrong.items()]
    damages += damaged_seals(path, seals)
    newest, best, mask = _best(path, seals, files)
    notes: list[str] = []
    if newest is None or best is None:
        damages.append(Damage("unreadable", "/", "no commit that was sealed can be opened"))
    else:
        damages += [Damage("chunks", name, "is not as it was written", ranges(m, newest.first))
                    for name, m in _taken(newest).items()]  # fmt: skip
        for damage in _contents(best, notes):
            damages.append(damage)
            for first, after in damage.segments:
                mask[first - best.first : after - best.first] = False
    info = RecordingInfo() if newest is None else newest.info
    complete = info.complete
    damages += unsealed(path, seals, files, complete, notes)
    if newest is not None:
        damages += _provenance(info, model, parent, notes)
    if newest is not None and not damages:
        damages += _streams(path, newest, complete, notes)
    if newest is not None and not complete:
        notes.append("not complete: its writer still runs, or ended early; `memlens record --resume` goes on")
    return Verification(
        path=path,
        id=info.id,
        complete=complete,
        n_file=files.n,
        n_byte=files.n_byte,
        n_segment=0 if newest is None else newest.n_segment,
        damages=tuple(damages),
        good=() if best is None else ranges(mask, best.first),
        snapshot="" if best is None else best.id,
        notes=tuple(notes),
    )


def _best(path: Path, seals: Seals, files: SealedFiles) -> tuple[Snapshot | None, Snapshot | None, np.ndarray]:
    """The newest commit that opens, the one with most whole segments, and the mask of those."""
    newest = best = None
    best_mask = np.zeros(0, bool)
    for snapshot in dict.fromkeys(reversed(seals.snapshots)):
        if not files.is_whole(f"snapshots/{snapshot}"):
            continue
        try:
            shot = Snapshot(path, snapshot, files)
            if best is not None and shot.n_segment <= best_mask.sum():
                break
            mask = np.ones(shot.n_segment, bool)
            for taken in _taken(shot).values():
                mask &= ~taken
        except (*STORAGE_ERRORS, RecordingError):
            continue
        newest = newest or shot
        if best is None or mask.sum() > best_mask.sum():
            best, best_mask = shot, mask
        if mask.all():
            break
    return newest, best, best_mask


def _taken(shot: Snapshot) -> dict[str, np.ndarray]:
    """Array -> mask of the segments it lost."""
    return {name: shot.lost_segments(name, chunks) for name, chunks in shot.lost.items()}


def _contents(shot: Snapshot, notes: list[str]) -> Iterator[Damage]:
    """Decode all that is whole, then compare what it says."""
    broken = set(shot.lost)
    for name in shot.arrays:
        for damage in _decoded(shot, name):
            broken.add(name)
            yield damage
    for check in CHECKS:
        missing = sorted(broken & set(check.needs))
        if missing:
            notes.append(f"{check.name}: not checked, since {', '.join(missing)} is damaged")
            continue
        try:
            for where, what, mask in check.find(shot):
                yield Damage(check.name, where, what, () if mask is None else ranges(mask, shot.first))
        except (*STORAGE_ERRORS, IndexError) as error:
            yield Damage(check.name, "/", f"cannot be checked, its arrays do not agree: {error}")


def _decoded(shot: Snapshot, name: str) -> Iterator[Damage]:
    """Read an array, one chunk's length along its axis at a time."""
    array, at = shot.arrays[name], shot.axis(name)
    lost = {chunk[at] for chunk in shot.lost.get(name, ())} if at is not None else set()
    if at is None:
        blocks = [] if name in shot.lost or not math.prod(array.shape) else [None]
    else:
        blocks = [i for i in range(-(-array.shape[at] // array.chunks[at])) if i not in lost]
    for block in blocks:
        place: Any = ...
        if block is not None:
            place = (*(slice(None),) * (at or 0), slice(block * array.chunks[at], (block + 1) * array.chunks[at]))
        try:
            array[place]
        except STORAGE_ERRORS as error:
            chunk = (0,) * array.ndim if block is None else (*(0,) * (at or 0), block)
            yield Damage(
                "unreadable", name, f"cannot be decoded: {error}", ranges(shot.lost_segments(name, [chunk]), shot.first)
            )


def _provenance(
    info: RecordingInfo, model: str | Path | None, parent: str | Path | None, notes: list[str]
) -> Iterator[Damage]:
    if model is not None:
        weights = Path(model) / _WEIGHTS
        if not weights.is_file():
            raise ModelError(f"no weights at '{weights}'; give the folder of the model that was recorded")
        found, want = file_sha256(weights), info.weights_sha256
        if found != want:
            yield Damage(
                "weights", str(weights), f"sha256 is {found[:16]}, the recording's model has {want[:16] or 'none'}"
            )
    said = info.parent
    if parent is not None:
        from memlens.recording.reading.recording import open

        found = open(parent).id
        if found != said:
            yield Damage("parent", str(parent), f"id is {found}, the recording's parent is {said or 'none'}")
    elif said:
        notes.append(f"made from recording {said}, which was not given")


def _streams(path: Path, shot: Snapshot, complete: bool, notes: list[str]) -> Iterator[Damage]:
    """Rebuild the streams and compare their fingerprints. Only of a recording that is whole so far."""
    from memlens.recording.reading.recording import open

    said = [one.sha256 for one in shot.info.streams]
    why = "" if any(said) else "it has no fingerprint"
    why = why if complete and not shot.first else "it is not all there"
    if why:
        notes.append(f"stream: not checked, since {why}")
        return
    for number, (one, want) in enumerate(zip(open(path).streams(), said, strict=True)):
        if want and one.sha256 != want:
            yield Damage(
                "stream", f"/positions, sequence {number}", f"sha256 is {one.sha256[:16]}, expected {want[:16]}"
            )
