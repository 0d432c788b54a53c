"""Frozen configurations, by owner. A config is saved with every result."""

from memlens.config.base import Config
from memlens.config.baseline import BaselineConfig
from memlens.config.model import ModelConfig
from memlens.config.training import LossWeights, QConfig, StageConfig, StreamConfig, TaskConfig, TrainConfig

__all__ = [
    "BaselineConfig",
    "Config",
    "LossWeights",
    "ModelConfig",
    "QConfig",
    "StageConfig",
    "StreamConfig",
    "TaskConfig",
    "TrainConfig",
]
