"""Targets of a sweep, the actions it forces: from a file, or drawn at random from what a recording decided. No torch is needed to draw."""

from pathlib import Path
from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.errors import InterventionError
from memlens.recording import Recording

#: A segment, an entry, and the name of an action.
Triple = tuple[int, int, str]


def load_targets(path: str | Path) -> list[Any]:
    """FactualSegment a JSON file: a list of [segment, entry, action], or of what ``Force.to_dict`` gives.

    Raises
    ------
    InterventionError
        When it is none.
    """
    from memlens.interventions.registry import from_dict, read_json_list

    targets = []
    for one in read_json_list(path):
        if isinstance(one, list):
            if (
                len(one) != 3
                or not isinstance(one[0], int)
                or not isinstance(one[1], int)
                or not isinstance(one[2], str)
            ):
                raise InterventionError(
                    f"'{path}' holds {one!r}, expected [segment, entry, action], as [12, 140, \"DISCARD\"]"
                )
            targets.append(tuple(one))
        else:
            targets.append(from_dict(one))
    return targets


def random_targets(recording: Recording, n: int, *, seed: int = 0, sequence: int = 0) -> list[Triple]:
    """Draw targets, none of them twice: a decision before the last question, and an action that was allowed but not taken.

    Raises
    ------
    InterventionError
        When there are fewer than ``n``.
    """
    rows = recording.decisions
    asked = recording.questions
    last = asked["segment"].values[asked["sequence"].values == sequence].max(initial=-1)
    possible = np.isfinite(rows["q"].values) & (rows["executed"].values[:, None] != np.arange(len(Action)))
    possible &= ((rows["sequence"].values == sequence) & (rows["segment"].values < last))[:, None]
    row, action = np.nonzero(possible)
    if n > len(row):
        raise InterventionError(f"'{recording.path}' has {len(row)} actions that could be forced, {n} were asked for")
    drawn = np.sort(np.random.default_rng(seed).choice(len(row), n, replace=False))
    segment, entry = rows["segment"].values, rows["entry"].values
    return [(int(segment[row[i]]), int(entry[row[i]]), Action(int(action[i])).name) for i in drawn]
