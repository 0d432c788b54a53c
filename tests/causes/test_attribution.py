import numpy as np
import pytest

from memlens.causes import attribution
from memlens.errors import AnalysisError


@pytest.mark.parametrize("method", ["integrated_gradients", "ablation", "occlusion"])
def test_answers_are_owed_to_the_item(stored, method):
    recording, model = stored
    found = attribution(recording, model, method=method, steps=80, width=1)
    mean, p = found["mean"], found["p_adjusted"]
    assert float(mean.sel(measure="on_fact")) > 0.9
    assert float(mean.sel(measure="comprehensiveness")) > 0.5 + float(
        found["null_mean"].sel(measure="comprehensiveness")
    )
    assert float(mean.sel(measure="sufficiency")) < float(found["null_mean"].sel(measure="sufficiency"))
    assert (p.sel(measure=["on_fact", "comprehensiveness"]) <= 0.05).all()
    assert (found["difference"] > 1).all()
    if method == "integrated_gradients":
        for name in ("delta", "conductance_delta"):
            np.testing.assert_allclose(found[name] / found["difference"], 0, atol=0.1)


def test_conductance_is_shared_out_among_slots_and_merges(small):
    recording, model = small
    found = attribution(recording, model, questions=14, sources=4, reach=6, steps=40, draws=1)
    slots, entries = found["slot_conductance"].sum("source"), found["entry_conductance"].sum("read")
    np.testing.assert_allclose(slots, entries, atol=0.05)
    np.testing.assert_allclose(entries, found["difference"], atol=0.1)


@pytest.mark.parametrize(
    ("params", "told"),
    [({"method": "gradients"}, "closest: integrated_gradients"), ({"steps": 0}, "steps 0")],
)
def test_bad_parameters_are_refused(stored, params, told):
    with pytest.raises(AnalysisError, match=told):
        attribution(*stored, **params)
