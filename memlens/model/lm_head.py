"""Next token of the stream, from H_t and a read of the memory before t."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.hooks import HookPoint
from memlens.model.layers import Attention, RMSNorm


class LMHead(nn.Module):
    """Output_t = H_t + read(M_{t-1}); logits by the tied embedding."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.norm_memory = RMSNorm(cfg.d_model)
        self.attention = Attention(cfg.d_model, cfg.n_heads)
        self.norm = RMSNorm(cfg.d_model)
        self.hook_pattern = HookPoint()
        self.hook_read = HookPoint()
        self.hook_logits = HookPoint()

    def forward(
        self,
        hidden: Float[Tensor, "sequence token feature"],
        memory: Float[Tensor, "sequence working feature"],
        embedding: nn.Embedding,
    ) -> Float[Tensor, "sequence token vocab"]:
        """Predict the token after each position.

        Parameters
        ----------
        hidden : float [sequence, token, feature]
            H_t.
        memory : float [sequence, working, feature]
            M_{t-1}.
        embedding : nn.Embedding
            Of text tokens; tied (Press and Wolf 2017).

        Returns
        -------
        float [sequence, token, vocab]
            Logits.
        """
        bias = memory.new_zeros(memory.shape[0], 1, memory.shape[1])
        read = self.hook_read(self.attention(hidden, self.norm_memory(memory), bias, self.hook_pattern))
        logits = F.linear(self.norm(hidden + read), embedding.weight) / embedding.embedding_dim**0.5
        return self.hook_logits(logits.float())
