import numpy as np
import pytest

from memlens.analysis import drift
from memlens.testing import structure, write_recording
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

POINT = "working.hook_slot"


def test_planted_rate_is_found():
    recording = write_recording(None, points={POINT: structure.drifting(rate=0.05)})
    found = drift(recording)
    assert float(found["trend_p"]) <= 0.01
    assert float(found["rate"]) == pytest.approx(0.05, rel=0.1)
    assert float(found["rate_low"]) < 0.05 < float(found["rate_high"])
    distance = found["distance"].values
    assert distance[-1] > 1.2 * distance[0]
    assert (found["distance_low"].values <= distance).all()


@SEEDS
def test_noise_does_not_drift(seeds: int):
    shape = Shape(segment=48, place=3, feature=6)
    noise = (write_recording(None, points={POINT: structure.noise(shape, seed=seed)}) for seed in range(seeds))
    found = [drift(recording, shuffles=99) for recording in noise]
    assert_rate([float(each["trend_p"]) for each in found])
    assert np.median([float(each["rate"]) for each in found]) < 0.005
