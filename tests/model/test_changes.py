"""Changes of a run: they act in their order while a step runs, and nothing of them stays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from memlens.model import MemoryModel
from memlens.model.run import Change
from memlens.model.state import MemoryState
from memlens.streams import EncodedStream

GATE = "working.hook_gate"


@dataclass(frozen=True)
class Fill(Change):
    """Keeps working memory as it is, and fills working memory with ``value`` before segment ``before``."""

    value: float
    before: int

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        def close(gate: Tensor, hook: Any) -> Tensor:
            return torch.ones_like(gate)

        return [(GATE, close)]

    def edit(self, model: Any, segment: int, state: MemoryState) -> MemoryState:
        if segment != self.before:
            return state
        return replace(state, working=torch.full_like(state.working, self.value))


def test_changes_act_while_a_step_runs_and_the_later_has_the_last_word(
    model: MemoryModel, stream: EncodedStream
) -> None:
    seen: list[int] = []
    for result in model.run(stream, changes=[Fill(2.0, 1), Fill(3.0, 1)]):
        assert not model.list_hooks(), "a hook stayed on between two segments"
        seen.append(result.segment)
        # the gate is 1, so what is there stays
        start = model.initial_state().working
        assert torch.equal(result.state.working, torch.full_like(start, 3.0) if result.segment >= 1 else start)
    assert seen == [0, 1, 2]
