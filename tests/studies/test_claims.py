"""docs/claims.md says what the kept results say, and every kept result has its provenance."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from analyses.common import provenance as study_provenance
from analyses.common.claim import Claim, Verdict
from analyses.common.page import write_page
from analyses.common.results import LEAST_SEEDS, RESULTS, ROOT, kept, read_lines
from analyses.common.runner import Run
from analyses.publish import claims

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
SHA = re.compile(r"^[0-9a-f]{64}$")


def test_claims_page_is_what_the_results_say() -> None:
    assert claims.PAGE.read_text(encoding="utf-8") == claims.page(), "run `python -m analyses.publish.claims`"


def test_claims_are_numbered_apart() -> None:
    numbers = [claim.number for claim in claims.studies().values()]
    assert len(set(numbers)) == len(numbers) >= 1


def test_a_claim_without_a_result_is_not_measured_yet() -> None:
    toy = Claim("toy", 1, "Squares", "squares are positive", lambda result: Verdict("holds", ()))
    lines = claims.entry("toy", toy, claims.NOT_MEASURED, None)
    assert "**Verdict: not measured yet.**" in lines
    assert lines[-1] == "Measure it: `python -m analyses.toy`"
    assert not any("svg" in line for line in lines)


@pytest.mark.parametrize("name", list(claims.studies()))
def test_kept_results_have_their_provenance(name: str) -> None:
    result = kept(name)
    if result is None:
        return  # the page says "not measured yet", which the page's own test checks
    assert set(result) == {"study", "quick", "provenance", "config", "summary", "rows"}
    told = result["provenance"]
    assert result["study"] == name and result["quick"] is False and result["rows"] and result["config"]
    assert told["command"].startswith(f"python -m analyses.{name}") and "--quick" not in told["command"]
    assert len(set(told["seeds"])) >= LEAST_SEEDS
    assert told["measured"] and all(SHA.match(sha) for sha in told["measured"].values())
    assert set(told["versions"]) == {"python", *study_provenance.PACKAGES}
    assert set(told["machine"]) == {"platform", "processor", "cpu_count", "threads", "load_average"}
    assert TIME.match(told["started"]) and TIME.match(told["finished"]) and told["started"] <= told["finished"]
    assert told["sessions"]
    for session in told["sessions"]:
        assert re.match(r"^[0-9a-f]{40}$", session["commit"]) and SHA.match(session["source_sha256"])
        assert TIME.match(session["started"]) and len(session["load_average"]) == 3
    text = json.dumps(result)
    assert str(ROOT) not in text and "/home/" not in text and "/tmp/" not in text
    claim = claims.studies()[name]
    for drawing in claim.drawings:
        path = RESULTS / name / f"{drawing.what}.svg"
        assert 0 < path.stat().st_size < 300_000
        assert drawing.caption(result).count(". ") <= 1, "a caption claims one thing"
    assert (RESULTS / name / "page.html").stat().st_size < 1_000_000
    assert claim.verdict(result).sentences


def test_every_kept_file_belongs_to_a_study() -> None:
    for folder in RESULTS.iterdir():
        assert (ROOT / "analyses" / folder.name / "study.py").exists(), folder.name
        claim = claims.studies().get(folder.name)
        known = {"result.json"} | ({"page.html", *(f"{d.what}.svg" for d in claim.drawings)} if claim else set())
        # while a study is running, or was cut off, its rows are there too
        assert {path.name for path in folder.iterdir() if path.suffix not in {".jsonl", ".tmp"}} == known, folder.name


@pytest.mark.parametrize("name", list(claims.studies()))
def test_pages_are_redrawn_equal_from_kept_results(name: str, tmp_path: Path) -> None:
    result = kept(name)
    if result is None:
        return
    write_page(result, claims.studies()[name], tmp_path / "result.json")
    pages = [folder / "page.html" for folder in (RESULTS / name, tmp_path)]
    before, drawn = (re.search(r"<h2>Verdict:.*?<h2>Figures", page.read_text(encoding="utf-8"), re.S) for page in pages)
    assert before is not None and drawn is not None
    assert before.group() == drawn.group(), f"run `python -m analyses.{name} --redraw`"


@pytest.mark.parametrize("name", list(claims.studies()))
def test_commands_say_what_they_measure(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(f"analyses.{name}", run_name="__main__")
    told = capsys.readouterr().out
    assert stopped.value.code == 0
    assert claims.studies()[name].title in " ".join(told.split()) and "--redraw" in told


class Begun(Exception):
    """The first row is about to be measured."""


@pytest.mark.parametrize("name", list(claims.studies()))
def test_a_study_says_what_it_measures_before_its_first_row(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and fingerprints of what is measured; the rows of quick runs are measured by the slow tests."""

    def stop(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.setattr(Run, "row", stop)
    monkeypatch.setattr(sys, "argv", [name, "--quick", "-o", str(tmp_path)])
    with pytest.raises(Begun):
        runpy.run_module(f"analyses.{name}", run_name="__main__")
    [partial] = (tmp_path / name).glob("result.*.jsonl")
    header, begun = read_lines(partial)
    assert header["quick"] and header["config"] and header["measured"]
    assert all(SHA.match(sha) for sha in (*header["measured"].values(), begun["session"]["source_sha256"]))


def test_a_study_is_a_command() -> None:
    name, claim = next(iter(claims.studies().items()))
    command = [sys.executable, "-m", f"analyses.{name}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert claim.title in " ".join(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(claims.studies()))
def test_quick_runs_reach_their_end(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"analyses.{name}", "--quick", "-o", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=900)
    result = json.loads((tmp_path / name / "result.json").read_text())
    assert result["quick"] and result["rows"] and claims.studies()[name].verdict(result).sentences
    assert not list(tmp_path.rglob("*.jsonl"))


def test_every_study_says_what_it_claims_and_draws_it() -> None:
    for claim in claims.studies().values():
        assert claim.drawings and claim.stated.endswith(".")
