"""``memlens analyse``: a list, chosen analyses with parameters, errors in one line."""

import json
from pathlib import Path

import pytest

from memlens.catalogue import CATALOGUE
from memlens.cli.main import main
from memlens.testing import planted_recording


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("analyse") / "run"
    planted_recording(path, n_segment=24)
    return path


def test_the_list_says_what_each_answers_and_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(CATALOGUE)
    for one in CATALOGUE:
        [line] = [line for line in lines if line.split("  ")[0] == one.name]
        assert one.question in line and all(point in line for point in one.points)
        assert all(need in line for need in one.needs)


def test_chosen_analyses_run_with_their_parameters(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["analyse", str(run), "occupancy", "lineage", "-o", str(out), "--set", "lineage.shuffles=19"]) == 0
    told = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["analyses"]
    assert [one["analysis"] for one in told] == ["occupancy", "lineage"] and all(one["ran"] for one in told)
    assert told[1]["params"]["shuffles"] == 19
    assert {path.stem for path in (out / "data").iterdir()} >= {"occupancy", "lineage"}
    assert str(out / "report.html") in capsys.readouterr().out


def test_an_analysis_that_cannot_run_says_why(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["analyse", str(run), "drift", "-o", str(out), "--set", "drift.point=working.hook_slot"]) == 0
    assert "memlens record MODEL STREAM -o RUN --points default working.hook_slot" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN", "--all"], "-o DIR is missing"),
        (["RUN", "-o", "OUT"], "either names of analyses or --all"),
        (["RUN", "probe", "--all", "-o", "OUT"], "either names of analyses or --all"),
        (["RUN", "probes", "-o", "OUT"], "closest: probe"),
        (["RUN", "probe", "-o", "OUT", "--set", "probe=4"], "expected NAME.PARAMETER=VALUE"),
        (["RUN", "probe", "-o", "OUT", "--set", "drift.point=a"], "none of the analyses that were chosen"),
        (["RUN", "alignment", "-o", "OUT"], "'alignment' needs other"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    named = {"RUN": str(run), "OUT": str(out)}
    assert main(["analyse", *(named.get(one, one) for one in arguments)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


@pytest.fixture(scope="module")
def of_a_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model's folder and a recording whose command names it."""
    from memlens.model import load_model, save_model
    from memlens.recording import RecordOptions, record
    from memlens.testing.models import last_item

    folder, built = tmp_path_factory.mktemp("model"), last_item()
    save_model(built.model, folder / "model")
    attrs = {"command": f"memlens record {folder / 'model'} stream -o run"}
    record(load_model(folder / "model"), built.stream, folder / "run", RecordOptions(attrs=attrs, states_every=1))
    return folder / "model", folder / "run"


EFFECTS = ["--set", 'effects.what="level"', "effects.questions=10"]


def test_the_model_is_found_by_its_weights(of_a_file: tuple[Path, Path], tmp_path: Path) -> None:
    _, recorded = of_a_file
    assert main(["analyse", str(recorded), "effects", "-o", str(tmp_path / "out"), *EFFECTS]) == 0
    [told] = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["analyses"]
    assert told["ran"] and told["params"]["what"] == ["level"]


def test_a_model_that_moved_is_asked_for(
    of_a_file: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, recorded = of_a_file
    moved = folder.rename(tmp_path / "moved")
    try:
        assert main(["analyse", str(recorded), "effects", "-o", str(tmp_path / "none"), *EFFECTS]) == 0
        assert "give --model DIR" in capsys.readouterr().out
        words = ["analyse", str(recorded), "effects", "--model", str(moved), "-o", str(tmp_path / "given"), *EFFECTS]
        assert main(words) == 0
        assert (tmp_path / "given/data/effects.json").is_file()
        assert main(["analyse", str(recorded), "effects", "--model", "nano", "-o", str(tmp_path / "other")]) == 2
        assert "give that model" in capsys.readouterr().err
    finally:
        moved.rename(folder)
