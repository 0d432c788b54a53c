"""Rate and distortion of the compressor: what its levels keep of slots, and whether facts can still be recalled from them.

    python -m analyses.rate_distortion [--quick] [--model trained_models/nano] [--seeds 0 1 2 3 4] [-o DIR]

Fidelity
    Slots of built-in test streams, RMS-normed, in groups of g = 2^level; one vector of d numbers stands for a group: a rate of d / g
    numbers a slot. Groups are drawn at random, as training draws them, or of slots that are alike, as the store pairs them
    (store/pair.py), within its level-0 capacity. Codes: the compressor; the mean of the group; the d leading principal components
    of the g slots side by side, fitted to slots of training streams; and the same fitted to the very slots that are coded, which bounds
    every linear code of this rate (Eckart and Young 1936). ``explained`` is 1 - squared error / variance, ``cosine`` the mean over slots.
Recall
    Text facts in prose, in a store with room for all; hooks force every entry up to a level (levels.py). Also as the
    model's own policy decides.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.common.claim import Claim
from analyses.common.provenance import digest, fingerprint, sources
from analyses.common.results import ROOT
from analyses.common.runner import Run
from analyses.rate_distortion.verdict import DRAWINGS, GROUPINGS, KEPT, LEVELS, NEAR, STATED, summarise, verdict

if TYPE_CHECKING:
    from torch import Tensor

    from memlens.model import MemoryModel

N_TOKEN, QUICK_TOKEN = 60_000, 6_000
#: Streams with facts: positions, facts of each, streams a seed, and room for all their slots at any level.
FACT_TOKEN, N_FACT, N_STREAM = 4_096, 24, 8
CAPACITIES = (288, 144, 72)
OWN_TOKEN, QUICK_OWN_TOKEN = 100_000, 8_192
OWN_FACT = 64


def options(parser: argparse.ArgumentParser) -> None:
    """Whose compressor."""
    parser.add_argument("--model", type=Path, default=ROOT / "trained_models" / "nano", help="folder of a memory model")


def measure(run: Run) -> Mapping[str, Any]:
    """Of every seed: a row of fidelity, a row for each forced level, a row under the model's own policy."""
    from memlens.model.checkpoint import load_memory_model

    model = load_memory_model(run.args.model)
    n_token, own_token = (QUICK_TOKEN, QUICK_OWN_TOKEN) if run.quick else (N_TOKEN, OWN_TOKEN)
    n_stream = 2 if run.quick else N_STREAM
    config = {
        "model": model.name, "n_token": n_token, "levels": LEVELS, "near": NEAR, "kept": KEPT,
        "facts": {"n_token": FACT_TOKEN, "n_fact": N_FACT, "n_stream": n_stream, "capacities": CAPACITIES},
        "own": {"n_token": own_token, "n_fact": OWN_FACT, "policy": model.policy_name},
    }  # fmt: skip
    source = [*(ROOT / "memlens").rglob("*.py"), *sources(run.study)]
    run.begin(config, {"settings": fingerprint(config), "weights": model.sha256, "source": digest(source)})
    rows = []
    for seed in run.seeds:
        rows.append(run.row(lambda s=seed: {"codes": fidelity(model, n_token, s)}, part="fidelity", seed=seed))
        for level in (0, *LEVELS):
            rows.append(
                run.row(lambda s=seed, at=level: forced(model, s, at, n_stream), part="forced", level=level, seed=seed)
            )
        rows.append(run.row(lambda s=seed: own(model, s, own_token), part="own", seed=seed))
        run.say(f"seed {seed}: done")
    return summarise(rows)


# fidelity


def slots_of(model: "MemoryModel", n_token: int, seed: int, split: str) -> "tuple[Tensor, Tensor]":
    """Valid context slots of a built-in stream in stream order, (slot, feature), and the working memory at its end."""
    import torch

    from memlens.model import run
    from memlens.streams import builtin_stream

    stream = builtin_stream("builtin", n_token=n_token, seed=seed, split=split, prose=split).encode(model.tokenizer)
    slots, working = [], None
    for result in run(model, [stream], predict=False):
        there = result.outputs.births.slot[0] >= 0
        valid = result.outputs.births.entry[0][there] >= 0
        slots.append(result.outputs.slot[0][valid])
        working = result.state.working[0]
    assert working is not None
    return torch.cat(slots), working


def groups(model: "MemoryModel", content: "Tensor", working: "Tensor", level: int, how: str, seed: int) -> "Tensor":
    """Which slots are coded together: int64 (group, 2^level), each group in the order of the stream."""
    import torch

    size = model.cfg.merge**level
    if how == "random":
        order = torch.randperm(len(content), generator=torch.Generator().manual_seed(seed))
        return order[: len(order) // size * size].view(-1, size).sort(-1).values
    index, vectors = torch.arange(len(content))[:, None], content
    room = model.cfg.capacities[0]
    for _ in range(level):
        pairs = []
        for start in range(0, len(vectors), room):
            pairs.append(start + paired_up(model, vectors[start : start + room], working))
        chosen = torch.cat(pairs)
        # the earlier of the two comes first: its last slot does
        last = index[chosen].amax(-1)
        chosen = chosen.gather(1, last.argsort(-1))
        vectors, index = model.compressor.merge(vectors[chosen]), index[chosen].flatten(1)
        room //= model.cfg.merge
    return index


def paired_up(model: "MemoryModel", vectors: "Tensor", working: "Tensor") -> "Tensor":
    """Pairs of like vectors, int64 (pair, 2): those that would attend alike to the working memory, as in ``MemoryModel.decide``."""
    import torch
    import torch.nn.functional as F

    from memlens.model.store import pair_up

    pattern = (model.retrieval.keys(vectors) @ model.retrieval.keys(working).transpose(-1, -2) * 8.0).softmax(-1)
    affinity = F.normalize(pattern, dim=-1)
    affinity = affinity @ affinity.transpose(-1, -2)
    free = torch.ones(len(vectors), dtype=torch.bool)
    found = []
    while int(free.sum()) > 1:
        partner = pair_up(affinity[None], free[None])[0]
        heads = (partner > torch.arange(len(partner))).nonzero().squeeze(-1)
        if not len(heads):
            break
        found.append(torch.stack((heads, partner[heads]), -1))
        free = free & (partner < 0)
    return torch.cat(found) if found else torch.zeros(0, 2, dtype=torch.long)


def principal(vectors: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and the ``rate`` leading principal directions (rate, feature) of vectors (group, feature)."""
    middle = vectors.mean(0)
    _, _, directions = np.linalg.svd(vectors - middle, full_matrices=False)
    return middle, directions[:rate]


def projected(vectors: np.ndarray, middle: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What the directions keep of vectors."""
    return (vectors - middle) @ directions.T @ directions + middle


def scores(rebuilt: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Mean cosine, and share of variance explained, of slots (..., feature)."""
    rebuilt, target = rebuilt.reshape(-1, rebuilt.shape[-1]), target.reshape(-1, target.shape[-1])
    length = np.linalg.norm(rebuilt, axis=-1) * np.linalg.norm(target, axis=-1)
    return {
        "cosine": float(((rebuilt * target).sum(-1) / np.maximum(length, 1e-12)).mean()),
        "explained": float(1 - np.square(rebuilt - target).mean() / target.var(0).mean()),
    }


def fidelity(model: "MemoryModel", n_token: int, seed: int) -> list[dict[str, Any]]:
    """Cosine and explained variance of every code, level and grouping."""
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        test, train = slots_of(model, n_token, seed, "test"), slots_of(model, n_token, seed, "train")
        told = []
        for how in GROUPINGS:
            for level in LEVELS:
                content, other = (some[0][groups(model, *some, level, how, seed)] for some in (test, train))
                n_feature = content.shape[-1]
                packed = content
                for _ in range(level):
                    packed = model.compressor.merge(packed.unflatten(1, (-1, model.cfg.merge)))
                rebuilt = packed
                for _ in range(level):
                    rebuilt = model.compressor.expand(rebuilt).flatten(1, 2)
                target, known = (F.rms_norm(x, (n_feature,)).numpy() for x in (content, other))
                flat, flat_known = target.reshape(len(target), -1), known.reshape(len(known), -1)
                coded = {
                    "compressor": rebuilt.numpy(),
                    "mean": np.broadcast_to(target.mean(1, keepdims=True), target.shape),
                    "pca": projected(flat, *principal(flat_known, n_feature)).reshape(target.shape),
                    "bound": projected(flat, *principal(flat, n_feature)).reshape(target.shape),
                }
                told += [
                    {"grouping": how, "level": level, "code": code, "n": content.shape[:2].numel(), **scores(x, target)}
                    for code, x in coded.items()
                ]
    return told


# recall


def forced(model: "MemoryModel", seed: int, level: int, n_stream: int) -> dict[str, Any]:
    """Recall by place with every entry forced up to a level."""
    from analyses.rate_distortion.levels import recall_by_level, roomy
    from memlens.streams import builtin_stream

    streams = [
        builtin_stream("needle", n_token=FACT_TOKEN, seed=seed * n_stream + i, n_fact=N_FACT).encode(model.tokenizer)
        for i in range(n_stream)
    ]
    return {"right": recall_by_level(roomy(model, CAPACITIES), streams, level)}


def own(model: "MemoryModel", seed: int, n_token: int) -> dict[str, Any]:
    """Recall by place as the model's own policy decides, at its own capacities."""
    from analyses.rate_distortion.levels import recall_by_level
    from memlens.streams import builtin_stream

    stream = builtin_stream("needle", n_token=n_token, seed=seed, n_fact=OWN_FACT).encode(model.tokenizer)
    return {"right": recall_by_level(model, [stream])}


CLAIM = Claim(
    study="rate_distortion",
    number=25,
    title="Rate and distortion of compression",
    stated=STATED,
    verdict=verdict,
    drawings=DRAWINGS,
)
