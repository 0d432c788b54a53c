import numpy as np
import pytest
import xarray as xr

from memlens.analysis import probe
from memlens.analysis.support import probing
from memlens.analysis.support.probe_task import ProbeTask, split_folds
from memlens.errors import AnalysisError
from memlens.testing import information, structure, write_recording
from memlens.testing.information import target
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

SLOT, WORKING = "context.hook_slot", "working.hook_slot"
LONG = Shape(segment=100)


def recorded(path, value, point=SLOT):
    return write_recording(path, points={point: value})


def test_planted_modality_is_read_and_shuffled_labels_are_not(recording):
    found = probe(recording)
    assert float(found["score"].sel(metric="accuracy")) > 0.97
    assert float(found["control"].sel(metric="accuracy").mean()) < 0.4
    assert float(found["random"].sel(metric="accuracy")) < 0.4
    assert float(found["selectivity"]) > 0.5
    assert float(found["p"]) <= 0.05
    assert float(found["information"]) > 1.5
    assert (found["low"] <= found["score"]).all() and (found["score"] <= found["high"]).all()
    assert int(found["confusion"].sum()) == found.attrs["n"]
    assert float(found["compression"]) > 3


def test_nothing_planted_nothing_read(plant):
    found = probe(plant(apart=0.0))
    assert float(found["p"]) > 0.05
    assert float(found["information"]) <= 0.01
    assert abs(float(found["selectivity"])) < 0.15


def test_a_fact_that_leaves_no_trace_is_not_read(recording):
    found = probe(recording, target="is_fact")
    assert found["true"].values.tolist() == ["no fact", "fact"]
    assert float(found["p"]) > 0.05


def test_positions_can_be_probed(recording):
    found = probe(recording, point="hook_hidden", sample=1000, shuffles=1)
    assert found.attrs["total"] == 80 * 64
    assert float(found["score"].sel(metric="accuracy")) > 0.97


def test_planted_number_is_read_with_its_r2():
    value, number = information.number(LONG, r2=0.6)
    found = probe(recorded(None, value), target=target(number))
    assert found["metric"].values.tolist() == ["r2"]
    assert float(found["score"][0]) == pytest.approx(0.6, abs=0.06)
    assert float(found["low"][0]) - 0.03 < 0.6 < float(found["high"][0]) + 0.03
    assert float(found["p"]) <= 0.05


def test_a_product_needs_the_mlp():
    value, label = information.product(Shape(segment=60), signal=4.0)
    recording = recorded(None, value)
    linear, mlp = (probe(recording, target=target(label), kind=kind) for kind in ("linear", "mlp"))
    assert float(linear["p"]) > 0.05
    assert float(mlp["p"]) <= 0.05
    assert float(mlp["score"].sel(metric="accuracy")) > 0.9


def test_folds_are_sequences_where_there_are_several():
    shape = Shape(sequence=4, segment=30)
    label = information.labels(shape)
    recording = recorded(None, information.linear_classes(label, shape))
    assert probe(recording, target=target(label)).sizes["fold"] == 4
    sequence, segment = np.repeat(np.arange(4), 30), np.tile(np.arange(30), 4)
    _, fold = split_folds(sequence, segment, np.arange(120) % 2, 2, 5)
    assert all(np.unique(fold[sequence == each]).size == 1 for each in range(4))


def test_folds_hold_whole_blocks_of_time():
    segment = np.repeat(np.arange(100), 5)
    label = np.random.default_rng(0).integers(0, 3, segment.size)
    block, fold = split_folds(np.zeros(segment.size, int), segment, label, 3, 5)
    assert set(fold) == set(range(5))
    assert (np.diff(block) >= 0).all()
    for each in np.unique(block):
        assert np.unique(fold[block == each]).size == 1


@SEEDS
def test_absent_targets_are_not_read(seeds: int):
    """Also where vectors and labels both change slowly, and all rows of a segment share their label and much of their vector."""
    shape = Shape(segment=96, place=2, feature=4)
    p = []
    for seed in range(seeds):
        whole, memory = ((False, 0.0), (True, 0.5))[seed % 2]
        value = structure.noise(shape, seed=seed, memory=memory, shared=0.7 * whole)
        wanted = target(information.labels(shape, whole=whole, memory=memory, seed=seed))
        recording = write_recording(None, points={SLOT: value})
        found = probe(recording, target=wanted, folds=2, shuffles=9, resamples=1, seed=seed)
        p.append(float(found["p"]))
    assert_rate(p, 0.1)


@SEEDS
def test_absent_numbers_are_not_read(seeds: int):
    shape = Shape(segment=60, place=2, feature=4)
    p = []
    for seed in range(seeds):
        value, number = information.number(shape, r2=0.0, seed=seed)
        p.append(
            float(
                probe(
                    write_recording(None, points={SLOT: value}),
                    target=target(number),
                    folds=2,
                    shuffles=19,
                    resamples=1,
                )["p"]
            )
        )
    assert_rate(p)


def test_calibration_and_description_length_by_hand():
    predicted = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]])
    task = ProbeTask(np.zeros((4, 1)), np.array([0, 0, 1, 0]), 2, None, np.arange(4), np.zeros(4, int))
    error, *_ = probing.confidence_calibration(task, probing.ProbeReading(predicted, predicted))
    assert error == pytest.approx((2 * 0.1 + 2 * 0.2) / 4)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 512)
    sure = ProbeTask(np.where(label, 9.0, -9.0)[:, None], label, 2, None, np.arange(512) // 16, np.zeros(512, int))
    bits, base = probing.description_length(sure, "linear", 0)
    assert base == pytest.approx(512, rel=0.05)
    assert bits < 0.25 * base


def test_what_cannot_be_probed_is_refused(plant, recording):
    with pytest.raises(AnalysisError, match="needs two"):
        probe(plant(modalities=1))
    with pytest.raises(AnalysisError, match="longer stream"):
        probe(plant(segments=4), target="is_fact")
    with pytest.raises(AnalysisError, match="modality"):
        probe(recording, target="modalities")
    constant = xr.DataArray(np.ones((1, 80)), dims=("sequence", "segment"), name="mine")
    with pytest.raises(AnalysisError, match="'mine' cannot be probed: it is constant"):
        probe(recording, target=constant)
    with pytest.raises(AnalysisError, match="79 of segment, the recording 80"):
        probe(recording, target=constant[:, 1:])
    with pytest.raises(AnalysisError, match="expected some of"):
        probe(recording, target=constant.rename(segment="token"))
