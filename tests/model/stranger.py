"""What the tests of the contract share: a HookedRootModule as a stranger writes it, and hooks for any."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

FIRST, LAST = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
TOKENS = torch.arange(2 * 10).view(2, 10) + 5


class PlainBlock(nn.Module):
    """A residual block as a stranger writes it."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.hook_resid_pre = HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        x = self.hook_resid_pre(x)
        return self.hook_resid_post(x + self.linear(x).tanh().cumsum(1))


class Plain(HookedRootModule):
    """A causal language model of TransformerLens's own parts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(1024, 8)
        self.blocks = nn.ModuleList(PlainBlock(8) for _ in range(2))
        self.hook_logits = HookPoint()
        self.setup()

    def forward(self, token: Tensor, return_type: str = "logits") -> Tensor:
        x = self.embed(token)
        for block in self.blocks:
            x = block(x)
        logits = self.hook_logits(x @ self.embed.weight.T)
        if return_type == "logits":
            return logits
        return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), token[:, 1:].flatten())


def nothing(x: Tensor, hook: Any) -> None:
    """Look and leave."""


def zero(x: Tensor, hook: Any) -> Tensor:
    return torch.zeros_like(x)


def noting(seen: list[Any], what: Any = None) -> Callable[..., None]:
    def note(x: Tensor, hook: Any) -> None:
        seen.append(hook.name if what is None else what)

    return note


def attached(model: HookedRootModule) -> int:
    return sum(len(handles) for handles in model.list_hooks().values())
