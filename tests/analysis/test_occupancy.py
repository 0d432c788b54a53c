import numpy as np
import pytest

from memlens.analysis import occupancy
from memlens.analysis.statistics import kaplan_meier


def test_occupancy_is_the_recorded_one(recording):
    found = occupancy(recording)
    np.testing.assert_array_equal(found["occupancy"], recording.segments["occupancy"].values[0])
    assert found["capacity"].values.tolist() == [24, 12, 6]
    np.testing.assert_allclose(found["hits"].sel(level=0), 5)


def test_age_is_counted_from_birth(recording):
    found = occupancy(recording)
    table = recording.entries.isel(birth=recording.entries["level"].values == 0)
    born, died = table["segment"].values, np.where(table["died"] < 0, 10**6, table["died"])
    for segment in (0, 1, 17, 79):
        held = (born <= segment) & (segment < died)
        assert float(found["age"].sel(segment=segment, level=0)) == pytest.approx((segment - born[held]).mean())


def test_planted_lifetimes_lie_in_the_interval(plant):
    found = occupancy(plant(segments=200)).sel(level=0)
    age = np.arange(1, 6)
    true = 0.75**age
    low, high = (found[name].sel(age_grid=age).values for name in ("survival_low", "survival_high"))
    assert ((low - 0.02 <= true) & (true <= high + 0.02)).all()
    assert float(found["median_lifetime"]) == 3


def test_kaplan_meier_by_hand():
    duration, died = np.array([1, 2, 2, 3]), np.array([True, True, False, False])
    survival, low, high, risk = kaplan_meier(duration, died, np.arange(5))
    np.testing.assert_allclose(survival[:4], [1, 0.75, 0.5, 0.5])
    assert np.isnan(survival[4])
    assert risk.tolist() == [4, 4, 3, 1, 0]
    assert (low[1:4] < survival[1:4]).all()
    assert (survival[1:4] < high[1:4]).all()


def test_a_replay_that_starts_late_counts_from_its_own_start(plant):
    early, late = occupancy(plant()), occupancy(plant(first=50))
    np.testing.assert_allclose(early["age"], late["age"])
    np.testing.assert_allclose(early["survival"], late["survival"])
    assert late["segment"].values[0] == 50
