"""Memory models whose weights are set by construction, so that the cause of all they do is known. Nothing is trained.

Each is a real `MemoryModel` of the layout of `memlens.testing.hand_set_weights`.

An item is "key value flag". The backbone adds nothing, importance fires on the flag alone, and a slot looks one position back for a value
and two for a key. A question is a key; retrieval matches it with the key features, the decoder says the value that was read and ends.
The controller's Q is a linear function of its features. What the models differ in is stated in each function.

Needs torch; `memlens.testing` alone does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from memlens.dims import Action
from memlens.model import MemoryModel
from memlens.streams import EncodedStream, Stream, default_tokenizer
from memlens.streams.symbols import noise_symbols
from memlens.testing.hand_set_weights import (
    FLAG,
    FLAG_WORD,
    IMPORTANCE,
    KEY,
    KEYS,
    N_ITEM,
    SEGMENT,
    SURE,
    TRACE,
    VALUE,
    VALUES,
    blank_model,
    copy_features,
    set_gates,
    set_linear_q,
)


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

    Parameters
    ----------
    n_segment : int
        Segments of the stream.
    keep : sequence of float
        Gate of each working slot: the share of its content that stays when it is written.
    seed : int
        Of the stream.

    Returns
    -------
    HandBuilt
        Truth: ``counted`` segments with a flag, ``count`` after each segment, ``value[segment][working]``, ``feature``.
    """
    model = blank_model("counter", working_slots=len(keep), working_writes=len(keep), event_threshold=-1.0)
    with torch.no_grad():
        model.context.own.weight[FLAG, FLAG] = 1.0
        model.working.value.weight[FLAG, FLAG] = model.cfg.d_model**-0.5
        set_gates(model, keep)
    set_linear_q(model, {Action.STORE: ({}, -1.0), Action.COMPRESS: ({}, -2.0), Action.RETRIEVE: ({}, -2.0)})
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

    Parameters
    ----------
    n_segment : int
        Segments of the stream.
    seed : int
        Of the stream.

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

    Parameters
    ----------
    n_segment : int
        Segments of the stream.
    life : int
        Segments that an entry is held.
    keep : sequence of float
        Gate of each working slot: the share of its content that stays when it is written.
    seed : int
        Of the stream.

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

    Parameters
    ----------
    n_segment : int
        Segments of the stream.
    seed : int
        Of the stream.

    Returns
    -------
    HandBuilt
        Truth: ``stored``, as in `flagged_store`.
    """
    keep = (1e-6,) * 4
    model = blank_model("last_item", working_slots=len(keep), working_writes=len(keep), event_threshold=-1.0)
    for part in (KEY, VALUE):
        copy_features(model.working.value.weight, part, part)
    set_gates(model, keep)
    set_linear_q(model, {Action.STORE: ({}, -1.0), Action.COMPRESS: ({}, -2.0), Action.RETRIEVE: ({}, -2.0)})
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
    model = blank_model(name, working_slots=len(keep), working_writes=len(keep))
    set_gates(model, keep)
    # importance is log sigmoid(s) / 4 and age log(1 + age) / 4, as the controller sees them
    weights = {"importance": 4.0, "log_age": -4.0} if forgets else {"importance": 1.0}
    bias = math.log(life + 0.5) if forgets else 1.0
    set_linear_q(model, {Action.STORE: (weights, bias), Action.COMPRESS: ({}, -20.0), Action.RETRIEVE: ({}, -20.0)})
    if forgets:
        with torch.no_grad():
            # what comes in has RMS 1 over a key and a value; a trace of one is 1
            copy_features(model.working.value.weight, TRACE, VALUE, (model.cfg.d_model / 2) ** -0.5)
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
