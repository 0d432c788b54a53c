"""Entries that are merged level by level, with contents that keep a planted share of what went in."""

from typing import Any, NamedTuple

import numpy as np

from memlens.dims import Action


class Merged(NamedTuple):
    """What `write_recording` takes, and how many places each level needs.

    ``points`` and ``entries`` are its arguments; ``modality`` (sequence, segment, slot) is the label of each slot.
    """

    points: dict[str, np.ndarray]
    entries: dict[str, np.ndarray]
    capacities: tuple[int, ...]
    modality: np.ndarray


def merges(
    *,
    n_segment: int = 120,
    feature: int = 16,
    kept: tuple[float, ...] = (1.0, 1.0),
    signal: float = 4.0,
    related: bool = True,
    consolidated: bool = False,
    seed: int = 0,
) -> Merged:
    """Four slots a segment; the next segment merges them in pairs, the one after merges the two merges; then they are dropped.

    A slot is unit noise plus ``signal`` times the direction of its modality. A merge is the mean of its two parents.

    Parameters
    ----------
    n_segment, feature : int
        Segments, and features of a slot.
    kept : tuple of float
        Share of the features that a merge of level 1, and of level 2, keeps; the others are 0.
    signal : float
        Noise widths.
    related : bool
        Whether merges hold what went into them; else noise of the same size.
    consolidated : bool
        Whether every fresh slot names a slot of the segment before as its parent, whose place it takes without any of its content.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Merged
    """
    rng = np.random.default_rng(seed)
    direction = np.linalg.qr(rng.normal(size=(feature, 2)))[0].T
    modality = rng.integers(2, size=(1, n_segment, 4))
    slot = rng.normal(size=(1, n_segment, 4, feature)) + signal * direction[modality]
    capacities = (4, 2, 1)
    content = np.zeros((1, n_segment, sum(capacities), feature))
    rows: list[dict[str, Any]] = []
    for t in range(n_segment):
        ids = t * 7 + np.arange(7)
        content[0, t, :4] = slot[0, t]
        level1, level2 = (_merge(slot[0, t], kept[0]), None)
        level2 = _merge(level1, kept[1])
        if not related:
            level1, level2 = (rng.normal(size=part.shape) * part.std() for part in (level1, level2))
        if t + 1 < n_segment:
            content[0, t + 1, 4:6] = level1
        if t + 2 < n_segment:
            content[0, t + 2, 6] = level2[0]
        for at in range(4):
            parent = (ids[at] - 7 if consolidated and t else -1, -1)
            rows.append(_row(t, ids[at], 0, at, parent, int(modality[0, t, at]), t + 1, Action.COMPRESS))
        for at in range(2):
            rows.append(
                _row(
                    t + 1,
                    ids[4 + at],
                    1,
                    -1,
                    (ids[2 * at], ids[2 * at + 1]),
                    int(modality[0, t, 2 * at]),
                    t + 2,
                    Action.COMPRESS,
                )
            )
        rows.append(_row(t + 2, ids[6], 2, -1, (ids[4], ids[5]), int(modality[0, t, 0]), t + 3, Action.DISCARD))
    rows = [row for row in rows if row["segment"] < n_segment]
    for row in rows:
        if row["died"] >= n_segment:
            row["died"], row["fate"] = -1, -1
    entries = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Merged({"context.hook_slot": slot, "store.hook_content": content}, entries, capacities, modality)


def _merge(parents: np.ndarray, kept: float) -> np.ndarray:
    merged = parents.reshape(-1, 2, parents.shape[-1]).mean(1)
    merged[:, round(kept * merged.shape[1]) :] = 0
    return merged


def _row(
    segment: int, entry: int, level: int, slot: int, parent: tuple[int, int], modality: int, died: int, fate: Action
) -> dict[str, Any]:
    return {"segment": segment, "entry": entry, "level": level, "slot": slot, "parent": parent, "modality": modality,
            "died": died, "fate": int(fate)}  # fmt: skip
