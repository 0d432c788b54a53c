"""Importance of each position: s_i = w . [h_i, summary(M_{t-1})], from the input and the state of the memory."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.hooks import HookPoint


class Importance(nn.Module):
    """A two-layer score. log sigmoid(s) is the log-prior of being read; that is where its gradient comes from."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.from_hidden = nn.Linear(cfg.d_model, 64)
        self.from_memory = nn.Linear(cfg.d_model, 64, bias=False)
        self.score = nn.Linear(64, 1)
        self.hook_summary = HookPoint()
        self.hook_score = HookPoint()

    def forward(
        self, hidden: Float[Tensor, "sequence token feature"], memory: Float[Tensor, "sequence working feature"]
    ) -> Float[Tensor, "sequence token"]:
        """Score every position.

        Parameters
        ----------
        hidden : float [sequence, token, feature]
            H_t.
        memory : float [sequence, working, feature]
            M_{t-1}.

        Returns
        -------
        float [sequence, token]
            s, logits.
        """
        summary = self.hook_summary(F.rms_norm(memory.mean(1), (memory.shape[-1],)))
        mixed = self.from_hidden(hidden) + self.from_memory(summary)[:, None]
        return self.hook_score(self.score(F.gelu(mixed)).squeeze(-1).float())
