"""How well a model predicts the prose it reads, and what each of its memories adds: bits per byte with that memory taken away.

===============  ===========================================================================================================
without          what the hooks do
===============  ===========================================================================================================
nothing          nothing: the memory as it is
working read     prediction reads zeros from working memory (``lm_head.hook_read``), which it never met in training: what a model
                 takes from there whatever it holds, as it would from a bias, is lost too
working content  working memory stays at its learned start (``working.hook_slot``): what it held of the stream is lost, no more
backbone state   every segment starts with a state-space state of zeros (``blocks.{i}.hook_state``); the last positions, which the
                 short convolution sees, stay
recall           no entry of the store comes back into working memory: RETRIEVE becomes STORE for residents (``controller.hook_q``)
===============  ===========================================================================================================

Axes: row (one segment of one stream), measure (bits, bytes).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlens.dims import Action
from memlens.errors import StreamError
from memlens.model.baseline import StreamReader
from memlens.model.layers import NEVER
from memlens.model.model import MemoryModel
from memlens.model.run import Encoded, Result, Steps, run
from memlens.stats.bootstrap import nested_means
from memlens.streams.tokenizer import token_bytes
from memlens.training.scores import interval

Hooks = list[tuple[str | Callable[..., Any], Callable[..., Any]]]
#: The memory as it is.
NOTHING: dict[str, Hooks] = {"nothing": []}


def without(model: MemoryModel | StreamReader) -> dict[str, Hooks]:
    """The hooks that take each memory away; a baseline has no memory to take."""
    if isinstance(model, StreamReader):
        return NOTHING

    def zero(tensor: Tensor, hook: Any) -> Tensor:
        return torch.zeros_like(tensor)

    def start(tensor: Tensor, hook: Any) -> Tensor:
        return model.working.initial_state(len(tensor))

    def never_recall(q: Tensor, hook: Any) -> Tensor:
        resident = torch.arange(q.shape[1], device=q.device) >= model.cfg.n_slots
        kept = q.clone()
        kept[..., Action.STORE] = torch.where(
            resident, torch.maximum(q[..., Action.STORE], q[..., Action.RETRIEVE]), q[..., Action.STORE]
        )
        kept[..., Action.RETRIEVE] = q[..., Action.RETRIEVE].masked_fill(resident, NEVER)
        return kept

    return {
        **NOTHING,
        "working read": [("lm_head.hook_read", zero)],
        "working content": [("working.hook_slot", start)],
        "backbone state": [(f"blocks.{i}.hook_state", zero) for i in range(model.cfg.n_layers)],
        "recall": [("controller.hook_q", never_recall)],
    }


def predict_streams(
    model: Steps[Any], streams: Sequence[Encoded], hooks: Hooks, told: Callable[[Result], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Run over the streams under ``hooks``: bits and bytes of the text that was predicted, [row, 2], and the stream of each row.

    The first position of a segment is not predicted, so neither its bits nor its bytes count; segments without text have no row.
    """
    n_bytes = token_bytes(model.tokenizer)
    rows, owner = [], []
    with model.hooks(fwd_hooks=hooks) if isinstance(model, MemoryModel) else nullcontext():
        for result in run(model, streams):
            text = result.outputs.text.cpu().numpy()
            nats = (result.outputs.nats.double().cpu().numpy() * text).sum(1)
            token = np.stack([row["token"] for row in result.rows])
            spelled = (n_bytes[np.where(text, token, 0)] * text).sum(1)
            for b in np.flatnonzero(spelled):
                rows.append((nats[b] / np.log(2), spelled[b]))
                owner.append(b)
            told(result)
    if not rows:
        raise StreamError("the streams ask nothing and hold no text to predict; give some that do")
    return np.array(rows, float), np.array(owner)


def score_language(measured: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """A row a memory taken away: bits per byte = sum of bits / sum of bytes, and ``lost``, the bits per byte that taking it costs.

    Intervals (95 %) are bootstraps over streams, then segments; those of ``lost`` are paired: the same segments in both.
    """
    whole, owner = measured["nothing"]
    table = []
    for name, (values, _) in measured.items():
        both = np.column_stack((values, whole[:, 0]))
        draws = nested_means(both, owner)
        bits, spelled, before = both.sum(0).tolist()
        low, high = interval(draws[:, 0] / draws[:, 1])
        lost_low, lost_high = interval((draws[:, 0] - draws[:, 2]) / draws[:, 1])
        table.append({
            "without": name, "n_segment": len(values), "n_byte": int(spelled),
            "bits_per_byte": round(bits / spelled, 6), "low": low, "high": high,
            "lost": round((bits - before) / spelled, 6), "lost_low": lost_low, "lost_high": lost_high,
        })  # fmt: skip
    return table
