"""Training and evaluation."""

from memlens.training.evaluate import evaluate
from memlens.training.train import fit, train

__all__ = ["evaluate", "fit", "train"]
