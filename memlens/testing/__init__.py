"""Planted truth, for tests of analyses, figures and pages: recordings whose structure is known."""

from memlens.testing import information, structure
from memlens.testing.layout import CAPACITIES, LENGTH, VOCAB
from memlens.testing.planted import CONTROLS, NEAR, SCALE, SLOT, WIDTH, planted_recording
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
    "write_recording",
]
