"""The memory model: one step, its parts, its points, its checkpoints."""

from memlens.model.checkpoint import load_model, save_model
from memlens.model.model import MemoryModel
from memlens.model.outputs import MemoryState, Questions, Segment, StepOutputs
from memlens.model.points import Point, points, select
from memlens.model.run import run

__all__ = [
    "MemoryModel",
    "MemoryState",
    "Point",
    "Questions",
    "Segment",
    "StepOutputs",
    "load_model",
    "points",
    "run",
    "save_model",
    "select",
]
