import json

import numpy as np
import pytest

from memlens.analysis import calibration
from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.decision_table import decision_rows
from memlens.analysis.support.reads_to_come import reads_to_come
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.control import planted_calibration


@pytest.fixture(scope="module")
def planted():
    return planted_calibration(None, n_segment=60, merges=True)


def test_returns_are_those_of_the_definition(planted) -> None:
    """Backed up over all decisions at once, against a walk along each entry's way, merges included."""
    found = reads_to_come(planted, decision_rows(planted, 1), Ancestry(planted), 0.9, 5)
    truth = json.loads(planted.attrs["truth"])["returns"]
    assert (planted.decisions["executed"].values == 1).sum() > 20
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_q_that_knows_is_found(planted) -> None:
    found = calibration(planted, horizon=10)
    assert (found["p"].values <= 0.05).all()
    assert (found["rho_low"].values > 0).all() and (found["rho_high"].values < 1).all()
    assert int(found["bin_n"].sum()) == found.attrs["n"] == int(found["n"].sel(group="all"))
    assert (np.diff(found["q"].values) > 0).all()


def test_more_knowledge_ranks_better() -> None:
    rho = [float(calibration(planted_calibration(None, knows=k, seed=1))["rho"][0]) for k in (0.0, 0.5, 1.0)]
    assert rho[0] < rho[1] < rho[2]


def test_what_is_wrong_is_named(planted) -> None:
    with pytest.raises(AnalysisError, match="horizon is 60 segments and the recording has 60"):
        calibration(planted, horizon=60)
    columns = {name: planted.decisions[name].values for name in ("segment", "entry", "q", "executed")}
    entries = {
        name: planted.entries[name].values for name in ("segment", "entry", "died", "slot", "parent", "level", "fate")
    }
    with pytest.raises(AnalysisError, match="no entry was read from the store"):
        calibration(write_recording(None, decisions=columns, entries=entries, capacities=(200, 200)))
    with pytest.raises(AnalysisError, match="0 decisions"):
        calibration(write_recording(None, n_segment=5))
    with pytest.raises(AnalysisError, match="has 1 segment, expected 2 or more") as refused:
        calibration(write_recording(None, n_segment=1))
    assert "horizon" not in str(refused.value)
