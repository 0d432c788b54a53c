"""The path from tokens through slots and entries to an answer, as one differentiable function.

The decisions of controller, importance and retrieval are held: which positions got the slots, which entries were merged, which places were
read. So is all else that the answer depends on: the working memory, and the backbone's state where a slice begins. For the tokens as they
were, the function gives the loss that was recorded.

Axes: batch, token (the slices one after the other), source (fresh slots), read (entries).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from memlens.analysis.support.ancestry import Ancestry
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.model.answers import Questions
from memlens.model.losses import answer_loss
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.model.state import Memory, MemoryState

#: An entry with less than this share of a read is not followed back.
LEAST_READ = 0.05


@dataclass(frozen=True)
class FollowedRead:
    """The entries that an answer read and that are followed back, as rows of an `Ancestry`.

    ``weight`` is what each entry took of the read; ``sources`` are the fresh slots that they came from, and ``share`` what of the read
    each of these stands for: parents of a merge get equal parts.
    """

    entries: list[int]
    weight: list[float]
    sources: list[int]
    share: list[float]


class ReadAncestry:
    """What questions read, and from which slots it came."""

    def __init__(self, rerun: Rerun):
        self.tree = Ancestry(rerun.recording)
        self._reads = self.tree.reads()
        self._rows = np.flatnonzero(rerun.recording.tables.questions.sequence == rerun.sequence)

    def leaves(self, entry: int, share: float = 1.0) -> list[tuple[int, float]]:
        """The fresh slots that an entry came from.

        Parameters
        ----------
        entry : int
            Row of the ancestry.
        share : float
            What is shared out among them: parents of a merge get equal parts.

        Returns
        -------
        list of (int, float)
            Row of each slot, and its part of ``share``.
        """
        if self.tree.fresh[entry]:
            return [(entry, share)]
        parents = [int(parent) for parent in self.tree.parent[entry] if parent >= 0]
        return [leaf for parent in parents for leaf in self.leaves(parent, share / len(parents))]

    def reading(self, asked: StreamQuestion, most: int) -> FollowedRead | None:
        """What a question read, most first.

        Parameters
        ----------
        asked : StreamQuestion
            The question.
        most : int
            Entries are taken as long as they came from so many slots, or fewer, in all.

        Returns
        -------
        FollowedRead or None
            None where nothing can be followed.
        """
        row = self._reads[[self._rows[asked.row]]].tocoo()
        order = np.argsort(-row.data, kind="stable")
        found = FollowedRead([], [], [], [])
        for entry, weight in zip(row.coords[1][order].tolist(), row.data[order].tolist(), strict=True):
            leaves = self.leaves(entry, weight)
            if weight < LEAST_READ or len(found.sources) + len(leaves) > most:
                break
            found.entries.append(entry)
            found.weight.append(weight)
            found.sources.extend(source for source, _ in leaves)
            found.share.extend(share for _, share in leaves)
        return found if found.entries else None

    def segments(self, reading: FollowedRead) -> list[int]:
        """The segments in which its slots were written."""
        return self.tree.columns["segment"][reading.sources].tolist()


@dataclass(frozen=True)
class TokenSlice:
    """The tokens that one slot was written from, and ``reach`` more before them; ``before`` is the state where they begin."""

    columns: Segment
    before: MemoryState
    start: int

    @property
    def length(self) -> int:
        """Number of tokens; the slot was picked at the last."""
        return self.columns.token.shape[1]


class DifferentiablePath(nn.Module):
    """Embedded tokens, float [batch, token, feature] -> log-probability of the answer, nats a token, float [batch].

    Parameters
    ----------
    states
        The state before the question's segment and before each segment that a source was written in.
    reach
        Tokens before a slot's window that are followed too, for what the backbone carries into the window.
    """

    def __init__(
        self,
        rerun: Rerun,
        ancestry: ReadAncestry,
        asked: StreamQuestion,
        reading: FollowedRead,
        states: dict[int, MemoryState],
        reach: int,
    ):
        super().__init__()
        model, tree = rerun.model, ancestry.tree
        self.model, self.tree, self.reading = [model], tree, reading
        # captum's layer methods hook these
        self.slots, self.entries = nn.Identity(), nn.Identity()
        with torch.no_grad():
            read = rerun.read(asked.segment, states[asked.segment])
            memory = model.memory(model.candidates(read.context, read.before), read.before)
            question = rerun.question(asked)
            answers, _ = model.answer(question, memory)
            # the path reads only what was read
            memory = memory.map(lambda x: x[:, answers.read_index[0, 0]])
            self.slices = [
                _slice(rerun, states[segment], int(segment), int(position), reach)
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
        """The tokens as they were, embedded, float [1, token, feature]."""
        with torch.no_grad():
            return torch.cat([self.model[0].encoders(one.columns) for one in self.slices], 1)

    def nothing(self) -> Tensor:
        """The baseline, of the same shape: the mean of the token embeddings, a token that could be any.

        Not zeros: the norms behind the embedding hide a vector's length, so that along a line from zero only its very start would matter.
        """
        mean = self.model[0].encoders.text.weight.detach().mean(0)
        return mean.expand(1, len(self.position), -1)

    def with_weights(self, model: MemoryModel) -> "DifferentiablePath":
        """The same path through another model's weights; each slice begins with that model's initial state."""
        other = DifferentiablePath.__new__(DifferentiablePath)
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

    def _written(self, one: TokenSlice, x: Tensor) -> Tensor:
        """Content and log-prior of the slot that is written at the end of a slice, float [batch, feature + 1]."""
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


def _slice(rerun: Rerun, state: MemoryState, segment: int, position: int, reach: int) -> TokenSlice:
    whole = rerun.segment(segment)
    last = position - segment * rerun.length
    start = max(last - rerun.model.cfg.slot_window + 1 - reach, 0)
    if start:
        before = whole.map(lambda x: x[:, :start])
        hidden, blocks = rerun.model.encode(before, state)
        state = state.carried(hidden, before, blocks)
    return TokenSlice(whole.map(lambda x: x[:, start : last + 1]), state, segment * rerun.length + start)
