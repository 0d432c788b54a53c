"""MemoryModel: THE step, top to bottom.

encode -> backbone -> importance -> context slots -> (questions read [M_ctx, M_{t-1}, L_{t-1}]) -> control -> store and working memory.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.dims import BOS, PAD, Action
from memlens.model import store as stores
from memlens.model.answers import Answers, Questions, greedy
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
from memlens.model.losses import answer_loss, no_prediction, text_loss
from memlens.model.points import points
from memlens.model.question_memory import Decoder, QuestionMemory
from memlens.model.retrieval import Retrieval, Retrieved, answers_of, hits_of
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
        self.register_buffer("entry_level", stores.entry_levels(cfg), persistent=False)
        #: ids that a segment can give: one a candidate, one a merge
        self._n_ids = cfg.n_slots + sum(stores.max_merges(cfg))
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

    def sizes(self) -> dict[str, Any]:
        """Sizes of the memory, and who decides."""
        cfg = self.cfg
        return {
            "d_model": cfg.d_model,
            "segment": f"{cfg.segment_length} positions -> {cfg.n_slots} context slots",
            "working": f"{cfg.working_slots} slots",
            "store": f"{' + '.join(map(str, cfg.capacities))} entries",
            "policy": self.policy_name,
        }

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
        """Read one segment: the only way in which the state changes.

        Parameters
        ----------
        segment : Segment
            What is read.
        state : MemoryState
            Before it.
        questions : Questions, optional
            Asked at its end.
        explore : float [sequence, agent, action], optional
            Added to Q, nats.
        noise : float
            Standard deviation of what is added to importance when slots are picked, for training.
        predict : bool
            Whether the loss of the next tokens is computed.

        Returns
        -------
        outputs : StepOutputs
            Losses, slots, decisions, answers.
        state : MemoryState
            After it.
        """
        self.enter(state.segment)
        hidden, context, blocks = self.perceive(segment, state, noise)
        answers, decisions, births, after = self.memorise(context, state, questions, explore)
        if predict:
            nats, text = text_loss(self.lm_head(hidden, state.working, self.encoders.text), segment)
        else:
            nats, text = no_prediction(segment)
        outputs = StepOutputs(nats, text, context.slot, decisions, births, answers)
        return outputs, after.carried(hidden, segment, blocks)

    # the parts of a step, in its order

    def perceive(
        self, segment: Segment, state: MemoryState, noise: float = 0.0
    ) -> tuple[Tensor, Context, tuple[tuple[Tensor, Tensor], ...]]:
        """Encoders, backbone, importance and context slots.

        Parameters
        ----------
        segment, state, noise
            As ``step``.

        Returns
        -------
        hidden : float [sequence, token, feature]
            H_t.
        context : Context
            M_ctx.
        blocks : tuple
            What the backbone carries on, as ``MemoryState.blocks``.
        """
        hidden, blocks = self.encode(segment, state)
        return hidden, self.write_context(hidden, segment, state, noise), blocks

    def encode(self, segment: Segment, state: MemoryState) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        """Encoders and backbone. No memory goes into it.

        Parameters
        ----------
        segment, state
            As ``step``.

        Returns
        -------
        hidden : float [sequence, token, feature]
            H_t.
        blocks : tuple
            What the backbone carries on, as ``MemoryState.blocks``.
        """
        x = self.encoders(segment)
        blocks = []
        for block, carried in zip(self.blocks, state.blocks, strict=True):
            x, carried = block(x, segment.valid, carried)
            blocks.append(carried)
        return self.hook_hidden(self.norm(x)), tuple(blocks)

    def write_context(self, hidden: Tensor, segment: Segment, state: MemoryState, noise: float = 0.0) -> Context:
        """Importance, from H_t and M_{t-1}, and the context slots that it allocates.

        Parameters
        ----------
        hidden : float [sequence, token, feature]
            H_t.
        segment, state, noise
            As ``step``.

        Returns
        -------
        Context
            M_ctx.
        """
        score = self.importance(hidden, state.working)
        return self.context(hidden, score, segment.valid, state.tail, state.tail_valid, noise)

    def memorise(
        self, context: Context, state: MemoryState, questions: Questions | None = None, explore: Tensor | None = None
    ) -> tuple[Answers | None, Decisions, Births, MemoryState]:
        """All of a step that reads and writes memory.

        Parameters
        ----------
        context : Context
            M_ctx.
        state, questions, explore
            As ``step``.

        Returns
        -------
        tuple of Answers or None, Decisions, Births, MemoryState
            The state has another store and working memory; ``MemoryState.carried`` does the rest.
        """
        candidates = self.candidates(context, state)
        memory = self.memory(candidates, state)
        answers, hits = self.answer(questions, memory) if questions is not None else (None, None)
        agents = candidates.joined(state.store)
        since = state.since_question + 1
        if hits is not None and questions is not None:
            keep = torch.cat((hits[:, : self.cfg.n_slots], hits[:, self.cfg.n_slots + self.cfg.working_slots :]), 1)
            agents = agents.credited(keep)
            since = torch.where(questions.valid.any(-1), 0.0, since)
        decisions, update, recalled = self._decide(agents, state, since, explore)
        working = self._remember(context, recalled, state)
        store = replace(update.store, entry=self.store.hook_entry(update.store.entry))
        store = replace(store, content=self.store.hook_content(store.content))
        return answers, decisions, update.births, replace(state, working=working, store=store, since_question=since)

    def candidates(self, context: Context, state: MemoryState) -> Entries:
        """The context slots as entries, with their identity and source span.

        Parameters
        ----------
        context : Context
            M_ctx.
        state : MemoryState
            Before the segment.

        Returns
        -------
        Entries [sequence, slot]
            Not valid where nothing was picked.
        """
        return Entries.of_context(context, state.position, state.segment * self._n_ids, self.cfg.slot_window)

    def memory(self, candidates: Entries, state: MemoryState) -> Memory:
        """What can be read at the end of a segment.

        Parameters
        ----------
        candidates : Entries [sequence, slot]
            Of this segment.
        state : MemoryState
            Before it.

        Returns
        -------
        Memory [sequence, memory]
            [M_ctx, M_{t-1}, L_{t-1}].
        """
        window = self.cfg.slot_window
        fresh = Memory.of_entries(candidates, torch.zeros_like(self.entry_level[:1]), 0, window)
        store = Memory.of_entries(state.store, self.entry_level, 2, window)
        return fresh.joined(Memory.of_working(state.working), store)

    def read(self, questions: Questions, memory: Memory) -> tuple[Retrieved, Tensor, Tensor]:
        """Encode questions, retrieve, fill M_q.

        Parameters
        ----------
        questions : Questions
            What is asked.
        memory : Memory [sequence, memory]
            What can be read.

        Returns
        -------
        read : Retrieved
            What was read.
        m_q : float [sequence, question, query, feature]
            M_q.
        there : bool [sequence, question, query]
            Where there are question tokens.
        """
        there = questions.token != PAD
        x, query = self.question.encode(self.encoders.text(questions.token), there)
        read = self.retrieval(query, memory, self.compressor)
        return read, self.question(x, there, read.content, read.bias), there

    def decode(self, answer: Tensor, read: Retrieved, m_q: Tensor, there: Tensor) -> Tensor:
        """Teacher-forced logits of answers.

        Parameters
        ----------
        answer : int [sequence, question, answer]
            The right tokens.
        read, m_q, there
            As ``read`` gives them.

        Returns
        -------
        float [sequence, question, answer, vocab]
            Logits.
        """
        start = torch.full_like(answer[..., :1], BOS)
        given = torch.cat((start, answer[..., :-1]), -1)
        return self.decoder(given, self.encoders.text, m_q, there, read.content, read.bias)

    def answer(self, questions: Questions, memory: Memory) -> tuple[Answers, Tensor]:
        """Greedy answers, their loss and what they read.

        Parameters
        ----------
        questions : Questions
            What is asked, with the right answers.
        memory : Memory [sequence, memory]
            What can be read.

        Returns
        -------
        answers : Answers
            Tokens, and how right they are.
        hits : float [sequence, memory]
            How much of each memory was read, summed over the questions.
        """
        memory = replace(memory, entry=self.retrieval.hook_entry(memory.entry))
        read, m_q, there = self.read(questions, memory)
        logits = self.decode(questions.answer, read, m_q, there)
        loss = answer_loss(logits, questions.answer)

        def following(token: Tensor) -> Tensor:
            return self.decoder(token, self.encoders.text, m_q, there, read.content, read.bias)[..., -1, :]

        token = greedy(following, questions, self.cfg.max_answer)
        return answers_of(token, loss, read, memory, questions), hits_of(read, memory, questions)

    def _decide(
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
        affinity = self.retrieval.affinity(keys, state.working)
        update = stores.update(
            cfg, agents, q, wanted, match, affinity, self.compressor,
            state.segment * self._n_ids + cfg.n_slots,
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

    def _remember(self, context: Context, recalled: Entries, state: MemoryState) -> Tensor:
        """M_t from the context slots and what was recalled, reconstructed (the mean of its parts)."""
        content = recalled.content
        if bool(recalled.valid.any()):
            where = (state.store.entry[:, None] == recalled.entry[..., None]).float().argmax(-1)
            content = self.compressor.mean_of_parts(content, self.entry_level[where])
        incoming = torch.cat((context.slot, content), 1)
        prior = torch.cat((context.prior, recalled.prior), 1)
        valid = torch.cat((context.valid, recalled.valid), 1)
        return self.working(state.working, incoming, prior, valid)
