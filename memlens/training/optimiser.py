"""What updates the weights: Muon for the matrices of linear layers, AdamW for all others."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from memlens.config import TrainConfig

#: A matrix with a narrower side maps to or from a few numbers: there Muon has no rotation of features to preserve.
_LEAST_SIDE = 16


class Optimiser:
    """Muon (Jordan et al. 2024; rates matched to AdamW's as in Liu et al. 2025) and AdamW (Loshchilov and Hutter 2019) side by side.

    Muon makes all singular values of an update alike, so that rare directions are learned as fast as common ones. ``config.matrix_rate``
    is its rate, ``config.learning_rate`` that of AdamW: embeddings, gains, biases, convolutions, narrow matrices.
    """

    def __init__(self, model: nn.Module, trained: Sequence[nn.Parameter], config: TrainConfig):
        wide = {
            id(part.weight)
            for part in model.modules()
            if isinstance(part, nn.Linear) and min(part.weight.shape) >= _LEAST_SIDE
        }
        matrices = [p for p in trained if id(p) in wide]
        others = [p for p in trained if id(p) not in wide]
        decay = config.weight_decay
        groups = [
            {"params": [p for p in others if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in others if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.AdamW(groups, betas=(0.9, 0.95)), config.learning_rate)
        ]
        if matrices:
            muon = torch.optim.Muon(matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            self.parts.append((muon, config.matrix_rate))

    def step(self, share: float) -> None:
        """Update once, at ``share`` of the highest rates."""
        for part, rate in self.parts:
            for group in part.param_groups:
                group["lr"] = share * rate
            part.step()

    def flat(self) -> dict[str, Tensor]:
        """Its state, by name."""
        return {
            f"{i}.{number}.{key}": value
            for i, (part, _) in enumerate(self.parts)
            for number, state in part.state_dict()["state"].items()
            for key, value in state.items()
        }

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what ``flat`` returned."""
        for i, (part, _) in enumerate(self.parts):
            whole = part.state_dict()
            for name, tensor in tensors.items():
                which, number, key = name.split(".", 2)
                if int(which) == i:
                    whole["state"].setdefault(int(number), {})[key] = tensor
            part.load_state_dict(whole)
