"""What a planted recording looks like where nothing says otherwise: sizes, words, and the axes of points."""

from dataclasses import dataclass

import numpy as np

#: Positions in a segment, and positions in the window of a slot.
LENGTH, WINDOW = 64, 8
#: Places of each level of the store.
CAPACITIES = (24, 12, 6)
#: A word that may be planted as a marker, two that HTML must escape, a newline, and plain words.
VOCAB = ("\u0120needle", "<b>bold</b>", "$x$", "\u010a", *(f"\u0120w{i}" for i in range(46)))

SLOT_POINT, POSITION_POINT = "context.hook_slot", "context.hook_position"
PRIOR_POINT, PATTERN_POINT = "context.hook_prior", "context.hook_pattern"
#: Axes of points by name, after ``sequence`` and ``segment``: as `memlens.model.points` has them (which needs torch).
AXES: dict[str, tuple[str, ...]] = {
    "hook_hidden": ("token", "feature"),
    "importance.hook_score": ("token",),
    POSITION_POINT: ("slot",),
    PRIOR_POINT: ("slot",),
    PATTERN_POINT: ("slot", "head", "window"),
    SLOT_POINT: ("slot", "feature"),
    "working.hook_pattern": ("working", "input"),
    "working.hook_candidate": ("working", "feature"),
    "working.hook_gate": ("working",),
    "working.hook_slot": ("working", "feature"),
    "controller.hook_entry": ("agent",),
    "controller.hook_control": ("agent", "control"),
    "controller.hook_q": ("agent", "action"),
    "controller.hook_action": ("agent",),
    "store.hook_entry": ("entry",),
    "store.hook_content": ("entry", "feature"),
}

#: Columns of a table, or arrays of a group, by name.
TableColumns = dict[str, np.ndarray]
#: Points by name: axes after ``sequence, segment``, and the array.
LabelledPoints = dict[str, tuple[tuple[str, ...], np.ndarray]]


@dataclass(frozen=True)
class RecordingSize:
    """Numbers of sequences and segments, positions in a segment, and the index of the first segment."""

    sequence: int
    segment: int
    length: int
    first: int
