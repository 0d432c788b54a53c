"""At which level of the store a fact is held when it is asked for, and whether it is recalled: by lineage of entries, also under forced
compression.

A fresh slot holds a fact when its window covers the fact's whole statement; a merge holds what its parents hold. A fact is held at the
lowest level of the store that has an entry holding it. "context": only the slots of the segment that asks hold it; "nowhere": no slot
ever covered it, or it was dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from memlens.dims import Action
from memlens.model import MemoryModel, run
from memlens.model.entries import Births, Entries
from memlens.streams.encoded import EncodedStream, FactSpan

CONTEXT, NOWHERE = "context", "nowhere"


class Lineage:
    """Which facts each entry of one sequence holds."""

    def __init__(self, facts: Mapping[int, FactSpan]):
        self.facts = facts
        self.held: dict[int, frozenset[int]] = {}
        self.fresh: frozenset[int] = frozenset()

    def see(self, births: Births, b: int) -> None:
        """Note the births of one segment, candidates before merges, level by level, as a step lists them."""
        fresh: set[int] = set()
        columns = (births.entry, births.level, births.start, births.end, births.parent)
        for entry, level, start, end, parents in zip(*(column[b].tolist() for column in columns), strict=True):
            if entry < 0:
                continue
            if level:
                found = frozenset[int]().union(*(self.held.get(parent, frozenset()) for parent in parents))
            else:
                found = frozenset(i for i, span in self.facts.items() if start <= span.start and span.end <= end)
                fresh |= found
            self.held[entry] = found
        self.fresh = frozenset(fresh)

    def level(self, fact: int, store: Entries, entry_level: Tensor, b: int) -> str:
        """Where a fact is held: in the store as it stood before the segment that asks, in that segment's slots, or nowhere."""
        there = store.valid[b].nonzero().squeeze(-1)
        ids, levels = store.entry[b, there].tolist(), entry_level[there].tolist()
        at = [level for entry, level in zip(ids, levels, strict=True) if fact in self.held.get(entry, frozenset())]
        if at:
            return str(min(at))
        return CONTEXT if fact in self.fresh else NOWHERE


def roomy(model: MemoryModel, capacities: Sequence[int]) -> MemoryModel:
    """The same weights with other capacities: no weight depends on them."""
    made = MemoryModel(model.cfg.model_copy(update={"capacities": tuple(capacities)}), model.tokenizer, str(model.name))
    made.load_state_dict(model.state_dict())
    return made.eval()


def forcing(model: MemoryModel, level: int) -> Callable[[Tensor, Any], Tensor]:
    """A hook for ``controller.hook_q``: compress whatever is below a level, store what has come to it, drop nothing.

    What finds no like to merge with stays at its level while there is room.
    """
    below = torch.cat((model.entry_level.new_zeros(model.cfg.n_slots), model.entry_level)) < level

    def force(q: Tensor, hook: Any) -> Tensor:
        forced = torch.full_like(q, -1.0)
        forced[..., Action.COMPRESS] = below.to(q.dtype)
        forced[..., Action.STORE] = torch.where(below, 0.5, 1.0)
        return forced

    return force


def recall_by_level(model: MemoryModel, streams: Sequence[EncodedStream], level: int | None = None) -> dict[str, str]:
    """Recall of facts by where they are held when asked for, a 0 or 1 for each question ("1101"), by the name of the place.

    ``level`` forces everything up to it; None leaves the controller alone.
    """
    lineages = [Lineage(stream.facts) for stream in streams]
    found: dict[str, str] = {}
    store = model.initial_state(len(streams)).store
    forced = nullcontext() if level is None else model.hooks(fwd_hooks=[("controller.hook_q", forcing(model, level))])
    with forced:
        for result in run(model, streams, predict=False):
            answers = result.outputs.answers
            for b, asked in enumerate(result.asked):
                lineages[b].see(result.outputs.births, b)
                for i, question in enumerate(asked):
                    assert answers is not None
                    place = lineages[b].level(question.fact, store, model.entry_level, b)
                    found[place] = found.get(place, "") + str(int(answers.correct[b, i]))
            store = result.state.store
    return found
