"""The loss of a memory phase: answers, which entry holds the answer, next tokens, fidelity of compression, importance.

The store is not run. Of all context slots of an episode some are kept as they are, and some are compressed once or twice with others
of similar importance, as random policies would; the slots of other rows are distractors, in place of a long stream.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from memlens.config import LossWeights
from memlens.dims import PAD
from memlens.model.baseline import ReaderState
from memlens.model.compressor import fidelity_loss
from memlens.model.indexing import take
from memlens.model.losses import answer_loss, next_text
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.model.state import Memory, MemoryState
from memlens.training.episodes import Episode

#: Weights of the terms when no config gives others.
DEFAULT_WEIGHTS = LossWeights()


@dataclass(frozen=True)
class MemoryLoss:
    """The terms of the loss, in nats (fidelity: dimensionless), and which answers were right.

    Attributes
    ----------
    total, answer, retrieval, predict, fidelity, importance : float []
    exact : bool [sequence, question]
        Whether every token of the answer is right, with teacher forcing.
    modality : int64 [sequence, question]
        Of the fact asked for.
    covered : bool [sequence, question]
        Whether an entry holds the answer.
    state : MemoryState or ReaderState
        After the last segment.
    """

    total: Tensor
    answer: Tensor
    retrieval: Tensor
    predict: Tensor
    fidelity: Tensor
    importance: Tensor
    exact: Tensor
    modality: Tensor
    covered: Tensor
    state: MemoryState | ReaderState


def _merge_some(
    model: MemoryModel, memory: Memory, holds: Tensor, share: float, generator: torch.Generator
) -> tuple[Memory, Tensor, Tensor, Tensor]:
    """Compress ``share`` of the entries to level 1, and half as many again to level 2, each with others of about its importance.

    So facts are merged with facts too. ``holds`` is bool [sequence, question, entry]: whether an entry holds the answer; a merge does when
    one of its parents does. Returns memory, holds, fidelity, and which entries were left whole, int64 [sequence, entry]: they come first in
    what is returned.
    """
    n = memory.content.shape[1]
    m = model.cfg.merge
    depth = len(model.cfg.capacities) - 1
    noise = torch.randn(memory.prior.shape, generator=generator).to(memory.prior.device)
    ranking = (memory.prior + noise).masked_fill(~memory.valid, -torch.inf).argsort(-1, descending=True)
    n_group = n // m**depth
    mixed = torch.randperm(n_group, generator=generator).to(ranking.device)
    grouped = ranking[:, : n_group * m**depth].unflatten(1, (n_group, -1))[:, mixed].flatten(1)
    order = torch.cat((grouped, ranking[:, grouped.shape[1] :]), 1)
    fidelity = memory.content.new_zeros(())
    size = int(share * n) // (m * m) * (m * m)
    merges: list[tuple[Memory, Tensor]] = []
    start = 0
    for level in range(1, depth + 1):
        count = size // 2 ** (level - 1) // m**level * m**level
        if not count:
            continue
        index = order[:, start : start + count]
        merge, level_fidelity = _merge_level(model, memory.map(lambda x, index=index: take(x, index)), level)
        fidelity = fidelity + level_fidelity
        held = take(holds.transpose(1, 2), index).unflatten(1, (-1, m**level)).any(2)
        merges.append((merge, held.transpose(1, 2)))
        start += count
    rest = order[:, start:]
    merged, held = memory.map(lambda x: take(x, rest)), take(holds.transpose(1, 2), rest).transpose(1, 2)
    for merge, merge_held in merges:
        merged, held = merged.joined(merge), torch.cat((held, merge_held), -1)
    return merged, held, fidelity, rest


def _merge_level(model: MemoryModel, parents: Memory, level: int) -> tuple[Memory, Tensor]:
    """Merge parents, in their order, ``merge ** level`` at a time; also how far their reconstruction is from them."""
    m = model.cfg.merge
    # in each group the earlier ones come first, as in the store
    group = parents.position.unflatten(1, (-1, m**level)).argsort(-1)
    original = parents.content.unflatten(1, (-1, m**level))
    original = original.gather(2, group[..., None].expand_as(original)).flatten(1, 2)
    content = rebuilt = original
    for _ in range(level):
        content = rebuilt = model.compressor.merge(content.unflatten(1, (-1, m)))
    for _ in range(level):
        rebuilt = model.compressor.expand(rebuilt).flatten(1, 2)
    fidelity = fidelity_loss(rebuilt, original)
    of = parents.map(lambda x: x.unflatten(1, (-1, m**level)))
    whole = torch.zeros_like(of.level[..., 0])
    merge = Memory(
        content=content, prior=of.prior.amax(-1), level=whole + level, age=of.age[..., 0], first=of.position.amin(-1),
        position=of.position.amax(-1), entry=whole - 1, kind=whole + 2, valid=of.valid.any(-1),
    )  # fmt: skip
    return merge, fidelity


def _importance_loss(prior: Tensor, share: Tensor, valid: Tensor) -> Tensor:
    """Importance is the log-prior of being read: cross-entropy of sigmoid(s) to the most that any question read of a slot.

    ``prior`` [sequence, slot] is log sigmoid(s), nats; ``share`` [sequence, slot] is in [0, 1], without gradient; ``valid`` is bool
    [sequence, slot]. A scalar, nats.
    """
    never = torch.log(-torch.expm1(prior.float().clamp(max=-1e-4)))
    loss = -(share * prior + (1 - share) * never)
    return (loss * valid).sum() / valid.sum().clamp_min(1)


def draw_text(segment: Segment, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw positions of a segment whose next token is to be predicted.

    Parameters
    ----------
    segment : Segment
    share : float
        Share of the segment's positions.
    generator : torch.Generator

    Returns
    -------
    index : int64 [sequence, token]
    following : int64 [sequence, token]
        The token that follows.
    is_text : bool [sequence, token]
        Whether that is text: only then it counts.
    """
    target, text = next_text(segment)
    draw = torch.rand(text.shape, generator=generator).to(text.device)
    some = draw.masked_fill(~text, 2.0).topk(int(share * text.shape[1]), 1, largest=False).indices
    return some, target.gather(1, some), text.gather(1, some)


def all_right(logits: Tensor, answer: Tensor) -> Tensor:
    """Which answers are right in every token.

    Parameters
    ----------
    logits : float [sequence, question, token, vocab]
        Teacher-forced.
    answer : int64 [sequence, question, token]
        Padded with ``PAD``.

    Returns
    -------
    bool [sequence, question]
    """
    return ((logits.argmax(-1) == answer) | (answer == PAD)).all(-1)


@dataclass(frozen=True)
class _Passed:
    """What the segments of an episode left: fresh slots and the positions they saw, from ``start`` to ``end``, and next-token loss."""

    memory: Memory
    start: Tensor
    end: Tensor
    predict: Tensor
    state: MemoryState


def _pass_segments(
    model: MemoryModel,
    episode: Episode,
    state: MemoryState,
    noise: float,
    predict_share: float,
    generator: torch.Generator,
) -> _Passed:
    """Run the segments without the store. Ages of the slots are drawn from 0 to 200 segments."""
    base = state.position
    nats = n_text = torch.zeros((), device=base.device)
    memory: Memory | None = None
    ends, starts = [], []
    window = model.cfg.slot_window
    for segment in episode.segments:
        hidden, context, blocks = model.perceive(segment, state, noise)
        some, wanted, there = draw_text(segment, predict_share, generator)
        logits = model.lm_head(take(hidden, some), state.working, model.encoders.text)
        nats = nats + F.cross_entropy(logits[there], wanted[there], reduction="sum")
        n_text = n_text + there.sum()
        working = model.working(state.working, context.slot, context.prior, context.valid)
        entries = model.candidates(context, state)
        age = (torch.rand(entries.prior.shape, generator=generator) * 200).to(base.device)
        zero = torch.zeros_like(entries.entry)
        at = entries.position
        fresh = Memory(context.slot, context.prior, zero, age, at, at, entries.entry, zero, context.valid)
        memory = fresh if memory is None else memory.joined(fresh)
        position = entries.position - base[:, None]
        ends.append(position)
        starts.append(position - window + 1)
        tail = torch.cat((state.tail, hidden.float()), 1)[:, -(window - 1) :]
        tail_valid = torch.cat((state.tail_valid, segment.valid), 1)[:, -(window - 1) :]
        state = MemoryState(
            state.segment + 1, state.position + segment.valid.sum(-1), blocks, tail, tail_valid, working, state.store,
            state.since_question,
        )  # fmt: skip
    assert memory is not None
    return _Passed(memory, torch.cat(starts, 1), torch.cat(ends, 1), nats / n_text.clamp_min(1), state)


def _holds(passed: _Passed, episode: Episode) -> Tensor:
    """Whether a slot saw a whole statement of the fact asked for, bool [sequence, question, slot]."""
    end, start = passed.end[:, None, :, None], passed.start[:, None, :, None]
    span = episode.fact_span[:, :, None]  # sequence, question, 1, statement, 2
    return ((end >= span[..., 1] - 1) & (start <= span[..., 0])).any(-1) & passed.memory.valid[:, None]


def memory_loss(
    model: MemoryModel,
    episode: Episode,
    state: MemoryState,
    *,
    weights: LossWeights = DEFAULT_WEIGHTS,
    noise: float = 0.3,
    distractors: int = 3,
    compress: float = 0.0,
    predict_share: float = 0.25,
    generator: torch.Generator,
) -> MemoryLoss:
    """Run an episode from a state, and compute every term of the loss.

    Parameters
    ----------
    model : MemoryModel
    episode : Episode
    state : MemoryState
    weights : LossWeights
    noise : float
        Standard deviation of what is added to importance when slots are picked.
    distractors : int
        How many other rows each row reads the slots of.
    compress : float
        Share of the slots that is merged.
    predict_share : float
        Share of the positions whose next token is predicted.
    generator : torch.Generator
        Of every draw that is not torch's global one.

    Returns
    -------
    MemoryLoss
    """
    passed = _pass_segments(model, episode, state, noise, predict_share, generator)
    own = memory = passed.memory
    state = passed.state
    holds = _holds(passed, episode)
    n_row = holds.shape[0]
    for shift in range(1, min(distractors, n_row - 1) + 1):
        other = own.map(lambda x, s=shift: x.roll(s, 0))
        memory = memory.joined(other)
    holds = F.pad(holds, (0, memory.content.shape[1] - holds.shape[-1]))
    fidelity = torch.zeros((), device=state.working.device)
    single = torch.arange(memory.content.shape[1], device=state.working.device).expand(n_row, -1)
    if compress:
        memory, holds, fidelity, single = _merge_some(model, memory, holds, compress, generator)
    memory = memory.joined(Memory.of_working(state.working))
    holds = F.pad(holds, (0, state.working.shape[1]))
    read, m_q, there = model.read(episode.questions, memory)
    logits = model.decode(episode.questions.answer, read, m_q, there)
    answer = answer_loss(logits, episode.questions.answer).mean()
    log_share = read.logits.log_softmax(-1)
    covered = holds.any(-1)
    right = log_share.masked_fill(~holds, -torch.inf).logsumexp(-1)
    retrieval = -right[covered].sum() / covered.sum().clamp_min(1)
    # how much of a read went to slots of this row that were left whole
    n_single = single.shape[1]
    share = log_share.detach().amax(1).exp()[:, :n_single]
    mine = memory.valid[:, :n_single] & (single < own.content.shape[1])
    importance = _importance_loss(memory.prior[:, :n_single], share, mine)
    predict = passed.predict
    exact = all_right(logits, episode.questions.answer)
    total = (
        weights.answer * answer
        + weights.retrieval * retrieval
        + weights.predict * predict
        + weights.fidelity * fidelity
        + weights.importance * importance
    )
    return MemoryLoss(total, answer, retrieval, predict, fidelity, importance, exact, episode.modality, covered, state)
