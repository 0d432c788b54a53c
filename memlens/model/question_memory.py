"""Question memory M_q: the question, processed apart, then filled by rounds of reading what it retrieved."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.hooks import HookPoint
from memlens.model.layers import MLP, NEVER, Attention, RMSNorm, mask_bias


class ReadingBlock(nn.Module):
    """Self-attention, attention over what was read, MLP; pre-norm, residual. Serves question and decoder."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        d = cfg.d_model
        self.norm_self, self.norm_cross, self.norm_mlp = RMSNorm(d), RMSNorm(d), RMSNorm(d)
        self.self_attention = Attention(d, cfg.n_heads)
        self.cross_attention = Attention(d, cfg.n_heads)
        self.mlp = MLP(d, cfg.mlp_ratio * d, d)
        self.hook_pattern = HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(
        self,
        x: Float[Tensor, "batch query feature"],
        self_bias: Float[Tensor, "batch #query query"],
        source: Float[Tensor, "batch source feature"],
        source_bias: Float[Tensor, "batch source"],
        n_question: int,
    ) -> Float[Tensor, "batch query feature"]:
        """One round. ``batch`` is sequence times question; hooks see the two apart.

        Parameters
        ----------
        x : float [batch, query, feature]
            Tokens of the question or the answer.
        self_bias : float [batch, query or 1, query]
            Of the self-attention: a mask.
        source : float [batch, source, feature]
            What can be read.
        source_bias : float [batch, source]
            Log-weight of each, or a mask.
        n_question : int
            Questions of a sequence.

        Returns
        -------
        float [batch, query, feature]
            After the round.
        """

        def apart(hook: HookPoint, y: Tensor) -> Tensor:
            return hook(y.unflatten(0, (-1, n_question))).flatten(0, 1)

        normed = self.norm_self(x)
        x = x + self.self_attention(normed, normed, self_bias)
        crossed = self.cross_attention(
            self.norm_cross(x), source, source_bias[:, None], lambda p: apart(self.hook_pattern, p)
        )
        x = x + crossed
        return apart(self.hook_resid_post, x + self.mlp(self.norm_mlp(x)))


class QuestionMemory(nn.Module):
    """Question tokens -> a retrieval query, and M_q."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        d, inner = cfg.d_model, cfg.slot_heads * cfg.slot_head_dim
        self.place = nn.Parameter(0.1 * torch.randn(cfg.max_question, d))
        self.norm_self, self.norm_pool = RMSNorm(d), RMSNorm(d)
        self.attention = Attention(d, cfg.n_heads)
        self.pool = nn.Linear(d, cfg.slot_heads, bias=False)
        self.value = nn.Linear(d, inner, bias=False)
        self.out = nn.Linear(inner, d, bias=False)
        self.blocks = nn.ModuleList(ReadingBlock(cfg) for _ in range(cfg.question_layers))
        self.norm_read = RMSNorm(d)
        self.norm = RMSNorm(d)
        self.hook_embed = HookPoint()
        self.hook_slot = HookPoint()

    def encode(
        self, embedded: Float[Tensor, "sequence question query feature"], there: Bool[Tensor, "sequence question query"]
    ) -> tuple[Float[Tensor, "sequence question query feature"], Float[Tensor, "sequence question feature"]]:
        """Encode the questions, and make the query that each retrieves with (attention pooling, one softmax a head).

        Parameters
        ----------
        embedded : float [sequence, question, query, feature]
            Embedded tokens.
        there : bool [sequence, question, query]
            False for padding.

        Returns
        -------
        x : float [sequence, question, query, feature]
            The encoded tokens.
        query : float [sequence, question, feature]
            What retrieval looks for.
        """
        x = (embedded + self.place[: embedded.shape[2]]).flatten(0, 1)
        normed = self.norm_self(x)
        x = x + self.attention(normed, normed, mask_bias(there.flatten(0, 1))[:, None])
        x = self.hook_embed(x.unflatten(0, embedded.shape[:2]))
        normed = self.norm_pool(x)
        weight = self.pool(normed).float().masked_fill(~there[..., None], NEVER).softmax(2)
        heads = self.value(normed).unflatten(-1, (self.cfg.slot_heads, -1))
        return x, self.out(torch.einsum("bqth,bqthe->bqhe", weight.to(heads.dtype), heads).flatten(-2))

    def forward(
        self,
        x: Float[Tensor, "sequence question query feature"],
        there: Bool[Tensor, "sequence question query"],
        read: Float[Tensor, "sequence question source feature"],
        bias: Float[Tensor, "sequence question source"],
    ) -> Float[Tensor, "sequence question query feature"]:
        """M_q: rounds of self-attention and reads.

        Parameters
        ----------
        x : float [sequence, question, query, feature]
            The encoded tokens.
        there : bool [sequence, question, query]
            False for padding.
        read : float [sequence, question, source, feature]
            What was retrieved.
        bias : float [sequence, question, source]
            Its log-weight.

        Returns
        -------
        float [sequence, question, query, feature]
            M_q.
        """
        n_question = x.shape[1]
        own = mask_bias(there.flatten(0, 1))[:, None]
        source = self.norm_read(read).flatten(0, 1)
        y = x.flatten(0, 1)
        for block in self.blocks:
            y = block(y, own, source, bias.flatten(0, 1), n_question)
        return self.hook_slot(self.norm(y).unflatten(0, (-1, n_question)))


class Decoder(nn.Module):
    """Autoregressive answer from [M_q, what was read]; token embedding shared with the stream."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.place = nn.Parameter(0.1 * torch.randn(cfg.max_answer + 1, cfg.d_model))
        self.norm_read = RMSNorm(cfg.d_model)
        # each vector that was read is shown in several views: attention then chooses what of it, not only which
        self.views = nn.Linear(cfg.d_model, cfg.read_views * cfg.d_model, bias=False)
        self.view = nn.Parameter(torch.randn(cfg.read_views, cfg.d_model))
        self.blocks = nn.ModuleList(ReadingBlock(cfg) for _ in range(cfg.decoder_layers))
        self.norm = RMSNorm(cfg.d_model)
        self.hook_logits = HookPoint()

    def forward(
        self,
        token: Int[Tensor, "sequence question answer"],
        embedding: nn.Embedding,
        question: Float[Tensor, "sequence question query feature"],
        there: Bool[Tensor, "sequence question query"],
        read: Float[Tensor, "sequence question source feature"],
        bias: Float[Tensor, "sequence question source"],
    ) -> Float[Tensor, "sequence question answer vocab"]:
        """Predict the token after each token of an answer.

        Parameters
        ----------
        token : int [sequence, question, answer]
            Begins with <bos>.
        embedding : nn.Embedding
            Of text tokens; shared with the stream.
        question : float [sequence, question, query, feature]
            M_q.
        there : bool [sequence, question, query]
            Where M_q has a token.
        read : float [sequence, question, source, feature]
            What was retrieved.
        bias : float [sequence, question, source]
            Its log-weight.

        Returns
        -------
        float [sequence, question, answer, vocab]
            Logits.
        """
        n_question, length = token.shape[1], token.shape[2]
        x = (embedding(token) + self.place[:length]).flatten(0, 1)
        causal = mask_bias(torch.ones(length, length, dtype=torch.bool, device=x.device).tril())
        n_view = self.view.shape[0]
        views = (self.views(self.norm_read(read)).unflatten(-1, (n_view, -1)) + self.view).flatten(2, 3)
        source = torch.cat((question, views), 2).flatten(0, 1)
        source_bias = torch.cat((mask_bias(there), bias.repeat_interleave(n_view, 2)), 2).flatten(0, 1)
        for block in self.blocks:
            x = block(x, causal.expand(x.shape[0], -1, -1), source, source_bias, n_question)
        logits = F.linear(self.norm(x), embedding.weight).float() / embedding.embedding_dim**0.5
        return self.hook_logits(logits.unflatten(0, (-1, n_question)))
