"""Memory models whose weights are set by construction, so that the cause of all they do is known. Nothing is trained.

Each is a real `MemoryModel` of one layout. A position is one symbol; its features say what it is:

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

An item is "key value flag". The backbone adds nothing, importance fires on the flag alone, and a slot looks one position back for a value
and two for a key. A question is a key; retrieval matches it with the key features, the decoder says the value that was read and ends.
The controller's Q is a linear function of its features. What the models differ in is stated in each function.

Needs torch; `memlens.testing` alone does not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlens.config import ModelConfig
from memlens.dims import EOS, Action
from memlens.model import MemoryModel
from memlens.streams import EncodedStream, Stream, default_tokenizer
from memlens.streams.symbols import noise_symbols, symbols

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


@dataclass(frozen=True)
class HandBuilt:
    """A model, a stream for it, and what it must do on that stream, as JSON values."""

    model: MemoryModel
    stream: EncodedStream
    truth: dict[str, Any]


def counter(*, n_segment: int = 16, keep: Sequence[float] = (0.5, 0.8, 0.9, 0.95), seed: int = 0) -> HandBuilt:
    """A working memory whose slots count the segments that hold a flag.

    Slot w is written in these segments only, with gate ``keep[w]``: after n of them it is ``1 - keep[w]**n`` in feature FLAG, and exactly
    the same until the next. So ``n = log(1 - M) / log(keep[w])``. The controller drops every candidate: the store stays empty.

    Returns
    -------
    HandBuilt
        Truth: ``counted`` segments with a flag, ``count`` after each segment, ``value[segment][working]``, ``feature``.
    """
    model = _blank("counter", working_slots=len(keep), working_writes=len(keep), event_threshold=-1.0)
    with torch.no_grad():
        model.context.own.weight[FLAG, FLAG] = 1.0
        model.working.value.weight[FLAG, FLAG] = model.cfg.d_model**-0.5
        _gates(model, keep)
    _linear_q(model, {Action.STORE: ({}, -1.0), Action.COMPRESS: ({}, -2.0), Action.RETRIEVE: ({}, -2.0)})
    random = np.random.default_rng(seed)
    counted = random.random(n_segment) < 0.5
    stream = Stream("counter", seed)
    for ticks in counted:
        _say(stream, random, [(FLAG_WORD,)] * int(ticks))
    count = np.cumsum(counted)
    return HandBuilt(model, stream.encode(default_tokenizer()), {
        "counted": np.flatnonzero(counted).tolist(), "count": count.tolist(), "keep": list(keep), "feature": FLAG,
        "value": (1 - np.asarray(keep) ** count[:, None]).tolist(),
    })  # fmt: skip


def flagged_store(*, n_segment: int = 16, seed: int = 0) -> HandBuilt:
    """A store that keeps the flagged items, all of them and for good, and no others.

    Q(STORE) = 1 + importance, where importance is 0 at a flag and -2 elsewhere; Q(DISCARD) = 0. Every second segment states a flagged
    item, the others state one without its flag. The last segment asks for all of them: flagged ones are answered right, each from its own
    entry; of the others nothing is held, and the answer is wrong.

    Returns
    -------
    HandBuilt
        Truth: ``stored``, rows of ``segment``, ``position`` (of the flag), ``key``, ``value``; ``not_stored`` alike; ``q_store``,
        of an item with and without flag.
    """
    return _store("flagged_store", math.inf, n_segment, seed, flags=lambda i: i % 2 == 0)


def forgetting(
    *, n_segment: int = 24, life: int = 5, keep: Sequence[float] = (0.5, 0.8, 0.9, 0.95), seed: int = 0
) -> HandBuilt:
    """A memory that forgets at known rates: entries after ``life`` segments, traces by a factor of ``keep`` a segment.

    Store: Q(STORE) = log(life + 1/2) - log(1 + age) for what is flagged, Q(DISCARD) = 0: an entry stored in segment t is dropped in
    segment t + life, after the questions of that segment are answered. Working slot w: every segment is written with gate
    ``keep[w]``, and only an item has a value, so that its trace is ``(1 - keep[w]) keep[w]**n`` n segments later.

    Returns
    -------
    HandBuilt
        Truth: ``life``, ``keep``, ``half_life`` in segments, ``stored`` (as in `flagged_store`, with ``died``), ``correct`` of each
        question in turn, ``age`` of what it asks for in segments, ``features`` that hold the traces, from and to.
    """
    return _store("forgetting", life, n_segment, seed, flags=lambda i: True, keep=keep)


def last_item(*, n_segment: int = 24, seed: int = 0) -> HandBuilt:
    """A working memory of four slots, all of which hold the last flagged item, and a store that stays empty.

    Every third segment states an item, which all slots take in whole; each segment asks for the last. So the answer goes through the
    working memory alone, and through no slot of it alone.

    Returns
    -------
    HandBuilt
        Truth: ``stored``, as in `flagged_store`.
    """
    keep = (1e-6,) * 4
    model = _blank("last_item", working_slots=len(keep), working_writes=len(keep), event_threshold=-1.0)
    for part in (KEY, VALUE):
        _identity(model.working.value.weight, part, part)
    _gates(model, keep)
    _linear_q(model, {Action.STORE: ({}, -1.0), Action.COMPRESS: ({}, -2.0), Action.RETRIEVE: ({}, -2.0)})
    random = np.random.default_rng(seed)
    stream, stated = Stream("last_item", seed), []
    key, value = random.permutation(N_ITEM), random.permutation(N_ITEM)
    for t in range(n_segment):
        if t % 3 == 0:
            one = {"segment": t, "key": KEYS[key[t // 3 % N_ITEM]], "value": VALUES[value[t // 3 % N_ITEM]], "fact": t}
            one["position"] = t * SEGMENT + _say(stream, random, [(one["key"], one["value"], FLAG_WORD)], fact=t)
            stated.append(one)
        else:
            _say(stream, random, [])
            stream.question(stated[-1]["key"], stated[-1]["value"], fact=stated[-1]["fact"])
    return HandBuilt(model, stream.encode(default_tokenizer()), {"stored": stated})


def _store(
    name: str, life: float, n_segment: int, seed: int, *, flags: Any, keep: Sequence[float] = (0.5,) * 4
) -> HandBuilt:
    """A model that stores items, the stream, and its truth."""
    forgets = math.isfinite(life)
    model = _blank(name, working_slots=len(keep), working_writes=len(keep))
    _gates(model, keep)
    # importance is log sigmoid(s) / 4 and age log(1 + age) / 4, as the controller sees them
    weights = {"importance": 4.0, "log_age": -4.0} if forgets else {"importance": 1.0}
    bias = math.log(life + 0.5) if forgets else 1.0
    _linear_q(model, {Action.STORE: (weights, bias), Action.COMPRESS: ({}, -20.0), Action.RETRIEVE: ({}, -20.0)})
    if forgets:
        with torch.no_grad():
            # what comes in has RMS 1 over a key and a value; a trace of one is 1
            _identity(model.working.value.weight, TRACE, VALUE, (model.cfg.d_model / 2) ** -0.5)
    random = np.random.default_rng(seed)
    stream = Stream(name, seed)
    key, value = random.permutation(N_ITEM), random.permutation(N_ITEM)
    stated: list[dict[str, Any]] = []
    asked: list[tuple[int, int]] = []
    for t in range(n_segment):
        at_end = t == n_segment - 1
        one = {
            "segment": t,
            "key": KEYS[key[t % N_ITEM]],
            "value": VALUES[value[t % N_ITEM]],
            "flag": bool(flags(t)),
            "fact": t,
        }
        if (t % 3 == 0 or not forgets) and not at_end and len(stated) < N_ITEM:
            words = (one["key"], one["value"], *([FLAG_WORD] if one["flag"] else []))
            one["position"] = t * SEGMENT + _say(stream, random, [words], fact=t)
            stated.append(one)
        else:
            _say(stream, random, [])
        for row in stated:
            if row["segment"] < t and (forgets or at_end):
                stream.question(row["key"], row["value"], fact=row["fact"])
                asked.append((row["segment"], t))
    stored = [row for row in stated if row["flag"]]
    truth: dict[str, Any] = {
        "stored": [row | {"died": _died(row["segment"], life, n_segment)} for row in stored],
        "not_stored": [row for row in stated if not row["flag"]],
        "correct": [bool(flags(s) and t - s <= life) for s, t in asked],
        "age": [t - s for s, t in asked],
        "sure": SURE,
    }
    if forgets:
        half = [math.log(0.5) / math.log(g) for g in keep]
        truth |= {"life": life, "keep": list(keep), "half_life": half, "features": [TRACE.start, TRACE.stop]}
    else:
        truth |= {"q_store": {"flag": 1.0, "no flag": 1 - IMPORTANCE / 4}}
    return HandBuilt(model, stream.encode(default_tokenizer()), truth)


def _died(segment: int, life: float, n_segment: int) -> int:
    end = segment + life
    return int(end) if end < n_segment else -1


def _say(stream: Stream, random: np.random.Generator, items: list[tuple[str, ...]], fact: int | None = None) -> int:
    """One segment of noise with an item in it, and the place of the item's last word."""
    words = [str(word) for word in random.choice(noise_symbols(), SEGMENT)]
    if not items:
        stream.text("".join(f" {word}" for word in words))
        return -1
    [item] = items
    place = int(random.integers(4, SEGMENT - 4))
    before, after = words[:place], words[place + len(item) :]
    stream.text("".join(f" {word}" for word in before))
    stream.text("".join(f" {word}" for word in item), fact=fact)
    stream.text("".join(f" {word}" for word in after))
    return place + len(item) - 1


# weights


def _blank(name: str, **sizes: Any) -> MemoryModel:
    """Weights that read, keep and answer items; working memory and controller are still to be set."""
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
            _identity(model.context.value.weight, part, part)
            _identity(model.context.out.weight, part, part)
        # a question is its key, an entry is found by its key, what is said is its value
        for linear in (model.question.value, model.question.out, model.retrieval.key):
            _identity(linear.weight, KEY, KEY)
        model.retrieval.age_rate.fill_(-30.0)
        model.question.norm.gain.zero_()
        every = slice(0, cfg.d_model)
        _identity(model.decoder.views.weight, every, every)
        reading = model.decoder.blocks[0].get_submodule("cross_attention")
        _identity(reading.get_parameter("value.weight"), VALUE, VALUE)
        _identity(reading.get_parameter("out.weight"), VALUE, VALUE)
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


def _identity(weight: Tensor, to: slice, of: slice, scale: float = 1.0) -> None:
    """The block of a matrix that copies features ``of`` to features ``to``."""
    with torch.no_grad():
        weight[to, of] = scale * torch.eye(of.stop - of.start)


def _gates(model: MemoryModel, keep: Sequence[float]) -> None:
    with torch.no_grad():
        model.working.keep_bias.copy_(torch.logit(torch.tensor(keep)))


def _linear_q(model: MemoryModel, values: Mapping[Action, tuple[Mapping[str, float], float]]) -> None:
    """Q of each action = weights over the controller's features + a constant; 0 for actions not named."""
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
