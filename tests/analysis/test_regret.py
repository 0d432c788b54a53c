import json

import pytest

from memlens.analysis import regret
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.control import planted_policies


def test_planted_regret_is_found() -> None:
    own, others = planted_policies(better=0.2)
    truth = json.loads(own.attrs["truth"])["regret"]
    found = regret(own, others=others)
    for name in ("oracle", "random"):
        each = found.sel(other=name)
        assert float(each["regret"]) == pytest.approx(truth[name])
        assert float(each["regret_low"]) <= truth[name] <= float(each["regret_high"])
        assert float(each["regret_p_adjusted"]) <= 0.05
    assert found["policy"].values.tolist() == ["learned", "oracle", "random"]
    assert float(found["covered"]) == pytest.approx(-truth["random"] / (truth["oracle"] - truth["random"]))


def test_a_policy_has_no_regret_against_itself() -> None:
    own, _ = planted_policies()
    found = regret(own, others=[own])
    assert float(found["regret"][0]) == 0
    assert float(found["regret_p"][0]) == 1
    assert found["other"].values.tolist() == ["learned (2)"]


def test_what_differs_is_named() -> None:
    own, others = planted_policies()
    with pytest.raises(AnalysisError, match="no other recording was given; make one with `memlens record"):
        regret(own, others=[])
    questions = {name: own.questions[name].values for name in ("segment", "correct")} | {
        "fact": own.questions["fact"].values + 1
    }
    unlike = write_recording(None, questions=questions, attrs={"weights_sha256": "ab"})
    with pytest.raises(AnalysisError, match=r"the weights .*the fact of question 0; record one model on one stream"):
        regret(own, others=[others[0], unlike])
    with pytest.raises(AnalysisError, match=r"the number of questions \(240 and 0\)"):
        regret(own, others=[write_recording(None, n_segment=60)])
