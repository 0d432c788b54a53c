"""Ways to keep what passes the hook points while a stream runs, side by side: every arm keeps the same points of the same segments.

==================  =============================================================================================
arm                 what it does
==================  =============================================================================================
by hand             a loop around ``MemoryModel.step``, and no hook point in the model
idle points         the same loop; the points are there and nothing is attached
append, clone       torch's forward hooks on the points; copies go to a list in memory
run_with_hooks      the same copies by ``model.run_with_hooks``, TransformerLens's way
nnsight             nnsight's ``tracer.cache`` of the same modules, a trace a segment
memlens.record      the recorder: durable, with every table that a recording has besides
==================  =============================================================================================

Peers keep copies in memory and write nothing; what they cost is not what keeping a run costs.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from memlens.model import MemoryModel
from memlens.model.hooks import HookPoint
from memlens.model.outputs import Segment
from memlens.model.run import encode_questions, segment_of
from memlens.streams import EncodedStream

if TYPE_CHECKING:
    from memlens.model.outputs import MemoryState, Questions

BY_HAND, IDLE, APPEND, WITH_HOOKS, NNSIGHT, RECORD = (
    "by hand", "idle points", "append, clone", "run_with_hooks", "nnsight", "memlens.record",
)  # fmt: skip
#: Called with the state after every step.
Seen = Callable[[Any], None]


def by_hand(model: MemoryModel, stream: EncodedStream, seen: Seen | None = None) -> None:
    """The loop that everything else is measured against: columns to tensors, one step, the state carried on."""
    length = model.cfg.segment_length
    state = model.initial_state(1)
    for t in range(stream.n_segment(length)):
        state = _step(model, stream, t, state)
        if seen is not None:
            seen(state)


def _step(model: MemoryModel, stream: EncodedStream, t: int, state: "MemoryState") -> "MemoryState":
    row, asked = segment_of(stream, t, model.cfg.segment_length)
    with torch.no_grad():
        return model.step(Segment.stack([row], model.device), state, encode_questions(model, [asked]))[1]


class Nothing(HookPoint):
    """In the place of a hook point: calling it is calling a function."""

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        return x


@contextmanager
def without_points(model: MemoryModel) -> Iterator[None]:
    """No hook point in the model: a point's place is taken by what gives back what it got, and is no more than a call."""
    taken, same = [], Nothing()
    for module in model.modules():
        for name, child in list(module._modules.items()):
            if isinstance(child, HookPoint):
                taken.append((module, name, child))
                if isinstance(module, nn.ModuleList | nn.ModuleDict | nn.Sequential):
                    module._modules[name] = same
                else:
                    del module._modules[name]
                    object.__setattr__(module, name, same)
    try:
        yield
    finally:
        for module, name, child in taken:
            module.__dict__.pop(name, None)
            module._modules[name] = child


def append_clone(model: MemoryModel, stream: EncodedStream, points: Sequence[str], seen: Seen | None = None) -> None:
    """Copies of every point's tensor, by torch's own forward hooks."""
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, given: Any, out: torch.Tensor) -> None:
        kept.append(out.detach().clone())

    handles = [model.hook_dict[name].register_forward_hook(keep) for name in points]
    try:
        by_hand(model, stream, seen)
    finally:
        for handle in handles:
            handle.remove()


class Stepper(nn.Module):
    """``step`` as a forward: what tracers and ``run_with_hooks`` call."""

    def __init__(self, model: MemoryModel):
        super().__init__()
        self.model = model

    def forward(self, segment: Segment, state: "MemoryState", questions: "Questions | None") -> "MemoryState":
        return self.model.step(segment, state, questions)[1]


def with_hooks(model: MemoryModel, stream: EncodedStream, points: Sequence[str], seen: Seen | None = None) -> None:
    """Copies by TransformerLens's contract; ``hooks`` is what ``run_with_hooks`` is around one call."""
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor, hook: Any) -> None:
        kept.append(tensor.detach().clone())

    length, state = model.cfg.segment_length, model.initial_state(1)
    hooks = [(name, keep) for name in points]
    for t in range(stream.n_segment(length)):
        with model.hooks(fwd_hooks=hooks):
            state = _step(model, stream, t, state)
        if seen is not None:
            seen(state)


def nnsight(model: MemoryModel, stream: EncodedStream, points: Sequence[str], seen: Seen | None = None) -> None:
    """A trace a segment, with a cache of the points' modules. Needs nnsight, which is no dependency of memlens."""
    from nnsight import NNsight

    lens = NNsight(Stepper(model))
    kept: list[Any] = []
    length, state = model.cfg.segment_length, model.initial_state(1)
    modules = [f"model.model.{name}" for name in points]
    for t in range(stream.n_segment(length)):
        row, asked = segment_of(stream, t, length)
        segment, questions = Segment.stack([row], model.device), encode_questions(model, [asked])
        with torch.no_grad(), lens.trace(segment, state, questions) as tracer:
            cache = tracer.cache(modules=modules).save()
            out = lens.output.save()
        kept.append(cache)
        state = out
        if seen is not None:
            seen(state)


def recorded(model: MemoryModel, stream: EncodedStream, points: Sequence[str], path: Path, **options: Any) -> None:
    """The recorder, everything on disk at its end."""
    from memlens.recording import record

    record(model, stream, path, points=points, **options)


@contextmanager
def step_states(model: MemoryModel, seen: Seen) -> Iterator[None]:
    """Show the state after every step, whoever calls it."""
    step = model.step

    def told(*args: Any, **kwargs: Any) -> Any:
        outputs, state = step(*args, **kwargs)
        seen(state)
        return outputs, state

    object.__setattr__(model, "step", told)
    try:
        yield
    finally:
        model.__dict__.pop("step")


class Digests:
    """sha256 of every state, a segment each."""

    def __init__(self) -> None:
        self.of: list[str] = []

    def __call__(self, state: Any) -> None:
        total = hashlib.sha256()
        for name, tensor in sorted(state.flat().items()):
            total.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
        self.of.append(total.hexdigest())


def seconds(call: Callable[[], None]) -> dict[str, float]:
    """Wall and processor time of a call; processor time is of all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
