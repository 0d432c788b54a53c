"""docs/findings.md is what the script writes from its result, and its sentences say what the numbers say."""

import json

import pytest

from analyses.common.results import kept
from analyses.findings import study as findings
from analyses.findings import words as said
from analyses.findings.losses import ENDS, losses
from analyses.findings.page import page
from analyses.findings.sentences import SECTIONS
from memlens.testing import write_recording


def test_the_page_is_what_the_result_says():
    assert findings.PAGE.read_text(encoding="utf-8") == page(kept("findings")), (
        "run `python -m analyses.findings --redraw`"
    )


@pytest.mark.slow
def test_a_quick_run_writes_page_and_result(tmp_path):
    assert findings.main(["--quick", "-o", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "findings" / "result.json").read_text())
    assert {row["run"] for row in result["rows"]} == set(findings.QUICK_RUNS)
    text = (tmp_path / "findings" / "page.md").read_text()
    assert "no evidence" in text and "nan" not in text.lower().replace("nano", "")
    for title in SECTIONS:
        assert f"### {title}" in text


@pytest.mark.parametrize(
    ("ps", "words"),
    [([0.01, 0.05, 0.02], "Yes (p"), ([0.2, 0.9, 0.06], "No (p"), ([0.01, 0.9], "not settled whether yes"), ([None], "not be tested")],
)  # fmt: skip
def test_a_finding_is_what_the_streams_agree_on(ps, words):
    assert words in said.decided(ps, "Yes", "No")


def test_every_end_of_a_fact_is_told_apart():
    """Facts 0 .. 5: never written, dropped, merged, held and not read, held and read, read in the segment of its slot."""
    entries = {
        "segment": [0, 0, 0, 1, 0, 0, 5], "entry": [1, 2, 3, 4, 5, 6, 7], "slot": [1, 2, 3, -1, 5, 6, 7], "level": [0, 0, 0, 1, 0, 0, 0],
        "fact": [1, 2, -1, -1, 3, 4, 5], "died": [3, 1, 1, -1, -1, -1, -1], "fate": [3, 1, 1, -1, -1, -1, -1],
        "parent": [[-1, -1]] * 3 + [[2, 3]] + [[-1, -1]] * 3,
    }  # fmt: skip
    asked = {
        "segment": [5] * 6, "fact": [0, 1, 2, 3, 4, 5], "correct": [False] * 5 + [True],
        "read_entry": [[5, -1], [5, -1], [4, -1], [6, 5], [6, -1], [7, -1]], "read_weight": [[1, 0]] * 3 + [[0.95, 0.05]] + [[1, 0]] * 2,
    }  # fmt: skip
    told = losses(write_recording(None, entries=entries, questions=asked, n_segment=6))
    assert told["wrong"] == dict.fromkeys(ENDS, 1)
    assert told["right"] == dict.fromkeys(ENDS, 0) | {"read": 1}
