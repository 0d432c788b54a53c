"""The studies that train small models: equal sizes, configs that fit together, laws on known data, lineage, verdicts on planted results."""

# ruff: noqa: E402

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "analyses"))  # scripts, and what they share, are no package

import claims
import generalisation
import mqar
import rate_distortion
import rate_distortion_levels as levels
import rate_distortion_verdict as rated
import scaling
import small
import steadiness
from study import Result

from memlens.config import ModelConfig
from memlens.dims import Modality
from memlens.errors import ConfigError
from memlens.model import MemoryModel
from memlens.model.outputs import Births
from memlens.model.store import pair_up
from memlens.streams import default_tokenizer, named
from memlens.streams.encoded import FactSpan
from memlens.streams.symbols import symbols

TINY = ModelConfig(
    d_model=32, segment_length=64, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12, slot_heads=2,
    slot_head_dim=8, pick_width=3, working_slots=4, capacities=(8, 4, 2), n_heads=2, control_width=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def config():
    return small.load("mqar")


# configs


def test_architectures_have_equal_parameters(config) -> None:
    for made in (config, mqar.grid_config(config, (1, 1, 1)), generalisation.short_rows(config, (1, 1))):
        found = small.sizes(made)
        assert set(found) == {"memory", "attention", "ssm"}
        for n in found.values():
            assert abs(n - found["memory"]) <= 0.05 * found["memory"]


def test_rivals_are_trained_alike(config) -> None:
    for kind in ("attention", "ssm"):
        rival = small.of_kind(config, kind)
        assert rival.baseline is not None and rival.baseline.kind == kind
        for key in ("steps", "stages", "tasks", "learning_rate", "carry", "seed", "warmup", "weight_decay", "weights"):
            assert getattr(rival, key) == getattr(config, key)
        assert rival.baseline.segment_length == config.model.segment_length
    ssm, attention = (small.of_kind(config, kind).baseline for kind in ("ssm", "attention"))
    assert ssm.ssd_state == 64 and ssm.conv_width == 4
    longest = max(stage.n_token for stage in config.stages)
    assert attention.window > longest + config.model.max_question + config.model.max_answer
    assert small.of_kind(config, "memory") is config


def test_the_config_is_the_claims(config) -> None:
    last = config.stages[-1]
    assert (last.n_token, last.n_fact, config.model.n_slots) == (64, 16, 16)
    assert [task.name for task in config.tasks] == ["mqar"]
    assert config.model.n_slots >= last.n_fact


def test_a_change_that_does_not_fit_is_refused(config) -> None:
    assert small.changed(config, {"n_slots": 4}, steps=7).model.n_slots == 4
    assert small.changed(config, {"n_slots": 4}, steps=7).steps == 7
    with pytest.raises(ConfigError, match="unknown key"):
        small.changed(config, {"n_slot": 4})


def test_every_size_of_the_sweeps_is_a_model(config) -> None:
    rows = scaling.rows_of_pairs(config, (1, 1, 1))
    sizes = [small.parameters(scaling.at(rows, "parameters", width).model) for width in scaling.WIDTHS]
    assert sizes == sorted(set(sizes)) and sizes[-1] > 2 * sizes[0]
    for sweep, points in scaling.QUICK.items():
        for point in points:
            with torch.device("meta"):
                MemoryModel(scaling.at(rows, sweep, point).model)


def test_a_wider_window_changes_no_answer_within_the_old_one(config) -> None:
    rival = small.of_kind(small.changed(config, {"d_model": 32}), "attention").baseline
    assert rival is not None
    from memlens.model.baseline import StreamReader

    torch.manual_seed(0)
    model = StreamReader(rival, default_tokenizer()).eval()
    wide = small.widened(model, 4 * 64)
    assert wide.cfg.window > 4 * 64 > model.cfg.window and small.widened(wide, 64).cfg.window == wide.cfg.window
    one, other = (small.ask(m, 2, 64, 8) for m in (model, wide))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-5) and one["n"] == 16 == len(one["right"])


# spikes


def test_spikes_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    loss = 2.0 + 0.02 * rng.normal(size=400)
    loss[[150, 300, 301]] += 1.0
    stage = [0] * 400
    assert steadiness.spikes(loss, stage, 100) == [150, 300]
    assert steadiness.spikes(loss, stage, 200) == [300], "none in the warm-up"


def test_a_new_stage_is_no_spike_and_one_wrong_answer_neither() -> None:
    stage = [0] * 200 + [1] * 200
    loss = [0.1] * 200 + [2.0] * 200
    assert steadiness.spikes(loss, stage, 50) == []
    assert steadiness.spikes(loss, [0] * 400, 50) == [200]
    quiet = [0.001] * 400
    quiet[300] = 0.09
    assert steadiness.spikes(quiet, stage, 50) == []


def runs(accuracy: list[float], spikes: list[int], kind: str) -> list[dict]:
    return [
        {"kind": kind, "seed": s, "accuracy": a, "spikes": list(range(n)), "parameters": 9, "stages_begun": [0, 5]}
        for s, (a, n) in enumerate(zip(accuracy, spikes, strict=True))
    ]


@pytest.mark.parametrize(
    ("memory", "spikes", "status"),
    [
        ([0.99, 0.991, 0.99], [0, 0, 0], "holds"),
        ([0.99, 0.89, 0.99], [0, 0, 0], "holds under conditions"),
        ([0.99, 0.991, 0.99], [1, 0, 0], "holds under conditions"),
        ([0.99, 0.30, 0.99], [3, 0, 0], "does not hold"),
    ],
)
def test_steadiness_is_judged_by_its_goals(config, memory: list[float], spikes: list[int], status: str) -> None:
    rows = [
        *runs(memory, spikes, "memory"),
        *runs([0.8, 0.95, 0.99], [1, 1, 0], "attention"),
        *runs([0.7, 0.9, 0.5], [0, 0, 2], "ssm"),
    ]
    result = {"summary": steadiness.summarise(rows), "rows": rows, "config": {"train": config.model_dump(mode="json")}}
    assert steadiness.verdict(result).status == status


# laws


def test_a_power_law_is_found_again() -> None:
    x = np.array([1e4, 3e4, 1e5, 3e5, 1e6])
    found = scaling.power_law(x, 2.0 * (x / 1e4) ** -0.5 + 0.3)
    assert (found["a"], found["b"], found["c"]) == pytest.approx((2.0, 0.5, 0.3), rel=1e-3)
    assert found["r2"] > 0.9999 and found["missed"] < 1e-3


def test_what_is_no_power_law_is_seen_by_its_residuals() -> None:
    x = [2, 4, 8, 16, 32]
    straight = [1 - k / 32 for k in x]
    found = scaling.power_law(x, straight)
    assert found["missed"] > scaling.MOST_MISSED
    assert scaling.coverage_law(x, straight, 32)["r"] == pytest.approx(1.0, abs=1e-3)
    assert scaling.coverage_law(x, straight, 32)["r2"] > 0.9999


def swept(sweep: str, loss) -> list[dict]:
    rng = np.random.default_rng(0)
    points = scaling.SLOTS if sweep == "slots" else scaling.WIDTHS
    return [
        {"sweep": sweep, "point": p, "seed": s, "loss": loss(p) * (1 + 0.01 * rng.normal()), "accuracy": 0.5, "parameters": 100 * p}
        for p in points
        for s in range(3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("over_slots", "over_width", "status"),
    [
        (lambda k: 3 * k**-0.7 + 0.2, lambda w: 9 * w**-0.5, "holds"),
        (lambda k: 3.2 - 0.09 * k, lambda w: 9 * w**-0.5, "holds under conditions"),
        (lambda k: 3.2 - 0.09 * k, lambda w: 2 + (w == 32), "does not hold"),
    ],
)
def test_scaling_is_judged_by_its_residuals(over_slots, over_width, status: str) -> None:
    summary = {s: scaling.law(s, swept(s, f)) for s, f in zip(scaling.SWEEPS, (over_slots, over_width), strict=True)}
    result = {"summary": summary}
    assert scaling.verdict(result).status == status
    assert len(scaling.verdict(result).tables) == 2


# generalisation


def planted(accuracy: dict[str, tuple[float, float]], seed: int = 0) -> Result:
    """Rows where each architecture is right at some rate as trained, and at another elsewhere."""
    rng = np.random.default_rng(seed)
    names = ["as trained", "2 x longer", "new keys"]
    rows = []
    for kind, (first, later) in accuracy.items():
        for s in range(3):
            asked = {}
            for i, name in enumerate(names):
                right = rng.random(400) < (later if i else first)
                asked[name] = {"accuracy": right.mean(), "right": "".join(str(int(x)) for x in right)}
            rows.append({"kind": kind, "seed": s, "parameters": 1, "asked": asked})
    return {"summary": generalisation.summarise(rows, names)}


@pytest.mark.parametrize(
    ("accuracy", "status"),
    [
        ({"memory": (0.99, 0.9), "attention": (0.99, 0.5), "ssm": (0.9, 0.3)}, "holds"),
        ({"memory": (0.5, 0.9), "attention": (0.99, 0.5), "ssm": (0.9, 0.3)}, "does not hold"),
        ({"memory": (0.99, 0.5), "attention": (0.99, 0.9), "ssm": (0.9, 0.3)}, "does not hold"),
    ],
)
def test_generalisation_is_judged_on_what_was_not_trained_on(accuracy: dict, status: str) -> None:
    assert generalisation.verdict(planted(accuracy)).status == status


def test_ahead_here_and_behind_there_holds_under_conditions() -> None:
    result = planted({"memory": (0.99, 0.9), "attention": (0.99, 0.5), "ssm": (0.9, 0.3)})
    last = result["summary"]["conditions"][-1]["lead"]
    last["ssm"] = {**last["ssm"], "value": -0.2, "low": -0.3, "high": -0.1}
    assert generalisation.verdict(result).status == "holds under conditions"


def test_new_keys_were_values_in_training() -> None:
    condition = generalisation.Condition("new", vocab=310, n_stream=6)
    asked = [
        question
        for seed in range(condition.n_stream)
        for question in named("mqar", n_token=128, seed=seed, n_fact=8, vocab=310).encode(default_tokenizer()).questions
    ]
    trained = symbols(generalisation.VOCAB)
    keys, values = trained[:128], trained[128:]
    new = [q.text not in keys and q.text in values and q.answer in values for q in asked]
    right = "".join(str(i % 2) for i in range(len(asked)))
    found = generalisation.only_new({"right": right}, condition)
    assert 0 < found["n"] == sum(new) < len(asked)
    assert found["right"] == "".join(digit for digit, kept in zip(right, new, strict=True) if kept)


# mqar


@pytest.mark.parametrize(
    ("memory", "attention", "status"),
    [(0.995, 1.0, "holds"), (0.995, 0.9, "holds under conditions"), (0.9, 1.0, "does not hold")],
)
def test_mqar_is_judged_by_its_goals(config, memory: float, attention: float, status: str) -> None:
    rows = [
        {"part": "equal", "kind": kind, "seed": s, "accuracy": value, "loss": 0.1, "parameters": 5}
        for kind, value in {"memory": memory, "attention": attention, "ssm": 0.8}.items()
        for s in range(3)
    ]
    rows += [
        {"part": "grid", "slots": n, "seed": s, "accuracy": {str(p): min(1.0, n / p) for p in mqar.PAIRS}}
        for n in mqar.SLOTS
        for s in range(3)
    ]
    settings = {"train": config.model_dump(mode="json"), "parameters": {"memory": 1, "attention": 1, "ssm": 1}}
    result = {"summary": mqar.summarise(rows), "config": settings, "rows": rows}
    said = mqar.verdict(result)
    assert said.status == status
    assert len(said.tables[0].rows) == len(mqar.SLOTS)
    cell = next(c for c in result["summary"]["grid"] if (c["slots"], c["pairs"]) == (8, 32))
    assert cell["value"] == 0.25


# rate and distortion


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
    return MemoryModel(TINY, default_tokenizer()).eval()


def test_groups_hold_every_slot_once_and_in_order(tiny: MemoryModel) -> None:
    torch.manual_seed(1)
    content, working = torch.randn(50, TINY.d_model), torch.randn(TINY.working_slots, TINY.d_model)
    with torch.no_grad():
        for how in rated.GROUPINGS:
            for level in rated.LEVELS:
                index = rate_distortion.groups(tiny, content, working, level, how, seed=0)
                assert index.shape[1] == 2**level and len(index.unique()) == index.numel() <= 50
                assert index.shape[0] >= 50 // 2**level - 8
        pairs = rate_distortion.groups(tiny, content, working, 1, "alike", seed=0)
        assert (pairs[:, 0] < pairs[:, 1]).all() and int((pairs // TINY.capacities[0]).diff().abs().max()) == 0


def test_pairs_are_those_of_the_store(tiny: MemoryModel) -> None:
    """Two clusters far apart: nobody is paired across them, and one round of the store's own matching agrees."""
    torch.manual_seed(2)
    centre = 5 * torch.randn(2, TINY.d_model)
    vectors = torch.cat([centre[i] + 0.01 * torch.randn(4, TINY.d_model) for i in (0, 1)])
    working = torch.randn(TINY.working_slots, TINY.d_model)
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
    stream = named("needle", n_token=512, seed=0, n_fact=6).encode(default_tokenizer())
    from memlens.model import run

    for level in (0, 1, 2):
        with roomy.hooks(fwd_hooks=[("controller.hook_q", levels.forcing(roomy, level))]):
            results = list(run(roomy, [stream], predict=False))
        store = results[-1].state.store
        held = roomy.entry_level[store.valid[0]]
        counts = [int((held == i).sum()) for i in range(3)]
        n_slot = sum(int((result.outputs.decisions.entry[:, : TINY.n_slots] >= 0).sum()) for result in results)
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


# the page


def test_they_are_on_the_claims_page() -> None:
    found = claims.studies()
    for name in ("mqar", "generalisation", "steadiness", "scaling", "rate_distortion"):
        assert found[name].drawings and found[name].stated.endswith(".")
