import numpy as np
import pytest

from memlens.analysis import occupancy


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


def test_a_replay_that_starts_late_counts_from_its_own_start(plant):
    early, late = occupancy(plant()), occupancy(plant(first=50))
    np.testing.assert_allclose(early["age"], late["age"])
    assert late["segment"].values[0] == 50
