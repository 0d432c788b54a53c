import numpy as np
import pytest

from memlens.analysis import probe
from memlens.analysis.probe import _split
from memlens.errors import AnalysisError


def test_planted_modality_is_read_and_shuffled_labels_are_not(recording):
    found = probe(recording)
    assert float(found["score"].sel(metric="accuracy")) > 0.97
    assert float(found["control"].sel(metric="accuracy").max()) < 0.45
    assert float(found["selectivity"]) > 0.5
    assert (found["low"] <= found["score"]).all()
    assert (found["score"] <= found["high"]).all()
    assert int(found["confusion"].sum()) == found.attrs["n"]


def test_nothing_planted_nothing_read(plant):
    found = probe(plant(apart=0.0))
    assert float(found["low"].sel(metric="accuracy")) < float(found["majority"].sel(metric="accuracy")) + 0.05
    assert abs(float(found["selectivity"])) < 0.1


def test_a_fact_that_leaves_no_trace_is_not_read(recording):
    found = probe(recording, target="is_fact")
    assert found["true"].values.tolist() == ["no fact", "fact"]
    assert float(found["score"].sel(metric="accuracy")) <= float(found["majority"].sel(metric="accuracy")) + 0.03


def test_positions_can_be_probed(recording):
    found = probe(recording, point="hook_hidden", sample=1000)
    assert found.attrs["total"] == 80 * 64
    assert float(found["score"].sel(metric="accuracy")) > 0.97


def test_folds_hold_whole_blocks_of_time():
    segment = np.repeat(np.arange(100), 5)
    block, fold = _split(segment, 100, np.random.default_rng(0).integers(0, 3, segment.size), 5)
    assert set(fold) == set(range(5))
    assert (np.diff(block) >= 0).all()
    for each in np.unique(block):
        assert np.unique(fold[block == each]).size == 1


def test_constant_target_and_short_stream_are_refused(plant):
    with pytest.raises(AnalysisError, match="needs two"):
        probe(plant(modalities=1))
    with pytest.raises(AnalysisError, match="longer stream"):
        probe(plant(segments=4), target="is_fact")


def test_unknown_target_lists_the_allowed(recording):
    with pytest.raises(AnalysisError, match="modality"):
        probe(recording, target="modalities")
