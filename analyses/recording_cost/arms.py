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

Peers keep copies in memory and write nothing; what they cost is not what keeping a run costs. All but the recorder take turns at every
segment, each from the same state, in an order that goes round; the recorder writes meanwhile, so whole runs of it are compared.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from memlens.model import MemoryModel
from memlens.model.hooks import HookPoint
from memlens.model.run import encode_questions, segment_of
from memlens.model.segment import Segment
from memlens.streams import EncodedStream

if TYPE_CHECKING:
    from memlens.model.answers import Questions
    from memlens.model.state import MemoryState

BY_HAND, IDLE, APPEND, WITH_HOOKS, NNSIGHT, RECORD = (
    "by hand", "idle points", "append, clone", "run_with_hooks", "nnsight", "memlens.record",
)  # fmt: skip
#: A step of the model: a segment, the state before it, questions; the state after it.
Step = Callable[..., Any]
#: Called with the state after every step.
Seen = Callable[[Any], None]


class Clock:
    """Wall and processor time of one call after the other; processor time is of all threads of this process."""

    def __init__(self) -> None:
        self.spent: list[dict[str, float]] = []

    def __call__(self, call: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        self.spent.append({"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
        return result


def seconds(call: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor time of a call."""
    clock = Clock()
    clock(call)
    return clock.spent[0]


def by_hand(model: MemoryModel, stream: EncodedStream, seen: Seen | None = None) -> None:
    """The loop that everything else is measured against: columns to tensors, one step, the state carried on."""
    state = model.initial_state(1)
    for t in range(stream.n_segment(model.cfg.segment_length)):
        state = one_step(model, stream, t, state, model.step)
        if seen is not None:
            seen(state)


def one_step(model: MemoryModel, stream: EncodedStream, t: int, state: "MemoryState", step: Step) -> "MemoryState":
    """Segment ``t`` by a way to step."""
    row, asked = segment_of(stream, t, model.cfg.segment_length)
    with torch.no_grad():
        return step(Segment.stack([row], model.device), state, encode_questions(model, [asked]))[1]


def in_turns(
    model: MemoryModel, stream: EncodedStream, arms: "dict[str, Arm]"
) -> tuple[dict[str, list[dict[str, float]]], dict[str, bool]]:
    """Every segment by every arm, from the state of the loop by hand.

    Returns
    -------
    Of each arm the time of each segment, and whether all its states are those of the loop by hand, bit by bit.
    """
    clocks, states = {arm: Clock() for arm in arms}, {arm: Digests() for arm in arms}
    order, state = list(arms), model.initial_state(1)
    for t in range(stream.n_segment(model.cfg.segment_length)):
        after = {}
        for arm in order:
            with arms[arm]() as step:
                after[arm] = clocks[arm](lambda s=step, t=t, b=state: one_step(model, stream, t, b, s))
            states[arm](after[arm])
        state, order = after[BY_HAND], order[1:] + order[:1]
    return (
        {arm: clock.spent for arm, clock in clocks.items()},
        {arm: digests.of == states[BY_HAND].of for arm, digests in states.items()},
    )


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


#: Makes a step for one segment; what it attaches is taken away after.
Arm = Callable[[], AbstractContextManager[Step]]


def arms_of(model: MemoryModel, points: Sequence[str], with_nnsight: bool) -> dict[str, Arm]:
    """All arms but the recorder. What they keep, they keep as long as they live."""
    made: dict[str, Arm] = {
        BY_HAND: lambda: _bare(model),
        IDLE: lambda: _idle(model),
        APPEND: _append_clone(model, points),
        WITH_HOOKS: _with_hooks(model, points),
    }
    return made | ({NNSIGHT: _nnsight(model, points)} if with_nnsight else {})


@contextmanager
def _bare(model: MemoryModel) -> Iterator[Step]:
    with without_points(model):
        yield model.step


@contextmanager
def _idle(model: MemoryModel) -> Iterator[Step]:
    yield model.step


def _append_clone(model: MemoryModel, points: Sequence[str]) -> Arm:
    """Copies of every point's tensor, by torch's own forward hooks."""
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, given: Any, out: torch.Tensor) -> None:
        kept.append(out.detach().clone())

    @contextmanager
    def attached() -> Iterator[Step]:
        handles = [model.hook_dict[name].register_forward_hook(keep) for name in points]
        try:
            yield model.step
        finally:
            for handle in handles:
                handle.remove()

    return attached


def _with_hooks(model: MemoryModel, points: Sequence[str]) -> Arm:
    """Copies by TransformerLens's contract; ``hooks`` is what ``run_with_hooks`` is around one call."""
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor, hook: Any) -> None:
        kept.append(tensor.detach().clone())

    hooks: list[tuple[str | Callable[..., Any], Callable[..., Any]]] = [(name, keep) for name in points]

    def step(*given: Any) -> Any:
        with model.hooks(fwd_hooks=hooks):
            return model.step(*given)

    @contextmanager
    def stepping() -> Iterator[Step]:
        yield step

    return stepping


class Stepper(nn.Module):
    """``step`` as a forward: what tracers call."""

    def __init__(self, model: MemoryModel):
        super().__init__()
        self.model = model

    def forward(self, segment: Segment, state: "MemoryState", questions: "Questions | None") -> "MemoryState":
        return self.model.step(segment, state, questions)[1]


def _nnsight(model: MemoryModel, points: Sequence[str]) -> Arm:
    """A trace a segment, with a cache of the points' modules."""
    from nnsight import NNsight

    lens: Any = NNsight(Stepper(model))
    kept: list[Any] = []
    modules = [f"model.model.{name}" for name in points]

    def step(segment: Segment, state: "MemoryState", questions: "Questions | None") -> tuple[None, "MemoryState"]:
        cache: Any = None
        out: Any = None
        with lens.trace(segment, state, questions) as tracer:
            cache = tracer.cache(modules=modules).save()
            out = lens.output.save()
        kept.append(cache)
        return None, out

    @contextmanager
    def tracing() -> Iterator[Step]:
        yield step

    return tracing


def recorded(model: MemoryModel, stream: EncodedStream, points: Sequence[str], path: Path) -> None:
    """The recorder, everything on disk at its end."""
    from memlens.recording import RecordOptions, record

    record(model, stream, path, RecordOptions(points=tuple(points)))


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
