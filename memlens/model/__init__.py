"""The memory model: one step, its parts, its points, its checkpoints."""

from memlens.model.baseline import StreamReader, equal_config
from memlens.model.checkpoint import load_memory_model, load_model, save_model
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
    "StreamReader",
    "equal_config",
    "load_memory_model",
    "load_model",
    "points",
    "run",
    "save_model",
    "select",
]
