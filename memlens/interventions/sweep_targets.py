"""Places for a sweep: from a file, or drawn at random from what a recording decided. No torch is needed to draw."""

from pathlib import Path
from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.errors import InterventionError
from memlens.recording import Recording

#: A segment, an entry, and the name of an action.
Triple = tuple[int, int, str]


def load_places(path: str | Path) -> list[Any]:
    """Read a JSON file: a list of [segment, entry, action], or of what ``Force.to_dict`` gives.

    Raises
    ------
    InterventionError
        When it is none.
    """
    from memlens.interventions.registry import from_dict, read_list

    places = []
    for one in read_list(path):
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
            places.append(tuple(one))
        else:
            places.append(from_dict(one))
    return places


def random_places(recording: Recording, n: int, *, seed: int = 0, sequence: int = 0) -> list[Triple]:
    """Draw places without repeating one: a decision before the last question, and an action that was allowed but not taken.

    Raises
    ------
    InterventionError
        When there are fewer than ``n``.
    """
    decisions, asked = recording.tables.decisions, recording.tables.questions
    segment, entry = decisions.segment, decisions.entry
    last = asked.segment[asked.sequence == sequence].max(initial=-1)
    possible = np.isfinite(decisions.q) & (decisions.executed[:, None] != np.arange(len(Action)))
    possible &= ((decisions.sequence == sequence) & (segment < last))[:, None]
    row, action = np.nonzero(possible)
    if n > len(row):
        raise InterventionError(f"'{recording.path}' has {len(row)} actions that could be forced, {n} were asked for")
    drawn = np.sort(np.random.default_rng(seed).choice(len(row), n, replace=False))
    return [(int(segment[row[i]]), int(entry[row[i]]), Action(int(action[i])).name) for i in drawn]
