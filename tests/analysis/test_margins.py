import numpy as np
import pytest

from memlens.analysis import margins
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.control import planted_margins


def test_planted_margins_are_found() -> None:
    found = margins(planted_margins(None, scale=0.05, n_segment=200), thresholds=(0.01, 0.05))
    own = found.sel(kind="resident")
    true = 1 - np.exp(-np.array([0.01, 0.05]) / 0.05)
    np.testing.assert_allclose(own["share"], true, atol=0.03)
    assert (own["share"] > own["null_high"]).all()
    assert (np.diff(found["miss_margin"].values) >= 0).all() and set(found["best"].values) == {0}
    assert np.isnan(found["share"].sel(kind="candidate")).all()


def test_margin_by_hand() -> None:
    q = np.tile([0.5, np.nan, 0.2, 0.45], (25, 1))
    found = margins(
        write_recording(None, decisions={"segment": np.arange(25), "entry": np.arange(25), "q": q}),
        thresholds=(0.04, 0.06),
    )
    np.testing.assert_allclose(found["miss_margin"], 0.05, atol=1e-6)
    assert found["share"].sel(kind="resident").values.tolist() == [0, 1]
    assert found["second"].values[0] == 3


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(AnalysisError, match="ascending nats above 0"):
        margins(planted_margins(None), thresholds=(0.1, 0.01))
    q = np.tile([0.5, np.nan, np.nan, np.nan], (25, 1))
    with pytest.raises(AnalysisError, match="0 decisions had a choice"):
        margins(write_recording(None, decisions={"segment": np.arange(25), "entry": np.arange(25), "q": q}))
