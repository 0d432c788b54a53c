"""One encoder per modality, one shared width: x_i = E_modality(payload_i)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import PAYLOAD, Modality
from memlens.model.hooks import HookPoint
from memlens.model.layers import MLP
from memlens.model.segment import Segment


class Encoders(nn.Module):
    """Text by embedding (shared with questions and answers); patches, frames and k-mers by a small MLP each."""

    def __init__(self, cfg: ModelConfig | BaselineConfig):
        super().__init__()
        self.text = nn.Embedding(cfg.vocab_size, cfg.d_model)
        nn.init.normal_(self.text.weight, std=1.0)
        self.others = nn.ModuleDict({m.name.lower(): MLP(n, 128, cfg.d_model) for m, n in PAYLOAD.items()})
        self.modality = nn.Embedding(len(Modality), cfg.d_model)
        nn.init.normal_(self.modality.weight, std=0.1)
        self.hook_embed = HookPoint()

    def forward(self, segment: Segment) -> Float[Tensor, "sequence token feature"]:
        """Encode every position with the encoder of its modality."""
        is_text = segment.modality == int(Modality.TEXT)
        x = self.text(torch.where(is_text, segment.token, 0)) * is_text[..., None]
        for modality, width in PAYLOAD.items():
            here = (segment.modality == int(modality)) & segment.valid
            if bool(here.any()):
                encoded = self.others[modality.name.lower()](segment.payload[here][:, :width])
                x = x.index_put((here,), encoded.to(x.dtype))
        return self.hook_embed(x + self.modality(segment.modality))
