"""Targets of a sweep, the actions it forces: from a file, or drawn at random from what a recording decided. No torch is needed to draw."""

from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memlens.calls import checked
from memlens.dims import Action
from memlens.errors import InterventionError
from memlens.recording import Recording

if TYPE_CHECKING:
    from memlens.interventions.base import Intervention

#: A segment, an entry, and the name of an action.
Triple = tuple[int, int, str]


def load_targets(path: str | Path) -> "list[Triple | Intervention]":
    """Read a JSON file: a list of [segment, entry, action], or of what ``Force.to_dict`` gives.

    Raises
    ------
    InterventionError, ConfigError
        When the file holds something else; the message says at which index.
    """
    from memlens.interventions.registry import from_dict, read_json_list

    def read(one: Any) -> "Triple | Intervention":
        return triple(one) if isinstance(one, list) else from_dict(one)

    return read_json_list(path, read)


def triple(given: Any) -> Triple:
    """A target that is given as segment, entry and action; InterventionError when it is not one."""
    values = list(given) if isinstance(given, list | tuple) else []
    kinds = (Integral, Integral, str)
    if len(values) != 3 or not all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise InterventionError(f'got {given!r}, expected [segment, entry, action], such as [12, 140, "DISCARD"]')
    return int(values[0]), int(values[1]), str(values[2])


@checked(recording=Recording)
def random_targets(recording: Recording, n: int, *, seed: int = 0, sequence: int = 0) -> list[Triple]:
    """Draw targets, none of them twice: a decision before the last question, and an action that was allowed but not taken.

    Parameters
    ----------
    recording : Recording
        What is to be swept.
    n : int
        How many.
    seed : int
        Of the draw.
    sequence : int
        The one of the recording's sequences that is to be swept.

    Returns
    -------
    list of (segment, entry, action)
        In the order of the recording's decisions.

    Raises
    ------
    InterventionError
        When the recording has fewer than ``n`` of them.
    """
    decisions, asked = recording.tables.decisions, recording.tables.questions
    segment, entry = decisions.segment, decisions.entry
    last = asked.segment[asked.sequence == sequence].max(initial=-1)
    possible = np.isfinite(decisions.q) & (decisions.executed[:, None] != np.arange(len(Action)))
    possible &= ((decisions.sequence == sequence) & (segment < last))[:, None]
    row, action = np.nonzero(possible)
    if n > len(row):
        raise InterventionError(
            f"'{recording.path}' has {len(row)} actions that could be forced in sequence {sequence}, expected {n} or more; ask for fewer"
        )
    drawn = np.sort(np.random.default_rng(seed).choice(len(row), n, replace=False))
    return [(int(segment[row[i]]), int(entry[row[i]]), Action(int(action[i])).name) for i in drawn]
