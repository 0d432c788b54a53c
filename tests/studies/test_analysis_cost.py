"""What analyses cost is judged by its goals; every arm runs on a small file and gives the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from analyses.analysis_cost import part
from analyses.analysis_cost import study as analysis_cost
from analyses.analysis_cost import verdict as judged
from analyses.common.results import ROOT

from .conftest import check_drawings


def rows(ratio: float = 1.1, gib: float = 1.0, off: float = 0.0, seconds: float = 50.0) -> list[dict]:
    """Three seeds that cost so much."""
    found: list[dict] = []
    for seed in range(3):
        for name in part.PARTS:
            arms = {
                arm: {"seconds": more, "cpu": more, "gib": gib, "score": 0.9 + off * (arm == "blocks")}
                for arm, more in (("bare", 1.0), ("memlens", ratio), ("blocks", 4.0))
            }
            found.append({"part": name, "seed": seed, "arms": arms})
    whole = {"seconds": seconds, "cpu": seconds, "analyses": 20, "each": {"clusters": 9.0}, "refused": [], "load": 1.0}
    return [*found, {"part": "whole", "seed": 0, **whole}]


@pytest.mark.parametrize(
    ("measured", "status", "missed"),
    [
        (rows(), "holds", "none"),
        (rows(ratio=1.3), "holds under conditions", "PCA at most x1.2"),
        (rows(gib=4.1), "holds under conditions", "PCA in less than 4 GiB"),
        (rows(seconds=61), "holds under conditions", "all analyses within 60 s"),
        (rows(off=0.02), "does not hold", "PCA by blocks"),
    ],
)
def test_goals_decide(measured: list[dict], status: str, missed: str) -> None:
    result = {
        "summary": judged.summarise(measured), "config": {"n_row": 1000, "n_token": 1000, "threads": 1, "workers": 2},
        "provenance": {"machine": {"cpu_count": 2}},
    }  # fmt: skip
    verdict = judged.verdict(result)
    assert verdict.status == status
    assert missed in verdict.sentences[0]
    check_drawings(analysis_cost.CLAIM, result)


def test_arms_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    part.planted(path, 20_000, 0)
    scores = {}
    for arm in part.ARMS:
        command = [sys.executable, "-m", "analyses.analysis_cost.part", "pca", arm, str(path), "20000"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
        assert told["gib"] > 0 and told["cpu"] > 0
        scores[arm] = told["score"]
    assert max(scores.values()) - min(scores.values()) < 1e-4
