import numpy as np
import pytest

from memlens.analysis import probe_profile
from memlens.errors import AnalysisError
from memlens.testing import information, structure, write_recording
from memlens.testing.information import target
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

WORKING = "working.hook_slot"
LONG = Shape(segment=160, place=3, feature=16)


def test_since_when_and_until_when():
    value, label = information.kept_for(LONG, since=1, segments=4)
    found = probe_profile(
        write_recording(None, points={WORKING: value}), by="distance", points=(WORKING,), target=target(label),
        distances=(-2, -1, 0, 1, 2, 3, 4, 5, 6, 8),
    )  # fmt: skip
    assert found["found"].values.tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert (float(found["since"]), float(found["gone"])) == (1, 5)


def test_which_place_and_when():
    label = information.labels(LONG, whole=True)
    value = structure.noise(LONG)
    value[:, 80:, 1] = information.linear_classes(label, LONG)[:, 80:, 1]
    recording = write_recording(None, points={WORKING: value})
    wanted = {"points": (WORKING,), "target": target(label[..., 0])}
    place = probe_profile(recording, by="place", **wanted)
    assert place["found"].values.tolist() == [False, True, False]
    when = probe_profile(recording, by="segment", bins=4, **wanted)
    assert not when["found"].values[:2].any()
    assert when["score"].values[2:].mean() > when["score"].values[:2].mean()


def test_which_point():
    label = information.labels(LONG, whole=True)
    points = {"context.hook_slot": information.linear_classes(label, LONG), WORKING: structure.noise(LONG)}
    found = probe_profile(write_recording(None, points=points), points=tuple(points), target=target(label[..., 0]))
    assert found["found"].values.tolist() == [True, False]
    assert (found["low"] <= found["score"]).all()


@SEEDS
def test_nothing_is_found_anywhere(seeds: int):
    shape = Shape(segment=60, place=2, feature=4)
    p = []
    for seed in range(seeds):
        recording = write_recording(None, points={WORKING: structure.noise(shape, seed=seed)})
        _, number = information.number(shape, r2=0.0, seed=seed)
        found = probe_profile(
            recording, by="place", points=(WORKING,), target=target(number[..., 0]), folds=2, shuffles=19, resamples=1
        )
        p.append(0.05 if found["found"].any() else 1.0)
    assert_rate(p)


def test_what_has_no_groups_is_refused():
    recording = write_recording(None, points={WORKING: structure.noise()})
    with pytest.raises(AnalysisError, match="closest: segment"):
        probe_profile(recording, by="segments")
    with pytest.raises(AnalysisError, match="belongs to a slot"):
        probe_profile(recording, by="distance", points=(WORKING,))
    with pytest.raises(AnalysisError, match="in none of the 8 groups"):
        probe_profile(recording, by="place", points=(WORKING,), target=target(np.ones((1, 64))))
