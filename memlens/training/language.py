"""How well a model predicts the prose it reads, and what each of its memories adds: bits per byte with that memory taken away.

===============  ===========================================================================================================
without          what the hooks do
===============  ===========================================================================================================
nothing          nothing: the memory as it is
working read     prediction reads zeros from working memory (``lm_head.hook_read``), which never happens in training: a part of the read
                 that does not depend on what the memory holds, like a bias, is lost too
working content  working memory stays at its learned start (``working.hook_slot``): only what it held of the stream is lost
backbone state   every segment starts with a state-space state of zeros (``blocks.{i}.hook_state``); the last positions, which the
                 short convolution sees, are kept
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
    """The hooks that take each memory away; a baseline has no memory to take away."""
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
    model: Steps[Any], streams: Sequence[Encoded], hooks: Hooks, report: Callable[[Result], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Run over streams under hooks, and note how well their text is predicted.

    Parameters
    ----------
    model : MemoryModel or StreamReader
    streams : sequence of EncodedStream
    hooks : list of (point, function)
        Forward hooks; none for a baseline.
    report : callable
        Called with the result of every segment.

    Returns
    -------
    measures : float [row, measure]
        Bits and bytes of the text that was predicted, a row for each segment of a stream. The first position of a segment is not
        predicted, so neither its bits nor its bytes count; segments without text have no row.
    owner : int [row]
        The stream of each row.

    Raises
    ------
    StreamError
        When the streams hold no text.
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
            report(result)
    if not rows:
        raise StreamError(
            "the streams ask no questions and hold no text to predict; give streams with text or questions"
        )
    return np.array(rows, float), np.array(owner)


def score_language(measured: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """Bits per byte with each memory taken away: sum of bits / sum of bytes, and ``lost``, the bits per byte that taking it away costs.

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
