import numpy as np
import pytest

from memlens.analysis import decision_factors
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.control import planted_q


def test_the_planted_factor_is_found_and_no_other() -> None:
    recording = planted_q(None, uses={"importance": 1.0}, noise=0.3, n_segment=80)
    found = decision_factors(recording)
    for kind in ("candidate", "resident"):
        p = found["p_adjusted"].sel(kind=kind)
        assert float(p.sel(tested="importance")) <= 0.05
        assert float(p.sel(tested="novelty")) > 0.05
    cells = found.isel(cell=np.flatnonzero(found["factor"].values == "importance"))
    stored = cells["share"].sel(kind="candidate", action="STORE").values
    assert (np.diff(stored) > 0).all() and stored[0] < 0.2 and stored[-1] > 0.8
    assert int(found["count"].sum()) == found.attrs["n"] * found.sizes["tested"]


def test_unknown_factors_and_too_few() -> None:
    with pytest.raises(AnalysisError, match="novelty"):
        decision_factors(planted_q(None), factors=("noveltie",))
    with pytest.raises(AnalysisError, match="expected 50 or more"):
        decision_factors(write_recording(None, n_segment=3))
