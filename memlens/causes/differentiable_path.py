"""The way from tokens over slots and entries to an answer, as one differentiable function.

What the controller, importance and retrieval decided is held: which positions got the slots, which entries were merged, which places
were read. So is all else that the answer depends on: the working memory, and the backbone's state where a slice begins. With the tokens
as they were the function gives the loss that was recorded.

Axes: batch, token (the slices one after the other), source (fresh slots), read (entries).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from memlens.analysis.support.ancestry import Ancestry
from memlens.causes.rerun import Asked, Stage
from memlens.model.answers import Questions
from memlens.model.losses import answer_loss
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.model.state import Memory, MemoryState

#: An entry that took less than this share of a read is left as it was.
LEAST_READ = 0.05


@dataclass(frozen=True)
class Reading:
    """The entries that an answer read and that are followed back, as rows of an `Ancestry`.

    ``weight`` is what each entry took of the read; ``sources`` are the fresh slots that they came from, and ``share`` what of the read
    each of these stands for: parents of a merge count alike.
    """

    entries: list[int]
    weight: list[float]
    sources: list[int]
    share: list[float]


class Family:
    """The ancestry of a recording, asked for one question after the other."""

    def __init__(self, stage: Stage):
        self.tree = Ancestry(stage.recording)
        self._reads = self.tree.reads()
        self._rows = np.flatnonzero(stage.recording.questions["sequence"].values == stage.sequence)

    def leaves(self, entry: int, share: float = 1.0) -> list[tuple[int, float]]:
        """Rows of the fresh slots that an entry came from, with the part that each is of it: parents count alike."""
        if self.tree.fresh[entry]:
            return [(entry, share)]
        parents = [int(parent) for parent in self.tree.parent[entry] if parent >= 0]
        return [leaf for parent in parents for leaf in self.leaves(parent, share / len(parents))]

    def reading(self, asked: Asked, most: int) -> Reading | None:
        """What a question read, most first, as long as it came from ``most`` slots or fewer; None where nothing can be followed."""
        row = self._reads[[self._rows[asked.row]]].tocoo()
        order = np.argsort(-row.data, kind="stable")
        found = Reading([], [], [], [])
        for entry, weight in zip(row.coords[1][order].tolist(), row.data[order].tolist(), strict=True):
            leaves = self.leaves(entry, weight)
            if weight < LEAST_READ or len(found.sources) + len(leaves) > most:
                break
            found.entries.append(entry)
            found.weight.append(weight)
            found.sources.extend(source for source, _ in leaves)
            found.share.extend(share for _, share in leaves)
        return found if found.entries else None

    def segments(self, reading: Reading) -> list[int]:
        """Where its slots were written."""
        return self.tree.columns["segment"][reading.sources].tolist()


@dataclass(frozen=True)
class Slice:
    """The tokens that one slot was written from, and ``reach`` more before them; ``before`` is the state where they begin."""

    columns: Segment
    before: MemoryState
    start: int

    @property
    def length(self) -> int:
        """Number of tokens; the slot was picked at the last."""
        return self.columns.token.shape[1]


class Route(nn.Module):
    """Embedded tokens (batch, token, feature) -> log-probability of the answer, nats a token (batch,).

    Parameters
    ----------
    states
        The state before the question's segment and before each segment that a source was written in.
    reach
        Tokens before a slot's window that are followed as well: what the backbone carries from there to the window.
    """

    def __init__(
        self, stage: Stage, family: Family, asked: Asked, reading: Reading, states: dict[int, MemoryState], reach: int
    ):
        super().__init__()
        model, tree = stage.model, family.tree
        self.model, self.tree, self.reading = [model], tree, reading
        # what passes here is what captum's layer methods look at
        self.slots, self.entries = nn.Identity(), nn.Identity()
        with torch.no_grad():
            read = stage.read(asked.segment, states[asked.segment])
            memory = model.memory(model.candidates(read.context, read.before), read.before)
            question = stage.question(asked)
            answers, _ = model.answer(question, memory)
            # only what was read can be read again
            memory = memory.map(lambda x: x[:, answers.read_index[0, 0]])
            self.slices = [
                _slice(stage, states[segment], int(segment), int(position), reach)
                for segment, position in zip(
                    tree.columns["segment"][reading.sources], tree.columns["position"][reading.sources], strict=True
                )
            ]
        self.question: Questions = question
        self.memory: Memory = memory
        ids = memory.entry[0].cpu().numpy()
        self.place = torch.tensor(
            [int(np.flatnonzero(ids == entry)[0]) for entry in tree.columns["entry"][reading.entries]]
        )
        self.position = np.concatenate([one.start + np.arange(one.length) for one in self.slices])
        self.source = np.repeat(np.arange(len(self.slices)), [one.length for one in self.slices])

    def given(self) -> Tensor:
        """The tokens as they were, embedded, (1, token, feature)."""
        with torch.no_grad():
            return torch.cat([self.model[0].encoders(one.columns) for one in self.slices], 1)

    def nothing(self) -> Tensor:
        """The baseline, of the same shape: the mean of the token embeddings, a token that could be any.

        Not zeros: the norms behind an embedding do not tell a short vector from a long one, so that along the way from zero nothing
        would change but at its very start.
        """
        mean = self.model[0].encoders.text.weight.detach().mean(0)
        return mean.expand(1, len(self.position), -1)

    def with_weights(self, model: MemoryModel) -> "Route":
        """The same route through another model's weights, its slices read from the start."""
        other = Route.__new__(Route)
        nn.Module.__init__(other)
        vars(other).update({k: v for k, v in vars(self).items() if not k.startswith("_") and k != "training"})
        other.model, other.slots, other.entries = [model], nn.Identity(), nn.Identity()
        fresh = model.initial_state(1)
        other.slices = [replace(one, before=fresh) for one in self.slices]
        return other

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split([one.length for one in self.slices], 1)
        slots = self.slots(
            torch.stack([self._written(one, part) for one, part in zip(self.slices, parts, strict=True)], 1)
        )
        by_row = {row: slots[:, i] for i, row in enumerate(self.reading.sources)}
        entries = self.entries(torch.stack([self._entry(row, by_row) for row in self.reading.entries], 1))
        n, model = len(x), self.model[0]
        memory = self.memory.map(lambda y: y.expand(n, *y.shape[1:]))
        memory = replace(
            memory,
            content=memory.content.index_copy(1, self.place, entries[..., :-1]),
            prior=memory.prior.index_copy(1, self.place, entries[..., -1]),
        )
        question = self.question.map(lambda y: y.expand(n, *y.shape[1:]))
        logits = model.decode(question.answer, *model.read(question, memory))
        return -answer_loss(logits, question.answer)[:, 0]

    def _written(self, one: Slice, x: Tensor) -> Tensor:
        """Content and log-prior of the slot that is written at the end of a slice, (batch, feature + 1)."""
        n, model = len(x), self.model[0]
        columns = one.columns.map(lambda y: y.expand(n, *y.shape[1:]))
        before = one.before.map(lambda y: y.expand(n, *y.shape[1:]))
        last = torch.full((n, model.cfg.n_slots), one.length - 1, device=x.device)
        given: list[Any] = [("encoders.hook_embed", lambda _, hook: x), ("context.hook_position", lambda _, hook: last)]
        with model.hooks(fwd_hooks=given):
            hidden, _ = model.encode(columns, before)
            context = model.write_context(hidden, columns, before)
        return torch.cat((context.slot[:, 0], context.prior[:, :1]), -1)

    def _entry(self, row: int, slots: dict[int, Tensor]) -> Tensor:
        """Content and log-prior of an entry from those of its slots."""
        if row in slots:
            return slots[row]
        parents = torch.stack([self._entry(int(parent), slots) for parent in self.tree.parent[row]], 1)
        return torch.cat(
            (self.model[0].compressor.merge(parents[..., :-1]), parents[..., -1].amax(1, keepdim=True)), -1
        )


def _slice(stage: Stage, state: MemoryState, segment: int, position: int, reach: int) -> Slice:
    whole = stage.segment(segment)
    last = position - segment * stage.length
    start = max(last - stage.model.cfg.slot_window + 1 - reach, 0)
    if start:
        before = whole.map(lambda x: x[:, :start])
        hidden, blocks = stage.model.encode(before, state)
        state = state.carried(hidden, before, blocks)
    return Slice(whole.map(lambda x: x[:, start : last + 1]), state, segment * stage.length + start)
