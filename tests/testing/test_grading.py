"""Every analysis has its planted cases, the grades are what they say, and the kept table covers them all."""

from dataclasses import replace

import numpy as np
import pytest

from analyses.common.results import RESULTS, kept
from analyses.grading import study as grading
from memlens.catalogue import CATALOGUE, find
from memlens.testing import write_recording
from memlens.testing.cases import cases
from memlens.testing.grading import Case, Verdict, grade, passes


def asked(seed):
    """Questions that are answered right at a rate of 0.8."""
    random = np.random.default_rng(seed)
    table = {"segment": np.zeros(100, int), "distance": np.arange(100), "correct": random.random(100) < 0.8}
    return write_recording(None, questions=table, truth={"accuracy": 0.8})


def near(found, truth):
    value = float(found["overall"].sel(modality="all"))
    return Verdict(abs(value - truth["accuracy"]) < 0.2, {"accuracy": value})


CASE = Case("toy", "retention", "positive", "within 0.2", asked, near)


@pytest.mark.parametrize("name", [analysis.name for analysis in CATALOGUE])
def test_every_analysis_has_a_positive_and_a_negative_case(name):
    kinds = {case.kind for case in cases() if case.analysis == name}
    assert {"positive", "negative"} <= kinds, f"{name} has {kinds}: add to a file of memlens/testing/cases"


def test_cases_are_named_apart_and_say_what_they_plant():
    names = [(case.analysis, case.name, case.kind) for case in cases()]
    assert len(set(names)) == len(names)
    for case in cases():
        assert case.plants and case.claim, case.name
        assert (case.judge is None) == (case.kind == "refusal"), case.name
        assert not (case.costly and case.kind == "negative"), case.name


def test_right_wrong_refused_and_crashed():
    assert grade(CASE, range(3)).outcome == "right"
    wrong = grade(replace(CASE, judge=lambda found, truth: Verdict(False, {"x": 1.0})), range(3))
    assert (wrong.outcome, wrong.wrong, wrong.numbers) == ("silently wrong", 3, {"x": 1.0})
    refused = grade(replace(CASE, params={"bins": 0}), range(3))
    assert refused.outcome == "refused" and refused.note.startswith("AnalysisError: bins is 0")
    assert grade(replace(CASE, judge=lambda found, truth: found["nothing"]), range(1)).outcome == "crashed"
    assert grade(replace(CASE, params={"bins": "many"}), range(1)).outcome == "crashed"


def test_a_refusal_that_gives_a_result_is_silently_wrong():
    case = replace(CASE, kind="refusal", judge=None)
    assert grade(case, range(1)).outcome == "silently wrong"
    assert not passes(case, grade(case, range(1)))
    refusing = replace(case, params={"bins": 0})
    assert passes(refusing, grade(refusing, range(1)))
    assert not passes(CASE, grade(replace(CASE, params={"bins": 0}), range(1)))


@pytest.mark.parametrize(("every", "outcome"), [(20, "right"), (5, "silently wrong")])
def test_a_negative_case_may_find_something_at_its_rate(every, outcome):
    seen = iter(range(1000))
    case = replace(CASE, kind="negative", judge=lambda found, truth: Verdict(next(seen) % every > 0))
    found = grade(case, range(200))
    assert (found.outcome, found.wrong) == (outcome, 200 // every)
    assert found.low < found.wrong / 200 < found.high


def test_further_parameters_come_with_the_recording():
    def late(seed):
        return asked(seed), {"bins": [0, 50]}

    assert grade(replace(CASE, build=late), range(1)).outcome == "right"


def runs_the_model(case):
    return find(case.analysis).home == "memlens.causes"


def named(case):
    return f"{case.analysis}-{case.name}-{case.kind}"


@pytest.mark.parametrize("case", [c for c in cases() if not c.costly], ids=named)
def test_a_case_comes_out_as_it_should(case):
    """One seed here, four of a negative case that runs no model; the kept table has them all."""
    seeds = range(1) if case.kind != "negative" else range(100, 101) if runs_the_model(case) else range(100, 104)
    found = grade(case, seeds)
    assert passes(case, found), (found.outcome, found.numbers, found.note)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in cases() if c.kind == "negative" and runs_the_model(c)], ids=named)
def test_a_negative_case_that_runs_the_model_comes_out_as_it_should(case):
    """Four seeds."""
    found = grade(case, range(100, 104))
    assert passes(case, found), (found.outcome, found.numbers, found.note)


def graded():
    """The kept result, and the cases that it is of."""
    result = kept("grading")
    assert result is not None
    return result, {(row["analysis"], row["name"], row["kind"]) for row in result["rows"]}


@pytest.mark.slow
def test_the_kept_table_covers_every_case():
    """A new case is graded over all seeds before a release, not before each commit."""
    assert graded()[1] == {(c.analysis, c.name, c.kind) for c in cases()}, "run `python -m analyses.grading`"


def test_the_kept_table_is_that_of_the_kept_result():
    result, table = graded()
    assert table <= {(c.analysis, c.name, c.kind) for c in cases()}, "run `python -m analyses.grading`"
    assert grading.PAGE.read_text(encoding="utf-8") == grading.page(result), "run `python -m analyses.grading`"
    assert all(row["passes"] for row in result["rows"])
    assert all(row["n"] >= 200 for row in result["rows"] if row["kind"] == "negative" and not row["note"])
    assert not result["quick"] and result["provenance"]["command"] == "python -m analyses.grading"


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    bad = replace(CASE, name="bad", judge=lambda found, truth: Verdict(False, {"accuracy": 0.1}))
    monkeypatch.setattr(grading, "cases", lambda: (CASE, bad))
    assert grading.main(["--quick", "-o", str(tmp_path)]) == 1
    assert "silently wrong: retention, bad: accuracy 0.1" in capsys.readouterr().out
    assert "**silently wrong**" in (tmp_path / "grading" / "page.md").read_text(encoding="utf-8")
    monkeypatch.setattr(grading, "cases", lambda: (CASE,))
    assert grading.main(["--quick", "-o", str(tmp_path)]) == 0
    assert grading.main(["--quick", "--only", "retention", "-o", str(tmp_path / "only")]) == 0
    assert not (tmp_path / "only").exists(), "--only writes nothing"


@pytest.mark.parametrize("words", [["--seeds", "20"], ["--only", "retnetion"], ["--quick", "-o", str(RESULTS)]])
def test_the_command_refuses(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        grading.main(words)
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "got" in told or "no case" in told
