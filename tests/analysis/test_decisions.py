import numpy as np
import pytest

from memlens.analysis import decisions
from memlens.errors import AnalysisError


@pytest.mark.parametrize("first", [0, 100])
def test_counts_and_overrides_are_the_planted_ones(plant, first):
    found = decisions(plant(first=first))
    candidate = found.sel(kind="candidate")
    assert candidate["total"].values.tolist() == [120, 0, 0, 40]
    assert float(candidate["total_overridden"]) == pytest.approx(0.25)
    assert float(candidate["total_entropy"]) == pytest.approx(-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)))
    assert int(found["count"].sum()) == found.attrs["n"] == 320
    assert found["segment"].values[0] == first


def test_q_is_averaged_where_allowed(recording):
    found = decisions(recording)
    np.testing.assert_allclose(found["mean_q"].sel(kind="resident", action="STORE"), 0.4)
    assert np.isnan(found["mean_q"].sel(kind="candidate", action="RETRIEVE")).all()


def test_long_streams_are_binned(recording):
    found = decisions(recording, max_bins=7)
    assert found.sizes["segment"] <= 7
    assert int(found["count"].sum()) == 320
    assert found.attrs["segments_per_bin"] == 12


def test_no_decision(plant):
    recording = plant()
    recording.decisions = recording.decisions.isel(decision=slice(0, 0))
    with pytest.raises(AnalysisError, match="no decision"):
        decisions(recording)
