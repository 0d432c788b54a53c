"""Planted truth, for tests of analyses, figures and pages: recordings whose structure is known."""

from memlens.testing import information, structure
from memlens.testing.planted import CAPACITIES, CONTROLS, LENGTH, NEAR, SCALE, SLOT, VOCAB, WIDTH, planted_recording
from memlens.testing.replace import with_points
from memlens.testing.write import write_recording

__all__ = [
    "CAPACITIES",
    "CONTROLS",
    "LENGTH",
    "NEAR",
    "SCALE",
    "SLOT",
    "VOCAB",
    "WIDTH",
    "information",
    "planted_recording",
    "structure",
    "with_points",
    "write_recording",
]
