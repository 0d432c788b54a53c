"""Branches of a run: rows that have the same stream and another memory, advanced side by side.

What does not depend on the memory is computed once for all rows: the backbone's hidden states, and the context slots of rows whose working
memory is the factual one. Axes: row (a branch), the others as in ``memlens.model.state``.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from memlens.model.answers import Answers, Questions
from memlens.model.entries import Context, Decisions, Entries
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.model.state import MemoryState
from memlens.model.tensors import Tensors

#: Rows advanced in one call.
BATCH = 16
#: Difference up to which two memories count as the same: the order of a sum changes the last bits.
SAME = 1e-5


@dataclass(frozen=True)
class Branches(Tensors):
    """Memories of rows: ``working``, float [row, working, feature], and the entries of the ``store``, [row, entry]."""

    working: Tensor
    store: Entries

    def __len__(self) -> int:
        return len(self.working)

    def joined(self, *others: "Branches") -> "Branches":
        """These rows and those of others."""
        parts = [one.flat() for one in (self, *others)]
        return self.filled({name: torch.cat([part[name] for part in parts]) for name in parts[0]})

    def rows(self, which: slice | Tensor) -> "Branches":
        """Some of the rows."""
        return self.map(lambda x: x[which])


@dataclass(frozen=True)
class FactualSegment(Tensors):
    """What the model made of a segment in the factual run, and the questions at its end: what all branches share."""

    segment: Segment
    hidden: Tensor
    context: Context
    before: MemoryState
    questions: Questions | None


def branch(state: MemoryState) -> Branches:
    """One row for every sequence of a state."""
    return Branches(state.working, state.store)


def advance(
    model: MemoryModel, read: FactualSegment, branches: Branches, explore: Tensor
) -> tuple[Answers | None, Decisions, Branches]:
    """Run one segment of every row.

    Parameters
    ----------
    model : MemoryModel
    read : FactualSegment
        The segment in the factual run.
    branches : Branches
        The memories before it.
    explore : float [row, agent, action]
        Added to Q.

    Returns
    -------
    answers : Answers or None
        Of every row to the questions of the segment; None without questions.
    decisions : Decisions
    branches : Branches
        The memories after it.
    """
    n = len(branches)
    before = replace(
        read.before,
        working=branches.working,
        store=branches.store,
        **{name: getattr(read.before, name).expand(n) for name in ("segment", "position", "since_question")},
    )
    questions = None if read.questions is None else read.questions.map(lambda x: x.expand(n, *x.shape[1:]))
    answers, decisions, _, after = model.memorise(_contexts(model, read, branches.working), before, questions, explore)
    return answers, decisions, branch(after)


def _contexts(model: MemoryModel, read: FactualSegment, working: Tensor) -> Context:
    """M_ctx of every row: the factual one, except in rows whose working memory may have allocated the slots otherwise."""
    other = ((working - read.before.working).abs().flatten(1).amax(1) > SAME).nonzero()[:, 0]
    context = read.context.map(lambda x: x.expand(len(working), *x.shape[1:]))
    if not len(other):
        return context
    wide = {name: getattr(read.before, name) for name in ("tail", "tail_valid")}
    wide = {name: x.expand(len(other), *x.shape[1:]) for name, x in wide.items()}
    own = model.write_context(
        read.hidden.expand(len(other), -1, -1),
        read.segment.map(lambda x: x.expand(len(other), *x.shape[1:])),
        replace(read.before, working=working[other], **wide),
    )
    return Context(*(getattr(context, f.name).index_copy(0, other, getattr(own, f.name)) for f in fields(context)))


def is_same(branches: Branches, state: MemoryState, level: Tensor) -> Tensor:
    """Which rows have the memory of a state: the same entries in each level, in any order, with all numbers equal to within ``SAME``.

    Parameters
    ----------
    branches : Branches
    state : MemoryState
        Of one sequence.
    level : int [entry]
        Level of each place of the store.

    Returns
    -------
    bool [row]
    """
    factual = branch(state)
    near = (branches.working - factual.working).abs().flatten(1).amax(1) <= SAME
    ours, theirs = _ordered(branches.store, level), _ordered(factual.store, level)
    near = near & (ours.entry == theirs.entry).all(1)
    for name in ("content", "prior", "age", "idle", "hits", "entropy"):
        near = near & ((getattr(ours, name) - getattr(theirs, name)).abs().flatten(1).amax(1) <= SAME)
    return near


def _ordered(store: Entries, level: Tensor) -> Entries:
    """The store with the entries of each level in the order of their ids."""
    largest = store.entry.max().clamp_min(0) + 2
    return store.at((store.entry + level * largest).argsort(1))
