"""Running studies: rows survive a kill, quick runs stay apart, pages come from results alone."""

import argparse
import json
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from analyses.common.claim import Claim, Drawing, Table, Verdict
from analyses.common.results import RESULTS, ROOT, place
from analyses.common.runner import Run, run_study
from memlens.errors import ConfigError


def draw(result):
    from memlens.figures.style import label, sheet

    page, [axes] = sheet(columns=1)
    axes.plot([row["seed"] for row in result["rows"]], [row["square"] for row in result["rows"]])
    label(axes, "Squares", "seed", "square")
    return page


TOY = Claim(
    study="toy",
    number=1,
    title="Squares & co",
    stated="squares are <positive>",
    verdict=lambda result: Verdict(
        "holds" if result["summary"]["least"] > 0 else "does not hold",
        ("All of them.",),
        (Table(("seed",), (("1",),)),),
    ),
    drawings=(Drawing("squares", draw, lambda result: f"Squares of {len(result['rows'])} seeds"),),
)


class Toy:
    """Measures squares; stops, as a kill would, before ``stop``."""

    def __init__(self, stop: int | None = None, sizes: tuple[int, ...] = (2, 3)):
        self.stop, self.sizes, self.measured = stop, sizes, []

    def square(self, seed: int, size: int) -> dict[str, float]:
        if (seed, size) == (self.stop, self.sizes[-1]):
            raise KeyboardInterrupt
        self.measured.append((seed, size))
        return {"square": np.float64(seed**2 * size)}

    def __call__(self, run: Run) -> dict[str, float]:
        run.begin({"sizes": self.sizes}, {"toy": "0" * 64})
        rows = [
            run.row(lambda s=seed, n=size: self.square(s, n), seed=seed, size=size)
            for seed in run.seeds
            for size in self.sizes
        ]
        return {"least": min(row["square"] for row in rows)}


def run_toy(folder: Path, toy: Toy, *argv: str) -> Path:
    """Run it; the folder of its result."""
    run_study(TOY, toy, seeds=(1, 2, 3), argv=["-o", str(folder), *argv])
    return folder / "toy"


# running


def test_a_study_that_was_cut_off_measures_only_what_is_missing(tmp_path: Path) -> None:
    first = Toy(stop=3)
    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path, first)
    out = tmp_path / "toy"
    [partial] = out.glob("result.*.jsonl")
    assert not (out / "result.json").exists()
    with partial.open("a") as file:
        file.write('{"settings": {"seed": 3, "si')  # a line that a kill has torn
    second = Toy()
    run_toy(tmp_path, second)
    assert first.measured == [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2)]
    assert second.measured == [(3, 3)]
    result = json.loads((out / "result.json").read_text())
    assert [(row["seed"], row["size"], row["square"]) for row in result["rows"]] == [
        (s, n, s * s * n) for s in (1, 2, 3) for n in (2, 3)
    ]
    assert len(result["provenance"]["sessions"]) == 2
    assert result["provenance"]["started"] == result["provenance"]["sessions"][0]["started"]
    assert not partial.exists() and not list(out.glob("*.tmp"))


def test_rows_of_other_settings_are_neither_taken_up_nor_lost(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path, Toy(stop=3))
    other = Toy(sizes=(2, 5))
    out = run_toy(tmp_path, other)
    assert len(other.measured) == 6
    last = Toy()
    run_toy(tmp_path, last)
    assert last.measured == [(3, 3)] and not list(out.glob("*.jsonl"))


def test_more_seeds_keep_the_rows_of_those_before(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path, Toy(stop=3))
    toy = Toy()
    out = run_toy(tmp_path, toy, "--seeds", "2", "1", "7")
    assert toy.measured == [(7, 2), (7, 3)]
    result = json.loads((out / "result.json").read_text())
    assert [row["seed"] for row in result["rows"]] == [2, 2, 1, 1, 7, 7], "rows that were not asked for are left out"
    assert result["provenance"]["seeds"] == [2, 1, 7]


def test_a_failed_run_leaves_the_result_that_is_there(tmp_path: Path) -> None:
    out = run_toy(tmp_path, Toy())
    before = (out / "result.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path, Toy(stop=2))
    assert (out / "result.json").read_bytes() == before


def test_quick_runs_stay_apart(tmp_path: Path) -> None:
    out = run_toy(tmp_path, Toy())
    before = (out / "result.json").read_bytes()
    with pytest.raises(SystemExit, match="result of a full run"):
        run_toy(tmp_path, Toy(), "--quick", "--seeds", "5")
    assert (out / "result.json").read_bytes() == before
    out = run_toy(tmp_path / "quick", Toy(), "--quick", "--seeds", "5")
    assert json.loads((out / "result.json").read_text())["quick"]
    assert "no evidence" in (out / "page.html").read_text()
    assert place("toy", quick=True).parent == ROOT / "runs" / "studies" / "toy"
    with pytest.raises(ConfigError, match="keeps full runs"):
        place("toy", True, RESULTS)
    with pytest.raises(SystemExit, match="keeps full runs"):
        run_study(TOY, Toy(), argv=["--quick", "-o", str(RESULTS)])
    assert not list(RESULTS.glob("toy*"))


def test_a_kept_result_needs_three_seeds() -> None:
    args = argparse.Namespace(quick=False, out=None)
    with pytest.raises(ConfigError, match="got 2 seeds"):
        Run("toy", args, (0, 1, 1))
    assert Run("toy", args, (0, 1, 2)).path == RESULTS / "toy" / "result.json"


def test_a_row_needs_its_settings_said_first(tmp_path: Path) -> None:
    run = Run("toy", argparse.Namespace(quick=True, out=tmp_path), (0,))
    with pytest.raises(RuntimeError, match="begin"):
        run.row(dict, seed=0)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_study(TOY, lambda run: (run.begin({}, {}), run.row(lambda: {"x": np.nan}, seed=0))[1],
                  argv=["--quick", "-o", str(tmp_path)])  # fmt: skip


# drawing


def test_page_and_figures_come_from_the_result_alone(tmp_path: Path) -> None:
    out = run_toy(tmp_path, Toy())
    files = [out / "squares.svg", out / "page.html"]
    before = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    run_toy(tmp_path, Toy(stop=1), "--redraw")
    assert [path.read_bytes() for path in files] == before
    text = before[1].decode()
    assert "squares are &lt;positive&gt;" in text and "<positive>" not in text
    assert "Squares of 6 seeds" in text and "Verdict: holds" in text
    assert not re.search(r'(src|href)="(?!#)', text), "the page fetches nothing"
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)) <= {(i, "") for i in ids} | {("", i) for i in ids}
    assert matplotlib.rcParams["svg.hashsalt"] is None, "settings of other figures are left alone"


def test_a_result_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run the study first"):
        run_toy(tmp_path, Toy(), "--redraw")
