"""Metrics of a training step: terms of the loss, slots and gates as hooks see them, norms of the gradients of each part of the model.

A metric is kept as (sum, count) until the shards of a batch are merged; a mean over nothing is left out.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from memlens.config import TaskConfig
from memlens.dims import Modality
from memlens.model.baseline import StreamReader
from memlens.model.entries import Context
from memlens.model.model import MemoryModel
from memlens.training.episodes import Episode
from memlens.training.memory_loss import MemoryLoss

MetricSums = dict[str, tuple[float, float]]
Metrics = dict[str, float]
#: Terms of the loss; a baseline has only the first two.
TERMS = ("answer", "predict", "retrieval", "fidelity", "importance")
#: A gate nearer to 0 or to 1 than this is saturated.
EDGE = 0.05
#: The metric that the curriculum follows.
LEADING = "exact_first"


def _summed(values: Tensor) -> tuple[float, float]:
    """Values of any shape as (sum, count)."""
    return float(values.double().sum()), float(values.numel())


def merge_shards(parts: Sequence[MetricSums]) -> Metrics:
    """Means over the values of all shards, summed in their order."""
    row: Metrics = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        found = [part[name] for part in parts if name in part]
        count = sum(n for _, n in found)
        if count:
            row[name] = sum(value for value, _ in found) / count
    return row


@dataclass
class Watched:
    """What hooks saw in one forward pass, a tensor for each segment.

    Attributes
    ----------
    valid : list of bool [sequence, slot]
    prior : list of float [sequence, slot]
        Nats.
    gate : list of float [sequence, working]
        1 where nothing is written.
    """

    valid: list[Tensor] = field(default_factory=list)
    prior: list[Tensor] = field(default_factory=list)
    gate: list[Tensor] = field(default_factory=list)

    def metrics(self) -> MetricSums:
        """Slot usage, importance mass, gate saturation, use of working memory; empty when nothing was seen."""
        if not self.gate:
            return {}
        valid, prior, gate = torch.cat(self.valid), torch.cat(self.prior).float(), torch.cat(self.gate).float()
        written = gate < 1
        writes = written.sum(0).double()
        share = writes / writes.sum().clamp_min(1)
        entropy = -(share * share.clamp_min(1e-12).log()).sum()
        return {
            "slots_valid": _summed(valid),
            "importance_mass": _summed(prior.exp()[valid]),
            "gate_saturation": _summed(((gate < EDGE) | (gate > 1 - EDGE))[written]),
            "working_written": _summed(writes > 0),
            "working_effective": (float(entropy.exp()), 1.0) if bool(written.any()) else (0.0, 0.0),
        }


@contextmanager
def watch(model: MemoryModel | StreamReader, on: bool = True) -> Iterator[Watched]:
    """Note slots and gates while the model runs within this context. A baseline has neither: nothing is noted.

    Parameters
    ----------
    model : MemoryModel or StreamReader
    on : bool
        Whether to note anything.

    Yields
    ------
    Watched
    """
    seen = Watched()

    def context(module: nn.Module, given: object, out: Context) -> None:
        seen.valid.append(out.valid)
        seen.prior.append(out.prior.detach())

    def gate(module: nn.Module, given: object, out: Tensor) -> None:
        seen.gate.append(out.detach())

    handles = []
    if on and isinstance(model, MemoryModel):
        handles = [
            model.context.register_forward_hook(context),
            model.working.hook_gate.register_forward_hook(gate),
        ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def loss_metrics(loss: MemoryLoss, episode: Episode, tasks: Sequence[TaskConfig], has_memory: bool) -> MetricSums:
    """The terms of the loss, and what was answered exactly: over all, by modality and by task.

    Parameters
    ----------
    loss : MemoryLoss
    episode : Episode
    tasks : sequence of TaskConfig
        Tasks that the episode was drawn from.
    has_memory : bool
        Whether the model has a memory: a baseline has only the terms ``answer`` and ``predict``.

    Returns
    -------
    dict of str to (sum, count)
    """
    terms = TERMS if has_memory else TERMS[:2]
    metrics: MetricSums = {"loss": (loss.total.item(), 1.0)}
    metrics |= {name: (getattr(loss, name).item(), 1.0) for name in terms}
    if has_memory:
        metrics["covered"] = _summed(loss.covered)
    metrics["exact"] = _summed(loss.exact)
    metrics[LEADING] = _summed(loss.exact[episode.task == 0])
    metrics |= {f"exact_{kind.name.lower()}": _summed(loss.exact[loss.modality == kind]) for kind in Modality}
    metrics |= {f"exact_{task.name}_{i}": _summed(loss.exact[episode.task == i]) for i, task in enumerate(tasks)}
    return metrics


def gradient_norms(model: nn.Module) -> Metrics:
    """Norm of the gradients of each part of the model that has some: ``gradient_norm_{part}``."""
    parts: dict[str, list[Tensor]] = {}
    for name, p in model.named_parameters():
        if p.grad is not None:
            parts.setdefault(name.partition(".")[0], []).append(p.grad)
    return {
        f"gradient_norm_{part}": float(torch.nn.utils.get_total_norm(gradients)) for part, gradients in parts.items()
    }
