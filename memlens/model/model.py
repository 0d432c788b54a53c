"""MemoryModel: THE step, top to bottom.

encode -> backbone -> importance -> context slots -> (questions read [M_ctx, M_{t-1}, L_{t-1}]) -> control -> store and working memory.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.dims import BOS, EOS, PAD, Action, Modality
from memlens.model import store as stores
from memlens.model.answers import Answers, Questions
from memlens.model.backbone import Block
from memlens.model.cache import Axes
from memlens.model.compressor import Compressor
from memlens.model.context import ContextWriter
from memlens.model.controller import Controller, control_features, control_names
from memlens.model.encoders import Encoders
from memlens.model.entries import Births, Context, Decisions, Entries
from memlens.model.hooks import HookPoint
from memlens.model.importance import Importance
from memlens.model.layers import RMSNorm
from memlens.model.lm_head import LMHead
from memlens.model.points import points
from memlens.model.question_memory import Decoder, QuestionMemory
from memlens.model.retrieval import Read, Retrieval
from memlens.model.segment import Segment, StepOutputs
from memlens.model.state import Memory, MemoryState
from memlens.model.stream_model import StreamModel
from memlens.model.working_memory import WorkingMemory


class MemoryModel(StreamModel):
    """Encoders, backbone, importance, context slots, working memory, store, controller, question memory, decoder, head."""

    LOGITS = "lm_head.hook_logits"
    entry_level: Tensor

    def __init__(self, cfg: ModelConfig, tokenizer: Tokenizer | None = None, name: str = "unnamed"):
        super().__init__(cfg, tokenizer, name)
        self.control_names = control_names(cfg)
        self.encoders = Encoders(cfg)
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layers))
        self.norm = RMSNorm(cfg.d_model)
        self.hook_hidden = HookPoint()
        self.importance = Importance(cfg)
        self.context = ContextWriter(cfg)
        self.working = WorkingMemory(cfg)
        self.compressor = Compressor(cfg)
        self.controller = Controller(cfg)
        self.retrieval = Retrieval(cfg)
        self.question = QuestionMemory(cfg)
        self.decoder = Decoder(cfg)
        self.lm_head = LMHead(cfg)
        self.store = stores.Store()
        starts = stores.level_starts(cfg)
        level = torch.cat([torch.full((b - a,), i) for i, (a, b) in enumerate(pairwise(starts))])
        self.register_buffer("entry_level", level, persistent=False)
        self._axes = {point.name: point.dims for point in points(cfg)}
        self.cfg = cfg.on(self.device)
        self.setup()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MemoryModel":
        """What ``to`` and its like do; the config says where the model is."""
        super()._apply(fn, recurse)
        self.cfg = self.cfg.on(self.device)
        return self

    def axes(self) -> Axes:
        """Axes of every point after ``sequence``, as points.py lists them."""
        return self._axes

    @property
    def policy_name(self) -> str:
        """Name of the policy that decides."""
        return self.controller.policy

    def initial_state(self, n_sequence: int = 1) -> MemoryState:
        """The state before the first segment."""
        cfg, device = self.cfg, self.device
        tail = cfg.slot_window - 1
        return MemoryState(
            segment=torch.zeros(n_sequence, dtype=torch.long, device=device),
            position=torch.zeros(n_sequence, dtype=torch.long, device=device),
            blocks=tuple(cast(Block, block).initial_state(n_sequence, device) for block in self.blocks),
            tail=torch.zeros(n_sequence, tail, cfg.d_model, device=device),
            tail_valid=torch.zeros(n_sequence, tail, dtype=torch.bool, device=device),
            working=self.working.initial_state(n_sequence),
            store=stores.empty_entries(n_sequence, len(self.entry_level), cfg.d_model, device),
            since_question=torch.zeros(n_sequence, device=device),
        )

    def step(
        self,
        segment: Segment,
        state: MemoryState,
        questions: Questions | None = None,
        *,
        explore: Tensor | None = None,
        noise: float = 0.0,
        predict: bool = True,
    ) -> tuple[StepOutputs, MemoryState]:
        """One segment: the only way in which the state changes.

        ``questions`` are asked at its end. ``explore`` (sequence, agent, action) is added to Q; ``noise`` (std) to the importance
        when slots are picked, for training; ``predict`` computes the loss of the next tokens.
        """
        self.enter(state.segment)
        hidden, context, blocks = self.perceive(segment, state, noise)
        answers, decisions, births, after = self.memorise(context, state, questions, explore)
        nats, text = self.predict(hidden, segment, state) if predict else self._no_prediction(segment)
        return StepOutputs(nats, text, context.slot, decisions, births, answers), self.carry(
            after, hidden, segment, blocks
        )

    # the parts of a step, in its order

    def perceive(
        self, segment: Segment, state: MemoryState, noise: float = 0.0
    ) -> tuple[Tensor, Context, tuple[tuple[Tensor, Tensor], ...]]:
        """Encoders, backbone, importance and context slots."""
        hidden, blocks = self.encode(segment, state)
        return hidden, self.write_context(hidden, segment, state, noise), blocks

    def encode(self, segment: Segment, state: MemoryState) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        """Encoders and backbone: H_t, and what the blocks carry on. No memory goes into it."""
        x = self.encoders(segment)
        blocks = []
        for block, carried in zip(self.blocks, state.blocks, strict=True):
            x, carried = block(x, segment.valid, carried)
            blocks.append(carried)
        return self.hook_hidden(self.norm(x)), tuple(blocks)

    def write_context(self, hidden: Tensor, segment: Segment, state: MemoryState, noise: float = 0.0) -> Context:
        """Importance, from H_t and M_{t-1}, and the context slots that it allocates."""
        score = self.importance(hidden, state.working)
        return self.context(hidden, score, segment.valid, state.tail, state.tail_valid, noise)

    def memorise(
        self, context: Context, state: MemoryState, questions: Questions | None = None, explore: Tensor | None = None
    ) -> tuple[Answers | None, Decisions, Births, MemoryState]:
        """Answers, decisions, and the state with another store and working memory: all of a step that reads and writes memory."""
        candidates = self.candidates(context, state)
        memory = self.memory(candidates, state)
        answers, hits = self.answer(questions, memory) if questions is not None else (None, None)
        agents = candidates.joined(state.store)
        since = state.since_question + 1
        if hits is not None and questions is not None:
            keep = torch.cat((hits[:, : self.cfg.n_slots], hits[:, self.cfg.n_slots + self.cfg.working_slots :]), 1)
            agents = self._credit(agents, keep)
            since = torch.where(questions.valid.any(-1), 0.0, since)
        decisions, update, recalled = self.decide(agents, state, since, explore)
        working = self.remember(context, recalled, state)
        store = replace(update.store, entry=self.store.hook_entry(update.store.entry))
        store = replace(store, content=self.store.hook_content(store.content))
        return answers, decisions, update.births, replace(state, working=working, store=store, since_question=since)

    def carry(
        self, state: MemoryState, hidden: Tensor, segment: Segment, blocks: tuple[tuple[Tensor, Tensor], ...]
    ) -> MemoryState:
        """The state with what is carried on of the stream itself: its place, the backbone's state, the last hidden vectors."""
        tail = torch.cat((state.tail, hidden.float()), 1)
        tail_valid = torch.cat((state.tail_valid, segment.valid), 1)
        n_tail = state.tail.shape[1]
        return replace(
            state,
            segment=state.segment + 1,
            position=state.position + segment.valid.sum(-1),
            blocks=blocks,
            tail=tail[:, tail.shape[1] - n_tail :],
            tail_valid=tail_valid[:, tail_valid.shape[1] - n_tail :],
        )

    def candidates(self, context: Context, state: MemoryState) -> Entries:
        """The context slots as entries, with their identity and source span."""
        n_ids = self.cfg.n_slots + sum(stores.max_merges(self.cfg))
        zeros = torch.zeros_like(context.prior)
        position = context.position + state.position[:, None]
        number = torch.arange(self.cfg.n_slots, device=position.device)
        return Entries(
            content=context.slot,
            prior=context.prior,
            entry=torch.where(context.valid, state.segment[:, None] * n_ids + number, -1),
            age=zeros,
            idle=zeros,
            hits=zeros,
            position=position,
            start=(position - self.cfg.slot_window + 1).clamp_min(0),
            end=position + 1,
            entropy=context.entropy,
            valid=context.valid,
        )

    def memory(self, candidates: Entries, state: MemoryState) -> Memory:
        """What can be read at this segment's end: [M_ctx, M_{t-1}, L_{t-1}]."""
        working = state.working

        def bundle(e: Entries, level: Tensor, kind: int) -> Memory:
            first = torch.minimum(e.start + self.cfg.slot_window - 1, e.position)
            return Memory(
                e.content, e.prior, level.expand_as(e.entry), e.age, first, e.position, e.entry,
                torch.full_like(e.entry, kind), e.valid,
            )  # fmt: skip

        held = working_memory(working)
        fresh = bundle(candidates, torch.zeros_like(candidates.entry), 0)
        return fresh.joined(held).joined(bundle(state.store, self.entry_level, 2))

    def read(self, questions: Questions, memory: Memory) -> tuple[Read, Tensor, Tensor]:
        """Encode the questions and fill M_q: what was read, M_q (B, Q, Lq, d), and where there are question tokens."""
        there = questions.token != PAD
        x, query = self.question.encode(self.encoders.text(questions.token), there)
        read = self.retrieval(query, memory, self.compressor)
        return read, self.question(x, there, read.content, read.bias), there

    def decode(self, answer: Tensor, read: Read, m_q: Tensor, there: Tensor) -> Tensor:
        """Teacher-forced logits (B, Q, La, vocab) of ``answer`` (B, Q, La)."""
        start = torch.full_like(answer[..., :1], BOS)
        given = torch.cat((start, answer[..., :-1]), -1)
        return self.decoder(given, self.encoders.text, m_q, there, read.content, read.bias)

    def answer(self, questions: Questions, memory: Memory) -> tuple[Answers, Tensor]:
        """Greedy answers, their loss and what they read; and how much each memory was read, (B, N)."""
        memory = replace(memory, entry=self.retrieval.hook_entry(memory.entry))
        read, m_q, there = self.read(questions, memory)
        logits = self.decode(questions.answer, read, m_q, there)
        loss = answer_loss(logits, questions.answer)

        def following(token: Tensor) -> Tensor:
            return self.decoder(token, self.encoders.text, m_q, there, read.content, read.bias)[..., -1, :]

        token = greedy(following, questions, self.cfg.max_answer)

        def chosen(x: Tensor) -> Tensor:
            return x[:, None].expand(-1, read.index.shape[1], -1).gather(2, read.index)

        empty = ~chosen(memory.valid)
        weight = read.weight * questions.valid[..., None]
        hits = torch.zeros_like(memory.prior).scatter_add(
            1, read.index.flatten(1), weight.flatten(1).to(memory.prior.dtype)
        )
        return (
            Answers(
                token=token,
                correct=exact(token, questions),
                loss=loss,
                read_entry=chosen(memory.entry).masked_fill(empty, -1),
                read_weight=read.weight,
                read_kind=chosen(memory.kind).masked_fill(empty, -1),
                read_index=read.index,
            ),
            hits,
        )

    def _credit(self, agents: Entries, hits: Tensor) -> Entries:
        """Count reads: an entry that took more than a tenth of one is no longer idle."""
        return replace(agents, hits=agents.hits + hits, idle=torch.where(hits > 0.1, 0.0, agents.idle))

    def decide(
        self, agents: Entries, state: MemoryState, since: Tensor, explore: Tensor | None
    ) -> tuple[Decisions, stores.Update, Entries]:
        """Control: features, Q, actions; carried out by the store. Also the entries recalled into working memory."""
        cfg = self.cfg
        agents = replace(agents, entry=self.controller.hook_entry(agents.entry))
        n_levels = len(cfg.capacities)
        keys = self.retrieval.keys(agents.content)
        level = torch.cat((self.entry_level.new_zeros(cfg.n_slots), self.entry_level)).expand_as(agents.entry)
        share = F.one_hot(self.entry_level, n_levels).float()
        occupancy = (state.store.valid.float() @ share) / share.sum(0)
        control, match = control_features(agents, keys, cfg.n_slots, level, occupancy, since)
        allowed = stores.allowed_actions(cfg, agents, match, level)
        control, q, wanted = self.controller(agents, control, allowed, explore)
        # entries are alike that would attend alike to the working memory
        pattern = (keys @ self.retrieval.keys(state.working).transpose(-1, -2) * 8.0).softmax(-1)
        pattern = F.normalize(pattern, dim=-1)
        n_ids = cfg.n_slots + sum(stores.max_merges(cfg))
        update = stores.update(
            cfg, agents, q, wanted, match, pattern @ pattern.transpose(-1, -2), self.compressor,
            state.segment * n_ids + cfg.n_slots,
        )  # fmt: skip
        decisions = Decisions(
            agents.entry, level, wanted, update.action, allowed, q.masked_fill(~allowed, torch.nan), control,
            update.destination,
        )  # fmt: skip
        gain = (q[..., Action.RETRIEVE] - q[..., Action.STORE])[:, cfg.n_slots :]
        asked = (update.action[:, cfg.n_slots :] == int(Action.RETRIEVE)) & (update.destination[:, cfg.n_slots :] >= 0)
        _, index = gain.masked_fill(~asked, -torch.inf).topk(min(cfg.recalls, gain.shape[1]), 1)
        recalled = agents.slice(cfg.n_slots, agents.valid.shape[1]).at(index)
        return decisions, update, replace(recalled, valid=asked.gather(1, index))

    def remember(self, context: Context, recalled: Entries, state: MemoryState) -> Tensor:
        """M_t from the context slots and what was recalled, reconstructed (the mean of its parts)."""
        level = torch.zeros_like(recalled.entry)
        content = recalled.content
        if bool(recalled.valid.any()):
            where = (state.store.entry[:, None] == recalled.entry[..., None]).float().argmax(-1)
            level = self.entry_level[where]
            parts, there = self.compressor.expand_to_level(content, level, int(level.max()))
            content = (parts * there[..., None]).sum(2) / there.sum(2, keepdim=True)
        incoming = torch.cat((context.slot, content), 1)
        prior = torch.cat((context.prior, recalled.prior), 1)
        valid = torch.cat((context.valid, recalled.valid), 1)
        return self.working(state.working, incoming, prior, valid)

    def predict(self, hidden: Tensor, segment: Segment, state: MemoryState) -> tuple[Tensor, Tensor]:
        """Loss of each next text token given H_t and M_{t-1}, nats (B, S), and where there is one."""
        return text_loss(self.lm_head(hidden, state.working, self.encoders.text), segment)

    def _no_prediction(self, segment: Segment) -> tuple[Tensor, Tensor]:
        return torch.zeros(segment.token.shape, device=segment.token.device), torch.zeros_like(segment.valid)


def working_memory(working: Tensor) -> Memory:
    """Working slots (B, W, d) as Memory: no log-prior, no age, no place in the stream."""
    whole = torch.zeros(working.shape[:2], dtype=torch.long, device=working.device)
    zeros = whole.to(working.dtype)
    return Memory(working, zeros, whole, zeros, whole - 1, whole - 1, whole - 1, whole + 1, whole == 0)


def next_text(segment: Segment) -> tuple[Tensor, Tensor]:
    """The next token (B, S - 1) and whether it is text that can be predicted."""
    text = (segment.modality == int(Modality.TEXT)) & segment.valid
    return torch.where(text, segment.token, 0)[:, 1:], text[:, 1:]


def text_loss(logits: Tensor, segment: Segment) -> tuple[Tensor, Tensor]:
    """Loss of each text token under the logits (B, S, vocab) of the position before it, nats (B, S), and where there is one."""
    target, text = next_text(segment)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), target.flatten(), reduction="none").view_as(target)
    return F.pad(loss * text, (1, 0)), F.pad(text, (1, 0))


def answer_loss(logits: Tensor, answer: Tensor) -> Tensor:
    """Mean cross-entropy over the answer's tokens, nats, (B, Q); 0 for padding questions."""
    loss = F.cross_entropy(logits.flatten(0, 2).float(), answer.flatten(), reduction="none").view_as(answer)
    there = answer != PAD
    return (loss * there).sum(-1) / there.sum(-1).clamp_min(1)


def greedy(following: Callable[[Tensor], Tensor], questions: Questions, max_answer: int) -> Tensor:
    """Answers (B, Q, L) decoded greedily, up to and with <eos>, then 0.

    ``following`` gives the logits (B, Q, vocab) of what follows tokens (B, Q, l) that start with <bos>.
    """
    token = torch.full_like(questions.answer[..., :1], BOS)
    ended = torch.zeros_like(questions.valid)
    for _ in range(max_answer):
        best = torch.where(ended, PAD, following(token).argmax(-1))
        token = torch.cat((token, best[..., None]), -1)
        ended = ended | (best == EOS)
        if bool((ended | ~questions.valid).all()):
            break
    return token[..., 1:]


def exact(token: Tensor, questions: Questions) -> Tensor:
    """Which answers (B, Q, L) are the wanted ones, token by token; bool (B, Q), never for padding questions."""
    answer = questions.answer
    width = max(token.shape[-1], answer.shape[-1])
    same = F.pad(token, (0, width - token.shape[-1])) == F.pad(answer, (0, width - answer.shape[-1]))
    return same.all(-1) & questions.valid
