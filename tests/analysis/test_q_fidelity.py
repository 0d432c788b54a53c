import numpy as np
import pytest

from memlens.analysis import q_fidelity
from memlens.errors import AnalysisError
from memlens.testing.control import planted_sweep


def test_a_q_that_is_right_is_right_in_nats() -> None:
    recording, sweep = planted_sweep(knows=1.0)
    found = q_fidelity(recording, sweep=sweep)
    np.testing.assert_allclose(found["predicted"], found["measured"], atol=1e-4)
    assert float(found["rho"]) == pytest.approx(1, abs=1e-3)
    assert float(found["slope"]) == pytest.approx(1, abs=1e-3)
    assert float(found["agreement"]) == 1
    assert float(found["rho_p"]) <= 0.05


def test_half_knowledge_lies_between() -> None:
    recording, sweep = planted_sweep(knows=0.5)
    found = q_fidelity(recording, sweep=sweep)
    assert 0.3 < float(found["rho_low"]) < float(found["rho"]) < float(found["rho_high"]) < 0.95


def test_what_is_wrong_is_named() -> None:
    recording, sweep = planted_sweep()
    with pytest.raises(AnalysisError, match=r"the sweep lacks loss_change; give what `memlens.sweep"):
        q_fidelity(recording, sweep=sweep.drop_vars("loss_change"))
    with pytest.raises(AnalysisError, match="entry 1000 in segment 0, on which this recording decided nothing"):
        q_fidelity(recording, sweep=sweep.assign_coords(entry=sweep["entry"] + 1000))
    with pytest.raises(AnalysisError, match="0 of 120 targets force another action"):
        q_fidelity(recording, sweep=sweep.assign(executed=("target", ["STORE"] * 120)))
