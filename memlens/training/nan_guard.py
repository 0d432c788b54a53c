"""Finds the first tensor that is not finite: a weight, the carried state, a hook point, a term of the loss, a gradient."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from memlens.errors import TrainingError
from memlens.model.model import MemoryModel
from memlens.model.tensors import Tensors
from memlens.training.memory_loss import MemoryLoss
from memlens.training.metrics import TERMS

ADVICE = "lower learning_rate or clip"


class _Found(Exception):
    """Ends a forward or backward pass at the first tensor that is not finite."""


def is_finite(x: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(torch.isfinite(x).all())


def gradient_norm(parameters: list[nn.Parameter]) -> Tensor:
    """Norm of all gradients as one vector."""
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def check_loss(step: int, model: nn.Module, state: Tensors, loss: MemoryLoss, again: Callable[[], MemoryLoss]) -> None:
    """Check that the loss and all its terms are finite.

    Parameters
    ----------
    step : int
        Number of the update, for the message.
    model : nn.Module
    state : Tensors
        What the loss starts from.
    loss : MemoryLoss
    again : callable
        Computes the same loss once more.

    Raises
    ------
    TrainingError
        Names the step and the first tensor that is not finite.
    """
    term = next((name for name in (*TERMS, "total") if not is_finite(getattr(loss, name))), None)
    if term is None:
        return
    if (name := _bad_weight(model)) is not None:
        what = f"weight {name}"
    elif (name := next((n for n, x in state.flat().items() if not is_finite(x)), None)) is not None:
        what = f"the carried state's {name}"
    elif (name := _bad_point(model, again)) is not None:
        what = f"the output of {name}"
    else:
        what = f"the loss's term {term}"
    raise _error(step, f"the loss is {loss.total.item()}", what)


def check_gradient(
    step: int, model: nn.Module, parameters: list[nn.Parameter], again: Callable[[], MemoryLoss] | None = None
) -> Tensor:
    """Check that the gradient is finite.

    Parameters
    ----------
    step : int
        Number of the update, for the message.
    model : nn.Module
    parameters : list of nn.Parameter
    again : callable, optional
        Computes the same loss once more, to find the first point of the backward pass that is not finite; without it the first weight
        is named.

    Returns
    -------
    float []
        Norm of the gradient.

    Raises
    ------
    TrainingError
        Names the step and the first gradient that is not finite.
    """
    norm = gradient_norm(parameters)
    if is_finite(norm):
        return norm
    weight = next((n for n, p in model.named_parameters() if p.grad is not None and not is_finite(p.grad)), None)
    if weight is None:
        what = "the norm itself"
    elif again is not None and (name := _bad_point(model, again, backward=True)) is not None:
        what = f"the gradient at {name}"
    else:
        what = f"the gradient of {weight}"
    raise _error(step, f"the gradient's norm is {norm.item()}", what)


def check_weights(step: int, model: nn.Module) -> None:
    """Check that all weights are finite.

    Parameters
    ----------
    step : int
        Number of the update, for the message.
    model : nn.Module

    Raises
    ------
    TrainingError
        Names the step and the first weight that is not finite.
    """
    if (name := _bad_weight(model)) is not None:
        raise _error(step, "the model cannot be used", f"weight {name}")


def _error(step: int, symptom: str, what: str) -> TrainingError:
    return TrainingError(f"step {step}: {symptom}; the first tensor that is not finite is {what}; {ADVICE}")


def _bad_weight(model: nn.Module) -> str | None:
    return next((name for name, x in model.state_dict().items() if not is_finite(x)), None)


def _bad_point(model: nn.Module, again: Callable[[], MemoryLoss], backward: bool = False) -> str | None:
    """The first hook point, in order of firing, whose output (or the gradient of it) is not finite.

    A baseline has few hook points: its first module.
    """
    kind = HookPoint if isinstance(model, MemoryModel) else nn.Module
    modules = {name: module for name, module in model.named_modules() if isinstance(module, kind)}

    def check(name: str, x: Tensor) -> None:
        if not is_finite(x):
            raise _Found(name)

    def look(module: nn.Module, given: object, out: object, *, name: str) -> None:
        if isinstance(out, Tensor) and not backward:
            check(name, out)
        elif isinstance(out, Tensor) and out.requires_grad:
            out.register_hook(partial(check, name))

    handles = [module.register_forward_hook(partial(look, name=name)) for name, module in modules.items()]
    try:
        with torch.set_grad_enabled(backward):
            loss = again()
            if backward:
                loss.total.backward()
    except _Found as found:
        return str(found)
    finally:
        for handle in handles:
            handle.remove()
    return None
