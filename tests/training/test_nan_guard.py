"""A value that is not finite stops a run, with the step and the place where it came up first."""

import math

import pytest
import torch

from memlens.config import TrainConfig
from memlens.errors import TrainingError
from memlens.training.trainer import Trainer


@pytest.fixture
def trainer(config) -> Trainer:
    """After one update; every batch goes on from the last one's state."""
    trainer = Trainer(TrainConfig.load(config).model_copy(update={"carry": 1.0}))
    trainer.memory_step()
    return trainer


def scale(trainer: Trainer, name: str, factor: float) -> None:
    with torch.no_grad():
        trainer.model.get_parameter(name).mul_(factor)


def test_a_weight(trainer: Trainer) -> None:
    with torch.no_grad():
        trainer.model.norm.gain[0] = math.nan
    with pytest.raises(TrainingError, match=r"step 1: the loss is nan; the first .* is weight norm\.gain; lower"):
        trainer.memory_step()


@pytest.mark.parametrize(("block", "point"), [(0, "blocks.0.hook_state"), (1, "blocks.1.hook_state")])
def test_an_overflow_inside(trainer: Trainer, block: int, point: str) -> None:
    """The weight itself is finite, what it makes is not."""
    scale(trainer, f"blocks.{block}.project.weight", 1e38)
    with pytest.raises(TrainingError, match=rf"step 1: the loss is nan; the first .* is the output of {point}; lower"):
        trainer.memory_step()


def test_an_overflow_in_the_backward_pass(trainer: Trainer) -> None:
    """Slots of 1e38 are normed where they are read: the loss is finite, its gradient is not."""
    scale(trainer, "context.value.weight", 1e38)
    with pytest.raises(
        TrainingError, match=r"step 1: the gradient's norm .* is the gradient at context\.hook_slot; lower"
    ):
        trainer.memory_step()


def test_a_gradient(trainer: Trainer) -> None:
    trainer.model.question.out.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingError, match=r"step 1: .* is the gradient of question\.out\.weight; lower"):
        trainer.memory_step()


def test_a_carried_state(trainer: Trainer) -> None:
    trainer.carried[0].working[0, 0, 0] = math.inf
    with pytest.raises(TrainingError, match=r"step 1: .* is the carried state's working; lower"):
        trainer.memory_step()


def test_a_term_of_the_loss(trainer: Trainer) -> None:
    """Nothing before it is wrong: the weight of a term is so large that the term overflows in the total."""
    config = trainer.config
    heavy = config.weights.model_copy(update={"answer": 1e39})
    trainer.config = config.model_copy(update={"weights": heavy})
    with pytest.raises(TrainingError, match=r"step 1: the loss is inf; .* is the loss's term total; lower"):
        trainer.memory_step()


def test_healthy_points_are_finite(trainer: Trainer) -> None:
    """So that a search for the first bad one cannot stop at a healthy one."""
    bad = []

    def look(x: torch.Tensor, hook) -> None:
        if not torch.isfinite(x).all():
            bad.append(hook.name)

    with trainer.model.hooks([(lambda name: True, look)]):
        trainer.memory_step()
    assert not bad


def test_a_baseline_names_a_module(baseline_config) -> None:
    trainer = Trainer(TrainConfig.load(baseline_config))
    scale(trainer, "mlps.0.up.weight", 1e20)
    scale(trainer, "mlps.0.down.weight", 1e20)
    with pytest.raises(TrainingError, match=r"step 0: .* is the output of mlps\.0\.down; lower"):
        trainer.memory_step()
