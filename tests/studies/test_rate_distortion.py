"""Bounds on compression, groups as the store makes them, lineage, verdicts on planted results."""

import numpy as np
import pytest
import torch

from analyses.common.claim import Result
from analyses.rate_distortion import levels
from analyses.rate_distortion import study as rate_distortion
from analyses.rate_distortion import verdict as rated
from memlens.config import ModelConfig
from memlens.dims import Modality
from memlens.model import MemoryModel, run
from memlens.model.entries import Births
from memlens.model.store import pair_up
from memlens.streams import builtin_stream, default_tokenizer
from memlens.streams.encoded import FactSpan

SMALL = ModelConfig(
    d_model=32, segment_length=64, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12, slot_heads=2,
    slot_head_dim=8, pick_width=3, working_slots=4, capacities=(8, 4, 2), n_heads=2, control_width=16,
)  # fmt: skip


def test_principal_components_are_exact_where_the_data_are_flat() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 12)) + 2
    assert rate_distortion.scores(rate_distortion.projected(flat, *rate_distortion.principal(flat, 5)), flat)[
        "explained"
    ] == pytest.approx(1)
    noise = rng.normal(size=(4000, 12))
    half = rate_distortion.projected(noise, *rate_distortion.principal(noise, 6))
    assert rate_distortion.scores(half, noise)["explained"] == pytest.approx(0.5, abs=0.03)
    assert rate_distortion.scores(noise, noise)["cosine"] == pytest.approx(1)


def test_no_linear_code_beats_the_bound_and_the_mean_is_one() -> None:
    rng = np.random.default_rng(1)
    pairs = rng.normal(size=(500, 2, 8)) + rng.normal(size=(500, 1, 8))
    flat = pairs.reshape(500, 16)
    bound = rate_distortion.projected(flat, *rate_distortion.principal(flat, 8)).reshape(pairs.shape)
    mean = np.broadcast_to(pairs.mean(1, keepdims=True), pairs.shape)
    ours, plain = (rate_distortion.scores(x, pairs)["explained"] for x in (bound, mean))
    assert ours >= plain > 0.5


@pytest.fixture(scope="module")
def tiny() -> MemoryModel:
    torch.manual_seed(0)
    return MemoryModel(SMALL, default_tokenizer()).eval()


def test_groups_hold_every_slot_once_and_in_order(tiny: MemoryModel) -> None:
    torch.manual_seed(1)
    content, working = torch.randn(50, SMALL.d_model), torch.randn(SMALL.working_slots, SMALL.d_model)
    with torch.no_grad():
        for how in rated.GROUPINGS:
            for level in rated.LEVELS:
                index = rate_distortion.groups(tiny, content, working, level, how, seed=0)
                assert index.shape[1] == 2**level and len(index.unique()) == index.numel() <= 50
                assert index.shape[0] >= 50 // 2**level - 8
        pairs = rate_distortion.groups(tiny, content, working, 1, "alike", seed=0)
        assert (pairs[:, 0] < pairs[:, 1]).all() and int((pairs // SMALL.capacities[0]).diff().abs().max()) == 0


def test_pairs_are_those_of_the_store(tiny: MemoryModel) -> None:
    """Two clusters far apart: nobody is paired across them, and one round of the store's own matching agrees."""
    torch.manual_seed(2)
    centre = 5 * torch.randn(2, SMALL.d_model)
    vectors = torch.cat([centre[i] + 0.01 * torch.randn(4, SMALL.d_model) for i in (0, 1)])
    working = torch.randn(SMALL.working_slots, SMALL.d_model)
    with torch.no_grad():
        pairs = rate_distortion.paired_up(tiny, vectors, working)
        keys = tiny.retrieval.keys(vectors) @ tiny.retrieval.keys(working).T
        pattern = torch.nn.functional.normalize((8 * keys).softmax(-1), dim=-1)
        partner = pair_up((pattern @ pattern.T)[None], torch.ones(1, 8, dtype=torch.bool))[0]
    assert len(pairs) == 4 and ((pairs < 4).all(-1) | (pairs >= 4).all(-1)).all()
    for i, j in pairs.tolist():
        assert int(partner[i]) in (j, -1)


def births(*rows: tuple[int, int, int, int, tuple[int, int]]) -> Births:
    entry, level, start, end, parent = zip(*rows, strict=True)

    def column(values) -> torch.Tensor:
        return torch.tensor([values])

    return Births(column(entry), column(level), column(entry), column(end), column(start), column(end), column(parent))


def test_lineage_follows_merges(tiny: MemoryModel) -> None:
    facts = {7: FactSpan(Modality.TEXT, 3, 9), 8: FactSpan(Modality.TEXT, 20, 30)}
    lineage = levels.Lineage(facts)
    none = (-1, -1)
    lineage.see(births((1, 0, 0, 10, none), (2, 0, 4, 12, none), (-1, 0, 0, 40, none), (5, 1, 0, 12, (1, 2))), 0)
    assert lineage.held == {1: {7}, 2: set(), 5: {7}} and lineage.fresh == {7}
    lineage.see(births((6, 0, 18, 31, none), (9, 2, 0, 12, (5, 4))), 0)
    store = tiny.initial_state(1).store
    assert lineage.level(7, store, tiny.entry_level, 0) == levels.NOWHERE
    assert lineage.level(8, store, tiny.entry_level, 0) == levels.CONTEXT
    place = int((tiny.entry_level == 2).nonzero()[0])
    entry, valid = store.entry.clone(), store.valid.clone()
    entry[0, place], valid[0, place] = 9, True
    held = type(store)(**{**store.__dict__, "entry": entry, "valid": valid})
    assert lineage.level(7, held, tiny.entry_level, 0) == "2"


def test_forced_entries_come_to_their_level(tiny: MemoryModel) -> None:
    roomy = levels.roomy(tiny, (80, 40, 20))
    stream = builtin_stream("needle", n_token=512, seed=0, n_fact=6).encode(default_tokenizer())

    for level in (0, 1, 2):
        with roomy.hooks(fwd_hooks=[("controller.hook_q", levels.forcing(roomy, level))]):
            results = list(run(roomy, [stream], predict=False))
        store = results[-1].state.store
        held = roomy.entry_level[store.valid[0]]
        counts = [int((held == i).sum()) for i in range(3)]
        n_slot = sum(int((result.outputs.decisions.entry[:, : SMALL.n_slots] >= 0).sum()) for result in results)
        assert max(counts) == counts[level] and sum(counts[level + 1 :]) == 0, (level, counts)
        assert sum(n * 2**i for i, n in enumerate(counts)) == n_slot, "nothing is dropped"
        found = levels.recall_by_level(roomy, [stream], level)
        assert sum(map(len, found.values())) == 6
        assert all(int(place) <= level for place in found if place not in (levels.CONTEXT, levels.NOWHERE))


def compressed(explained: dict[str, float], recall: tuple[float, float, float]) -> Result:
    codes = [
        {"grouping": how, "level": level, "code": code, "explained": value, "cosine": value}
        for how in rated.GROUPINGS
        for level in rated.LEVELS
        for code, value in explained.items()
    ]
    rows: list[dict] = [{"part": "fidelity", "seed": s, "codes": codes} for s in range(3)]
    for level, share in enumerate(recall):
        n = round(100 * share)
        rows += [
            {"part": "forced", "level": level, "seed": s, "right": {str(level): "1" * n + "0" * (100 - n)}}
            for s in range(3)
        ]
    rows += [{"part": "own", "seed": s, "right": {"0": "11", "nowhere": "0"}} for s in range(3)]
    return {"summary": rated.summarise(rows)}


@pytest.mark.parametrize(
    ("compressor", "recall", "status"),
    [
        (0.75, (0.9, 0.88, 0.85), "holds"),
        (0.75, (0.9, 0.88, 0.5), "holds under conditions"),
        (0.75, (0.9, 0.5, 0.5), "does not hold"),
        (0.6, (0.9, 0.88, 0.85), "does not hold"),
        (0.4, (0.9, 0.88, 0.85), "does not hold"),
    ],
)
def test_compression_is_judged_by_fidelity_and_recall(compressor: float, recall: tuple, status: str) -> None:
    result = compressed({"compressor": compressor, "mean": 0.5, "pca": 0.7, "bound": 0.8}, recall)
    said = rated.verdict(result)
    assert said.status == status
    assert "nowhere" in " ".join(said.sentences)
