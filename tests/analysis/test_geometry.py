import numpy as np
import pytest

from memlens.analysis import geometry
from memlens.errors import AnalysisError
from memlens.testing import structure, write_recording
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

POINT = "working.hook_slot"


def measured(path, value, point=POINT, **params):
    return geometry(write_recording(path, points={point: value}), point=point, **params)


def test_planted_rank_is_found():
    found = measured(None, structure.low_rank(rank=3))
    rank = found.sel(measure="effective_rank")
    assert float(rank["value"]) == pytest.approx(3, abs=0.1)
    assert float(rank["low"]) <= float(rank["value"]) <= float(rank["high"])
    assert float(rank["p"]) <= 0.05
    assert float(found["participation_ratio"]) == pytest.approx(3, abs=0.2)
    assert float(found["spectrum"].sum()) == pytest.approx(1)


def test_planted_specialisation_is_found():
    part = measured(None, structure.specialised(Shape(segment=200), share=0.4)).sel(measure="specialisation")
    assert float(part["value"]) == pytest.approx(0.4, abs=0.04)
    assert float(part["low"]) < 0.4 < float(part["high"])
    assert float(part["p"]) <= 0.05


def test_planted_redundancy_is_found():
    part = measured(None, structure.noise(shared=0.5)).sel(measure="redundancy")
    assert float(part["value"]) == pytest.approx(0.5, abs=0.1)
    assert float(part["p"]) <= 0.05


def test_places_that_take_one_modality_each():
    modality = np.tile(np.repeat(np.arange(4), 16), (1, 64))
    recording = write_recording(None, points={"context.hook_slot": structure.noise()}, positions={"modality": modality})
    part = geometry(recording).sel(measure="modality")
    assert float(part["value"]) == pytest.approx(2.0, abs=0.3)
    assert float(part["p"]) <= 0.05


def test_usage_counts_what_changes():
    value = structure.noise()
    value[:, :, 0] = value[:, :1, 0]
    found = measured(None, value)
    assert found["usage"].values[0] == pytest.approx(1 / 64)
    assert (found["usage"].values[1:] == 1).all()
    assert 7 < float(found["effective_places"]) < 8


@SEEDS
def test_noise_has_no_geometry(seeds: int):
    shape = Shape(segment=96, place=4, feature=6)
    p = []
    for seed in range(seeds):
        noise = write_recording(None, points={POINT: structure.noise(shape, seed=seed, memory=(0.0, 0.5)[seed % 2])})
        p.append(geometry(noise, point=POINT, shuffles=19, seed=seed)["p"].values)
    for at in range(3):
        assert_rate(np.array(p)[:, at])


def test_what_cannot_be_measured_is_refused():
    value = structure.noise()
    value[0, 5, 2, 3] = np.nan
    with pytest.raises(
        AnalysisError, match=r"working.hook_slot' holds nan at sequence 0, segment 5, working 2, feature 3"
    ):
        measured(None, value)
    with pytest.raises(AnalysisError, match="5 segments, expected 8"):
        measured(None, structure.noise(Shape(segment=5)))
    with pytest.raises(AnalysisError, match="the same"):
        measured(None, np.ones(Shape()))
