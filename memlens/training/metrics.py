"""Figures of a training step: what the loss says, what hooks see of slots and gates, how large gradients are by part of the model.

A figure is kept as (sum, count) until the shards of a batch are merged; a mean over nothing is left out.
Shapes: B rows, Q questions, K context slots, W working slots.
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

Figures = dict[str, tuple[float, float]]
Row = dict[str, float]
#: Terms of the loss; a baseline has only the first two.
TERMS = ("answer", "predict", "retrieval", "fidelity", "importance")
#: A gate nearer to 0 or to 1 than this is saturated.
EDGE = 0.05
#: The figure that leads the curriculum.
LEADING = "exact_first"


def mean(values: Tensor) -> tuple[float, float]:
    """Values of any shape as (sum, count)."""
    return float(values.double().sum()), float(values.numel())


def merge(parts: Sequence[Figures]) -> Row:
    """One row of means from the figures of all shards, summed in their order."""
    row: Row = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        found = [part[name] for part in parts if name in part]
        count = sum(n for _, n in found)
        if count:
            row[name] = sum(value for value, _ in found) / count
    return row


@dataclass
class Watched:
    """What hooks saw in one forward pass, a tensor a segment: valid bool (B, K), prior (B, K) nats, gate (B, W), 1 where not written."""

    valid: list[Tensor] = field(default_factory=list)
    prior: list[Tensor] = field(default_factory=list)
    gate: list[Tensor] = field(default_factory=list)

    def figures(self) -> Figures:
        """Slot usage, importance mass, gate saturation, use of working memory; nothing when nothing was seen."""
        if not self.gate:
            return {}
        valid, prior, gate = torch.cat(self.valid), torch.cat(self.prior).float(), torch.cat(self.gate).float()
        written = gate < 1
        writes = written.sum(0).double()
        share = writes / writes.sum().clamp_min(1)
        entropy = -(share * share.clamp_min(1e-12).log()).sum()
        return {
            "slots_valid": mean(valid),
            "importance_mass": mean(prior.exp()[valid]),
            "gate_saturation": mean(((gate < EDGE) | (gate > 1 - EDGE))[written]),
            "working_written": mean(writes > 0),
            "working_effective": (float(entropy.exp()), 1.0) if bool(written.any()) else (0.0, 0.0),
        }


@contextmanager
def watch(model: MemoryModel | StreamReader, on: bool = True) -> Iterator[Watched]:
    """Note what passes while the model runs inside of this. A baseline has no slots and no gates: nothing is noted."""
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


def loss_metrics(loss: MemoryLoss, episode: Episode, tasks: Sequence[TaskConfig], has_memory: bool) -> Figures:
    """The terms of the loss, and what was answered exactly: over all, by modality and by task."""
    terms = TERMS if has_memory else TERMS[:2]
    figures: Figures = {"loss": (loss.total.item(), 1.0)}
    figures |= {name: (getattr(loss, name).item(), 1.0) for name in terms}
    if has_memory:
        figures["covered"] = mean(loss.covered)
    figures["exact"] = mean(loss.exact)
    figures[LEADING] = mean(loss.exact[episode.task == 0])
    figures |= {f"exact_{kind.name.lower()}": mean(loss.exact[loss.modality == kind]) for kind in Modality}
    figures |= {f"exact_{task.name}_{i}": mean(loss.exact[episode.task == i]) for i, task in enumerate(tasks)}
    return figures


def gradient_norms(model: nn.Module) -> Row:
    """Norm of the gradients of each part of the model that has some, by the part's name."""
    parts: dict[str, list[Tensor]] = {}
    for name, p in model.named_parameters():
        if p.grad is not None:
            parts.setdefault(name.partition(".")[0], []).append(p.grad)
    return {
        f"gradient_norm_{part}": float(torch.nn.utils.get_total_norm(gradients)) for part, gradients in parts.items()
    }
