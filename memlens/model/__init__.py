"""The memory model: one step, its parts, its points, its checkpoints."""

from memlens.model.answers import Questions
from memlens.model.baseline import StreamReader, equal_config
from memlens.model.checkpoint import load_memory_model, load_model, save_model
from memlens.model.model import MemoryModel
from memlens.model.points import Point, points, select
from memlens.model.run import run
from memlens.model.segment import Segment, StepOutputs
from memlens.model.state import MemoryState

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
