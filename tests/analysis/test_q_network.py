import json

import numpy as np
import pytest

from memlens.analysis import q_network
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.control import planted_q

from .chance import SEEDS, assert_rate


@pytest.fixture(scope="module")
def planted():
    return planted_q(None, n_segment=120)


@pytest.fixture(scope="module")
def found(planted):
    return q_network(planted)


def test_what_q_uses_is_found_and_nothing_else(planted, found) -> None:
    truth = json.loads(planted.attrs["truth"])
    seen = {str(name) for name, p in zip(found["feature"].values, found["p_adjusted"].values, strict=True) if p <= 0.05}
    assert seen == set(truth["uses"])
    assert found["importance"].values.argmax() == 0
    assert float(found["explained_p"]) <= 0.05
    assert float(found["explained"]) == pytest.approx(truth["explained"], abs=0.07)


def test_partial_dependence_has_the_planted_slopes(found) -> None:
    for name, slope in (("importance", 1.0), ("novelty", -0.5), ("hits", 0.0)):
        own = found.sel(feature=name)
        inner = slice(3, 17)
        fitted = np.polyfit(own["value"][inner], own["dependence"][inner], 1)[0]
        assert fitted == pytest.approx(slope, abs=0.15)
        assert (own["dependence_low"] <= own["dependence"]).all() and (
            own["dependence"] <= own["dependence_high"]
        ).all()


def test_the_tree_acts_like_the_controller(found) -> None:
    assert float(found["fidelity"]) > float(found["majority"]) + 0.1
    assert float(found["fidelity_low"]) <= float(found["fidelity"]) <= float(found["fidelity_high"])
    assert float(found["fidelity_p"]) <= 0.05
    assert int(found["leaf_count"].sum()) == found.attrs["n"]
    assert all(str(rule).startswith(("importance", "novelty")) for rule in found["rule"].values)


@SEEDS
def test_nothing_planted_is_found_at_the_stated_rate(seeds: int) -> None:
    """Q belongs to the entries and to nothing the controller sees: an entry's features name it, and must not explain it."""
    few = {"folds": 2, "repeats": 1, "shuffles": 39, "grid": 2}
    results = [
        q_network(planted_q(None, uses={}, noise=1.0, n_segment=12, new_entries=4, seed=seed), **few)
        for seed in range(seeds)
    ]
    assert_rate([float(each["explained_p"]) for each in results])
    assert_rate([float(each["p_adjusted"].min()) for each in results])
    assert_rate([float(each["fidelity_p"]) for each in results])


def test_a_copy_is_named() -> None:
    recording = planted_q(None)
    control = recording.decisions["control"].values.copy()
    control[:, 3] = 2 * control[:, 0] + 1
    columns = {name: recording.decisions[name].values for name in ("segment", "entry", "q")} | {"control": control}
    found = q_network(
        write_recording(None, decisions=columns, control=recording.decisions["feature"].values.tolist()), shuffles=1
    )
    assert found["copied"].sel(feature=["importance", "hits"]).values == pytest.approx([1, 1])
    assert float(found["copied"].sel(feature="novelty")) < 0.2


def test_what_is_wrong_is_named(planted) -> None:
    with pytest.raises(AnalysisError, match="0 decisions, expected 100 or more"):
        q_network(write_recording(None, n_segment=3))
    columns = {name: planted.decisions[name].values.copy() for name in ("segment", "entry", "q", "control")}
    columns["control"][7, 2] = np.nan
    with pytest.raises(AnalysisError, match=r"control\[7, 2\] is nan"):
        q_network(write_recording(None, decisions=columns, control=list("abcde")))
    columns["control"][7, 2], columns["q"][:] = 0, 1.0
    with pytest.raises(AnalysisError, match="at every decision"):
        q_network(write_recording(None, decisions=columns, control=list("abcde")))
    with pytest.raises(AnalysisError, match="folds"):
        q_network(planted, folds=1)
