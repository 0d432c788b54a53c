"""Baselines without memory: language models of the stream, by attention over a sliding window or by state-space layers alone.

They take the memory model's encoders, its loss and its place in ``memlens.model.run``; a question is answered as a language model
does: its tokens, <bos> and the answer go on from the stream, which then goes on as if nobody had asked.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from memlens.config import BaselineConfig
from memlens.dims import BOS, PAD, Modality
from memlens.model.answers import Questions, exact, greedy
from memlens.model.backbone import Block
from memlens.model.cache import Axes
from memlens.model.encoders import Encoders
from memlens.model.hooks import HookPoint
from memlens.model.indexing import take
from memlens.model.layers import MLP, RMSNorm
from memlens.model.losses import answer_loss, text_loss
from memlens.model.segment import Segment
from memlens.model.stream_model import StreamModel
from memlens.model.tensors import Tensors
from memlens.model.window_attention import Sight, WindowAttention, question_sight, segment_sight


@dataclass(frozen=True)
class ReaderState(Tensors):
    """All that is carried from segment to segment; of constant size.

    Attributes
    ----------
    segment : int [sequence]
        Segments read.
    position : int [sequence]
        Stream position of the next token.
    blocks : tuple of pairs
        A pair a layer: for "attention" keys and values, float [sequence, head, window - 1, head_feature] each; for "ssm" the convolution
        buffer and the SSD state, as ``backbone.Block`` carries them.
    """

    segment: Tensor
    position: Tensor
    blocks: tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True)
class ReaderAnswers(Tensors):
    """Answers to ``Questions``.

    Attributes
    ----------
    token : int [sequence, question, answer]
        Decoded greedily, up to and with <eos>, then 0.
    correct : bool [sequence, question]
        Exact match.
    loss : float [sequence, question]
        Nats per answer token under teacher forcing.
    """

    token: Tensor
    correct: Tensor
    loss: Tensor


@dataclass(frozen=True)
class ReaderOutputs(Tensors):
    """What one step yields.

    Attributes
    ----------
    nats : float [sequence, token]
        As in ``StepOutputs``.
    text : bool [sequence, token]
        As in ``StepOutputs``.
    answers : ReaderAnswers, optional
        Where something was asked.
    """

    nats: Tensor
    text: Tensor
    answers: ReaderAnswers | None


class StreamReader(StreamModel):
    """Encoders, layers of a mixer and an MLP, a norm; logits by the tied embedding. Hooked as the memory model is.

    The points of the mixers and ``hook_resid_post``, the stream after each layer, fire once more for each time that answers are computed.
    """

    LOGITS = "hook_logits"

    def __init__(self, cfg: BaselineConfig, tokenizer: Tokenizer | None = None, name: str = "unnamed"):
        super().__init__(cfg, tokenizer, name)
        d = cfg.d_model
        mixer = WindowAttention if cfg.kind == "attention" else Block
        self.encoders = Encoders(cfg)
        self.mixers = nn.ModuleList(mixer(cfg) for _ in range(cfg.n_layers))
        self.mlp_norms = nn.ModuleList(RMSNorm(d) for _ in range(cfg.n_layers))
        self.mlps = nn.ModuleList(MLP(d, round(cfg.mlp_ratio * d), d) for _ in range(cfg.n_layers))
        self.norm = RMSNorm(d)
        self.hook_resid_post = nn.ModuleList(HookPoint() for _ in range(cfg.n_layers))
        self.hook_hidden = HookPoint()
        self.hook_logits = HookPoint()
        self.setup()

    def axes(self) -> Axes:
        """Axes of every point after ``sequence``."""
        other = {"hook_logits": ("token", "vocab"), "hook_state": ("head", "head_feature", "state")}
        return {name: other.get(name.rpartition(".")[2], ("token", "feature")) for name in self.hook_dict}

    def sizes(self) -> dict[str, Any]:
        """Kind and sizes of the layers."""
        cfg = self.cfg
        seen = (
            f"window of {cfg.window}"
            if cfg.kind == "attention"
            else f"state of {cfg.ssd_heads} x {cfg.ssd_head_dim} x {cfg.ssd_state}"
        )
        return {
            "d_model": cfg.d_model,
            "segment": f"{cfg.segment_length} positions",
            "layers": f"{cfg.n_layers} of {cfg.kind}, {seen}",
        }

    @property
    def policy_name(self) -> str:
        """No policy decides: there is no memory."""
        return "none"

    def initial_state(self, n_sequence: int = 1) -> ReaderState:
        """The state before the first segment."""
        return ReaderState(
            segment=torch.zeros(n_sequence, dtype=torch.long, device=self.device),
            position=torch.zeros(n_sequence, dtype=torch.long, device=self.device),
            blocks=tuple(mixer.initial_state(n_sequence, self.device) for mixer in self.mixers),  # type: ignore[operator]
        )

    def step(
        self, segment: Segment, state: ReaderState, questions: Questions | None = None, *, predict: bool = True
    ) -> tuple[ReaderOutputs, ReaderState]:
        """Read one segment.

        Parameters
        ----------
        segment : Segment
            What is read.
        state : ReaderState
            Before it.
        questions : Questions, optional
            Asked at its end.
        predict : bool
            Whether the loss of the next tokens is computed.

        Returns
        -------
        outputs : ReaderOutputs
            Losses and answers.
        state : ReaderState
            After it.
        """
        self.enter(state.segment)
        hidden, state = self.perceive(segment, state)
        if predict:
            nats, text = text_loss(self.hook_logits(self.logits_of(hidden)), segment)
        else:
            nats, text = torch.zeros_like(segment.token, dtype=hidden.dtype), torch.zeros_like(segment.valid)
        return ReaderOutputs(nats, text, None if questions is None else self.answer(questions, state)), state

    def perceive(
        self, segment: Segment, state: ReaderState
    ) -> tuple[Float[Tensor, "sequence token feature"], ReaderState]:
        """Encoders and layers. Padding changes no state.

        Parameters
        ----------
        segment : Segment
            What is read.
        state : ReaderState
            Before it.

        Returns
        -------
        hidden : float [sequence, token, feature]
            Normalised output of the last layer.
        state : ReaderState
            After it.
        """
        where = segment.valid
        if self.cfg.kind == "attention":
            where = segment_sight(self.cfg.window, state.position, segment.valid)
        hidden, blocks = self._layers(self.encoders(segment), where, state.blocks)
        return self.hook_hidden(hidden), ReaderState(state.segment + 1, state.position + segment.valid.sum(-1), blocks)

    def logits_of(self, hidden: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch vocab"]:
        """Logits of the token that follows."""
        embedding = self.encoders.text
        return (F.linear(hidden, embedding.weight) / embedding.embedding_dim**0.5).float()

    def answer_logits(
        self, questions: Questions, state: ReaderState
    ) -> Float[Tensor, "sequence question answer vocab"]:
        """Teacher-forced logits of the answers.

        Parameters
        ----------
        questions : Questions
            What is asked, with the right answers.
        state : ReaderState
            After the segment that the questions end.

        Returns
        -------
        float [sequence, question, answer, vocab]
            Logits.
        """
        start = torch.full_like(questions.answer[..., :1], BOS)
        return self.logits_of(self._answering(questions, torch.cat((start, questions.answer[..., :-1]), -1), state))

    def answer(self, questions: Questions, state: ReaderState) -> ReaderAnswers:
        """Greedy answers and their loss.

        Parameters
        ----------
        questions : Questions
            What is asked, with the right answers.
        state : ReaderState
            After the segment that the questions end.

        Returns
        -------
        ReaderAnswers
            Tokens, and how right they are.
        """
        loss = answer_loss(self.answer_logits(questions, state), questions.answer)

        def following(token: Tensor) -> Tensor:
            return self.logits_of(self._answering(questions, token, state)[..., -1, :])

        token = greedy(following, questions, self.cfg.max_answer)
        return ReaderAnswers(token, exact(token, questions), loss)

    def _answering(
        self, questions: Questions, given: Int[Tensor, "sequence question answer"], state: ReaderState
    ) -> Float[Tensor, "sequence question answer feature"]:
        """Hidden vectors at ``given``, the beginnings of the answers with their <bos>, each right after its question's tokens."""
        there = questions.token != PAD
        # a question's padding goes to the very end, where nothing comes after it
        order = F.pad(~there, (0, given.shape[-1])).long().argsort(dim=-1, stable=True)
        token = torch.cat((questions.token, given), -1).gather(-1, order)
        hidden = self._continue(token, state).flatten(0, 1)
        at = there.sum(-1, keepdim=True) + torch.arange(given.shape[-1], device=given.device)
        return take(hidden, at.flatten(0, 1)).unflatten(0, given.shape[:2])

    def _continue(
        self, token: Int[Tensor, "sequence question text"], state: ReaderState
    ) -> Float[Tensor, "sequence question text feature"]:
        """Hidden vectors of texts that go on from the stream, none of them seeing another."""
        n_sequence, n_question, length = token.shape
        x = self.encoders.text(token) + self.encoders.modality.weight[Modality.TEXT]
        if self.cfg.kind == "attention":
            where = question_sight(self.cfg.window, state.position, n_question, length)
            hidden, _ = self._layers(x.flatten(1, 2), where, state.blocks)
            return hidden.unflatten(1, (n_question, length))
        blocks = tuple(
            (a.repeat_interleave(n_question, 0), b.repeat_interleave(n_question, 0)) for a, b in state.blocks
        )
        there = torch.ones(n_sequence * n_question, length, dtype=torch.bool, device=token.device)
        hidden, _ = self._layers(x.flatten(0, 1), there, blocks)
        return hidden.unflatten(0, (n_sequence, n_question))

    def _layers(
        self,
        x: Float[Tensor, "batch token feature"],
        where: Tensor | Sight,
        blocks: tuple[tuple[Tensor, Tensor], ...],
    ) -> tuple[Float[Tensor, "batch token feature"], tuple[tuple[Tensor, Tensor], ...]]:
        """All layers. ``where`` tells the mixers what they may use: the valid positions ("ssm") or what each sees ("attention")."""
        after = []
        layers = zip(self.mixers, self.mlp_norms, self.mlps, self.hook_resid_post, blocks, strict=True)
        for mixer, norm, mlp, hook, carried in layers:
            x, carried = mixer(x, where, carried)
            x = hook(x + mlp(norm(x)))
            after.append(carried)
        return self.norm(x), tuple(after)


def count_parameters(cfg: BaselineConfig) -> int:
    """Parameters of a StreamReader of these sizes; none is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in StreamReader(cfg).parameters())


def equal_config(kind: Literal["attention", "ssm"], n_parameter: int, **fixed: Any) -> BaselineConfig:
    """``BaselineConfig.nearest`` to a number of parameters, counted on the model itself.

    Parameters
    ----------
    kind : "attention" or "ssm"
        Of the mixer.
    n_parameter : int
        Wanted number of parameters.
    **fixed
        Other fields of the config, such as ``n_layers``.

    Returns
    -------
    BaselineConfig
        Within 5 %.
    """
    return BaselineConfig.nearest(kind, n_parameter, count_parameters, **fixed)
