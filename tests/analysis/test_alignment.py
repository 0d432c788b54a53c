import numpy as np
import pytest

from memlens.analysis import alignment
from memlens.errors import AnalysisError
from memlens.testing import structure, write_recording
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

POINT = "working.hook_slot"


def aligned(one, other, **params):
    first, second = (write_recording(None, points={POINT: value}) for name, value in (("a", one), ("b", other)))
    return alignment(first, other=second, **params)


def test_planted_match_is_found_in_other_axes():
    value = structure.noise()
    other, match = structure.other_run(value, noise=0.5)
    found = aligned(value, other)
    np.testing.assert_array_equal(found["match"], match)
    assert float(found["score_p"]) <= 0.05
    assert float(found["score_low"]) < float(found["score"]) < float(found["score_high"])
    assert (found["place_p"] <= 0.05).all() and (found["margin"] > 0).all()


def test_fewer_places_leave_some_unmatched():
    value = structure.noise()
    other, match = structure.other_run(value)
    found = aligned(value, other[:, :, :5])
    expected = np.where(match < 5, match, -1)
    np.testing.assert_array_equal(found["match"], expected)


@SEEDS
def test_unrelated_runs_are_not_aligned(seeds: int):
    shape = Shape(segment=96, place=3, feature=6)
    p = []
    for seed in range(seeds):
        one, two = (
            write_recording(
                None, points={POINT: structure.noise(shape, seed=2 * seed + at, memory=(0.0, 0.5)[seed % 2])}
            )
            for at in (0, 1)
        )
        p.append(float(alignment(one, other=two, shuffles=19)["score_p"]))
    assert_rate(p)


def test_what_never_changes_is_refused():
    with pytest.raises(AnalysisError, match="never changes"):
        aligned(structure.noise(), np.ones(Shape()))
