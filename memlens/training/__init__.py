"""Training and evaluation."""

from memlens.training.evaluate import evaluate
from memlens.training.train import train

__all__ = ["evaluate", "train"]
