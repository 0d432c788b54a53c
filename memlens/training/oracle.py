"""The best and the worst case of a policy: one that knows which facts will be asked for, and one whose state is shuffled.

Both act from outside the model, so that the same mechanics and capacities of the store hold for them as for every policy.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from memlens.dims import Action
from memlens.model.answers import Questions
from memlens.model.entries import Entries
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment, StepOutputs
from memlens.model.state import MemoryState
from memlens.streams import EncodedStream
from memlens.training.q_learning import FORCE

_FAR = torch.iinfo(torch.long).max


class Oracle:
    """Steps a model through ``streams`` that are known to their end; ``memlens.model.run`` takes it as it takes a model.

    Each fact that is asked for after this segment has one agent that stands for it: of those whose source holds its last statement whole,
    the one that was written soonest after it. That one gets STORE, every other DISCARD.
    """

    def __init__(self, model: MemoryModel, streams: Sequence[EncodedStream]):
        self.model = model
        self.cfg, self.tokenizer = model.cfg, model.tokenizer
        last: list[dict[int, int]] = [
            {question.fact: question.position for question in stream.questions} for stream in streams
        ]
        width = max(1, *map(len, last))
        #: Start and end of the last statement of each fact, and position of the last question for it: int64 [sequence, fact, 3].
        due = np.full((len(streams), width, 3), -1)
        for b, (stream, asked) in enumerate(zip(streams, last, strict=True)):
            for i, (fact, position) in enumerate(asked.items()):
                if fact in stream.facts:
                    due[b, i] = stream.facts[fact].start, stream.facts[fact].end, position
        self.due = torch.from_numpy(due).to(model.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def initial_state(self, n_sequence: int = 1) -> MemoryState:
        """Initial state of the model."""
        return self.model.initial_state(n_sequence)

    def wanted(self, agents: Entries, position: Tensor) -> Tensor:
        """Which agents stand for a fact that is asked for later.

        Parameters
        ----------
        agents : Entries
        position : int64 [sequence]
            Only questions after it count.

        Returns
        -------
        bool [sequence, agent]
        """
        start, end, asked = (self.due[..., None, i] for i in range(3))
        holds = (agents.start[:, None] <= start) & (agents.end[:, None] >= end) & agents.valid[:, None]
        holds = holds & (asked > position[:, None, None])
        _, best = agents.end[:, None].expand(holds.shape).masked_fill(~holds, _FAR).min(-1)
        stands = torch.zeros_like(agents.prior).scatter_add(1, best, holds.any(-1).to(agents.prior.dtype))
        return stands > 0

    def step(
        self, segment: Segment, state: MemoryState, questions: Questions | None = None, *, predict: bool = True
    ) -> tuple[StepOutputs, MemoryState]:
        """Take the model's step with forced decisions.

        Parameters
        ----------
        segment : Segment
        state : MemoryState
        questions : Questions, optional
        predict : bool
            Whether to predict next tokens.

        Returns
        -------
        outputs : StepOutputs
        state : MemoryState
        """
        _, context, _ = self.model.perceive(segment, state)
        agents = self.model.candidates(context, state).joined(state.store)
        wanted = self.wanted(agents, state.position + segment.valid.sum(-1))
        action = torch.where(wanted, int(Action.STORE), int(Action.DISCARD))
        explore = F.one_hot(action, len(Action)).float() * FORCE
        return self.model.step(segment, state, questions, explore=explore, predict=predict)


class Shuffled:
    """Steps a model that decides for each agent by the state of another live one, drawn at random in every segment.

    The Q-values of all live agents of a sequence are permuted: a decision says nothing about the agent that it is made for.
    """

    def __init__(self, model: MemoryModel, seed: int = 0):
        self.model = model
        self.cfg, self.tokenizer = model.cfg, model.tokenizer
        self.generator = torch.Generator().manual_seed(seed)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def initial_state(self, n_sequence: int = 1) -> MemoryState:
        """Initial state of the model."""
        return self.model.initial_state(n_sequence)

    def step(
        self, segment: Segment, state: MemoryState, questions: Questions | None = None, *, predict: bool = True
    ) -> tuple[StepOutputs, MemoryState]:
        """Take the model's step with permuted Q-values.

        Parameters
        ----------
        segment : Segment
        state : MemoryState
        questions : Questions, optional
        predict : bool
            Whether to predict next tokens.

        Returns
        -------
        outputs : StepOutputs
        state : MemoryState
        """
        _, context, _ = self.model.perceive(segment, state)
        live = self.model.candidates(context, state).joined(state.store).valid
        order = shuffled(live, self.generator)

        def exchange(q: Tensor, hook: Any) -> Tensor:
            return q.gather(1, order[..., None].expand_as(q))

        with self.model.hooks(fwd_hooks=[("controller.hook_q", exchange)]):
            return self.model.step(segment, state, questions, predict=predict)


def shuffled(live: Tensor, generator: torch.Generator) -> Tensor:
    """Draw permutations of the live agents; the others stay where they are.

    Parameters
    ----------
    live : bool [sequence, agent]
    generator : torch.Generator

    Returns
    -------
    int64 [sequence, agent]
        Index of the agent that takes each place.
    """
    here = torch.arange(live.shape[1], device=live.device).expand_as(live)
    places = torch.where(live, here, live.shape[1]).sort(1).values
    mixed = torch.rand(live.shape, generator=generator).to(live.device).masked_fill(~live, 2.0).argsort(1)
    padded = torch.cat((here, here[:, :1]), 1)
    return padded.scatter(1, places, mixed)[:, :-1]
