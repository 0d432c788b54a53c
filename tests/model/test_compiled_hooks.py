"""A step that is compiled, traced or exported never drops hooks in silence: it refuses them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memlens.errors import ModelError
from memlens.model.cache import Axes
from memlens.model.hooked_module import HookedModule
from memlens.model.hooks import HookPoint

# of torch's own compiler, about its own tensors
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")

ROOT = Path(__file__).resolve().parents[2]
REFUSED = r"hooks are attached at hook_x, but this step is compiled"
X = torch.ones(2, 3)


class Small(HookedModule):
    """One point; compiling it takes a moment, the memory model's step takes seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.hook_x = HookPoint()
        self.setup()

    def axes(self) -> Axes:
        return {"hook_x": ("feature",)}

    def step(self, x: Tensor, segment: Tensor) -> tuple[Tensor, Tensor]:
        self.enter(segment)
        return self.hook_x(self.linear(x)), segment + 1

    def forward(self, x: Tensor) -> Tensor:
        return self.step(x, torch.zeros(2, dtype=torch.long))[0]


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    torch.compiler.reset()


@pytest.fixture
def small() -> Small:
    torch.manual_seed(0)
    return Small()


def nothing(x: Tensor, hook: HookPoint) -> None:
    """Look and leave."""


def zero(x: Tensor, hook: HookPoint) -> Tensor:
    return x * 0


def compiled_step(small: Small) -> Callable[[], Tensor]:
    step = torch.compile(small.step, backend="eager")
    return lambda: step(X, torch.zeros(2, dtype=torch.long))[0]


def compiled_model(small: Small) -> Callable[[], Tensor]:
    whole = torch.compile(small, backend="eager")
    return lambda: whole(X)


def compiled_in_place(small: Small) -> Callable[[], Tensor]:
    small.compile(backend="eager")
    return lambda: small(X)


@pytest.mark.parametrize(
    ("compiled", "direction"),
    [(compiled_step, "fwd"), (compiled_step, "bwd"), (compiled_model, "fwd"), (compiled_in_place, "fwd")],
)
def test_compiled_steps_refuse_hooks(small: Small, compiled: Any, direction: Any) -> None:
    plain = small(X)
    run = compiled(small)
    assert torch.equal(run(), plain)
    small.add_hook("hook_x", zero, dir=direction)
    with pytest.raises(ModelError, match=REFUSED):
        run()
    small.reset_hooks()
    assert torch.equal(run(), plain)
    small.hook_x.add_hook(zero, direction, is_permanent=True)
    with pytest.raises(ModelError, match=REFUSED):
        run()


@pytest.mark.parametrize("compiled", [compiled_step, compiled_model])
def test_hooks_that_were_there_before(small: Small, compiled: Any) -> None:
    small.add_hook("hook_x", zero)
    run = compiled(small)
    with pytest.raises(ModelError, match=REFUSED):
        run()
    small.reset_hooks()
    assert run().any()


def test_a_whole_graph_refuses_hooks(small: Small) -> None:
    step = torch.compile(small.step, backend="eager", fullgraph=True)
    step(X, torch.zeros(2, dtype=torch.long))
    with (
        pytest.raises(Exception, match="hooks are attached, and a compiled step would not call them"),
        small.hooks([("hook_x", zero)]),
    ):
        step(X, torch.zeros(2, dtype=torch.long))


def test_the_model_itself_takes_hooks_beside_its_compiled_step(small: Small) -> None:
    run = compiled_model(small)
    plain = run()
    seen: list[Any] = []
    assert not small.run_with_hooks(
        X, fwd_hooks=[("hook_x", zero), ("hook_x", lambda x, hook: seen.append(hook.segment))]
    ).any()
    assert seen == [0] and torch.equal(run(), plain)


@pytest.mark.parametrize("graph", [torch.jit.trace, torch.export.export])
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_traces_and_exports_refuse_hooks(small: Small, graph: Any) -> None:
    with torch.no_grad():
        graph(small, (X,))
        with pytest.raises(ModelError, match=REFUSED), small.hooks([("hook_x", nothing)]):
            graph(small, (X,))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only a GPU captures graphs")
def test_captured_graphs_refuse_hooks(small: Small) -> None:
    small.to("cuda")
    x, segment = X.to("cuda"), torch.zeros(2, dtype=torch.long, device="cuda")
    with (
        pytest.raises(ModelError, match=REFUSED),
        small.hooks([("hook_x", nothing)]),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        small.step(x, segment)


#: Without the run-time checks of tensor shapes that tests install: a compiler should see what users run.
SCRIPT = """
import torch
from memlens.errors import ModelError
from tests.model.conftest import SMALL, make_model, make_segment

torch.set_num_threads(1)
model = make_model(SMALL)
step = torch.compile(model.step, backend="eager")
with torch.no_grad():
    start = model.initial_state(2)
    for one, two in zip(model.step(make_segment(0), start), step(make_segment(0), start)):
        one, two = one.flat(), two.flat()
        assert all(torch.equal(one[name].nan_to_num(), two[name].nan_to_num()) for name in one)
    with model.hooks([("context.hook_slot", lambda x, hook: None)]):
        model.step(make_segment(0), start)
        try:
            step(make_segment(0), start)
        except ModelError as error:
            print(error)
"""


def test_the_memory_models_compiled_step() -> None:
    """It computes what the step does, and refuses hooks."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "hooks are attached at context.hook_slot, but this step is compiled" in done.stdout
