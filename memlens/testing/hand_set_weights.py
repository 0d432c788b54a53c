"""Weights of hand-built memory models: the layout of their features, and the parts that the models have in common.

A position is one symbol; its features say what it is:

==============  ===========================================================================
features        hold
==============  ===========================================================================
0 .. 15         which key it is, one of 16
16 .. 31        which value, one of 16
32              that it is the flag
33              the end of an answer
34              that it is anything else
35 .. 50        trace of a value in the working memory, which nothing reads
==============  ===========================================================================
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from memlens.config import ModelConfig
from memlens.dims import EOS, Action
from memlens.model import MemoryModel
from memlens.streams import default_tokenizer
from memlens.streams.symbols import symbols

N_ITEM = 16
KEY, VALUE, TRACE = slice(0, N_ITEM), slice(N_ITEM, 2 * N_ITEM), slice(2 * N_ITEM + 3, 3 * N_ITEM + 3)
FLAG, END, OTHER = 2 * N_ITEM, 2 * N_ITEM + 1, 2 * N_ITEM + 2
#: Importance of the flag, and minus that of all else, in logits.
IMPORTANCE = 8.0
#: Length of an embedded token: how sure the decoder is, in logits.
SURE = 20.0
SEGMENT = 32

_NAMES = symbols(2 * N_ITEM + 1)
KEYS, VALUES, FLAG_WORD = _NAMES[:N_ITEM], _NAMES[N_ITEM : 2 * N_ITEM], _NAMES[2 * N_ITEM]


def blank_model(name: str, **sizes: Any) -> MemoryModel:
    """A model that reads, keeps and answers items; the weights of working memory and controller are still to be set.

    Parameters
    ----------
    name : str
        Of the model.
    **sizes
        Further fields of its ModelConfig.

    Returns
    -------
    MemoryModel
        In evaluation mode.
    """
    cfg = ModelConfig(
        d_model=64, segment_length=SEGMENT, n_layers=1, ssd_heads=1, ssd_head_dim=8, ssd_state=4, chunk=16, n_slots=8, slot_window=4,
        slot_heads=2, slot_head_dim=N_ITEM, pick_width=3, capacities=(16, 4, 2), retrieve=4, n_heads=1, decoder_layers=1, read_views=1,
        control_width=16, **sizes,
    )  # fmt: skip
    model = MemoryModel(cfg, default_tokenizer(), name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for module in model.modules():
            if type(module).__name__ == "RMSNorm":
                module.get_parameter("gain").fill_(1.0)
        _embed(model)
        # only the flag makes importance: RMS-normed, its feature is sqrt(d_model)
        model.importance.from_hidden.weight[0, FLAG] = 1.0
        model.importance.score.weight[0, 0] = 2 * IMPORTANCE / math.sqrt(cfg.d_model)
        model.importance.score.bias.fill_(-IMPORTANCE)
        # head 0 takes the key from two positions back, head 1 the value from one
        model.context.offset[0, 2] = model.context.offset[1, 1] = 50.0
        for part in (KEY, VALUE):
            copy_features(model.context.value.weight, part, part)
            copy_features(model.context.out.weight, part, part)
        # a question is its key, an entry is found by its key, what is said is its value
        for linear in (model.question.value, model.question.out, model.retrieval.key):
            copy_features(linear.weight, KEY, KEY)
        model.retrieval.age_rate.fill_(-30.0)
        model.question.norm.gain.zero_()
        every = slice(0, cfg.d_model)
        copy_features(model.decoder.views.weight, every, every)
        reading = model.decoder.blocks[0].get_submodule("cross_attention")
        copy_features(reading.get_parameter("value.weight"), VALUE, VALUE)
        copy_features(reading.get_parameter("out.weight"), VALUE, VALUE)
        model.decoder.place[1:, END] = 100 * SURE
    return model.eval()


def _embed(model: MemoryModel) -> None:
    table = model.encoders.text.weight
    tokenizer = default_tokenizer()
    table[3:, OTHER] = SURE
    for word, feature in zip((*KEYS, *VALUES, FLAG_WORD), range(FLAG + 1), strict=True):
        [token] = tokenizer.encode(f" {word}").ids
        table[token] = 0
        table[token, feature] = SURE
    table[EOS, END] = SURE


def copy_features(weight: Tensor, to: slice, of: slice, scale: float = 1.0) -> None:
    """Set the block of a matrix that copies features.

    Parameters
    ----------
    weight : float [feature, feature]
        Changed in place.
    to, of : slice
        Features that are written, and features that they are copied from.
    scale : float
        Factor.
    """
    with torch.no_grad():
        weight[to, of] = scale * torch.eye(of.stop - of.start)


def set_gates(model: MemoryModel, keep: Sequence[float]) -> None:
    """Set the gate of each working slot.

    Parameters
    ----------
    model : MemoryModel
        Changed in place.
    keep : sequence of float
        The share of a slot's content that stays when it is written.
    """
    with torch.no_grad():
        model.working.keep_bias.copy_(torch.logit(torch.tensor(keep)))


def set_linear_q(model: MemoryModel, values: Mapping[Action, tuple[Mapping[str, float], float]]) -> None:
    """Set Q of each action to a weighted sum of the controller's features plus a constant.

    Parameters
    ----------
    model : MemoryModel
        Changed in place.
    values : mapping
        From an action to its weights by feature and its constant; Q of other actions is 0.
    """
    q, names = model.controller.q_network, model.control_names
    shift = 10.0  # where GELU and ReLU are the identity
    with torch.no_grad():
        for i in range(len(names)):
            q.trunk.up.weight[i, i] = q.trunk.down.weight[i, i] = 1.0
            q.trunk.up.bias[i] = shift
        for action, (weights, bias) in values.items():
            for name, weight in weights.items():
                q.advantage.weight[action, names.index(name)] = weight
            q.advantage.bias[action] = bias - shift * sum(weights.values())
        # Q = V + A - mean A: with V the mean of A, Q is A
        q.value.weight.copy_(q.advantage.weight.mean(0, keepdim=True))
        q.value.bias.copy_(q.advantage.bias.mean()[None])
