"""Bad input is one line on stderr and exit code 2; bugs, interruptions and closed pipes have codes of their own."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from memlens.cli import main
from memlens.cli import points as points_command

BAD = {
    "no command": ([], "required"),
    "wrong command": (["recrod"], "'recrod' is none of the choices; closest: record"),
    "wrong option": (["points", "--nosuch"], "unrecognized arguments: --nosuch"),
    "missing out": (["record", "nano", "noise"], "-o/--out"),
    "no model": (["info", "nowhere/model"], "no model folder at 'nowhere/model'"),
    "no recording": (["report", "nowhere", "-o", "out"], "no recording at 'nowhere': there is nothing"),
    "recording is a file": (["report", "file.txt", "-o", "out"], "no recording at 'file.txt': it is a file"),
    "no recording to open": (["open", "nowhere"], "no recording at 'nowhere'"),
    "port in words": (["open", "nowhere", "--port", "http"], "'http' is not a port"),
    "port too low": (["open", "nowhere", "--port", "80"], "'80' is not a port"),
    "no config": (["train", "nowhere.toml", "-o", "out"], "no config file at 'nowhere.toml'"),
    "length is zero": (["evaluate", "nano", "--length", "0"], "expected a whole number from 1000"),
    "count is a fraction": (["evaluate", "nano", "--length", "1.5"], "is not a number"),
    "count is infinite": (["evaluate", "nano", "--length", "infK"], "must be a whole number above 0"),
    "length of a file": (
        ["record", "nano", "./file.txt", "-o", "out", "--length", "1K"],
        "--length and --seed are for",
    ),
    "no task": (["evaluate", "nano", "--task", "nedle"], "no built-in stream or task 'nedle'; closest: needle"),
    "no option": (["evaluate", "nano", "--task", "needle", "--set", "naer=1"], "has no option 'naer'; closest: near"),
    "option in words": (["evaluate", "nano", "--task", "needle", "--set", "near=much"], "expected a number, such as"),
    "option without value": (["evaluate", "nano", "--set", "repeats"], "'repeats' sets nothing; give key=value"),
    "questions of a table": (["evaluate", "nano", "--questions"], "--questions adds to what --json prints"),
    "wrong split": (["evaluate", "nano", "--split", "tset"], "'tset' is none of the choices; closest: test"),
    "seed is negative": (["record", "nano", "noise", "-o", "out", "--seed=-1"], "'-1' is not a seed"),
    "wrong dtype": (["record", "nano", "noise", "-o", "out", "--dtype", "float61"], "closest: float16"),
    "demo over data of another": (["demo", "-o", "taken", "--overwrite"], "'taken' was not written by 'memlens demo'"),
    "demo exists": (["demo", "-o", "taken"], "'taken' exists already"),
    "damaged model": (["info", "damaged"], "is not JSON"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("argv", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("memlens: error: ")
    assert message in err
    assert (folder / "taken" / "thesis.txt").read_text() == "mine"
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "memlens: interrupted"),
        (RuntimeError("two\nlines"), 1, "memlens: this is a bug: RuntimeError: two lines; MEMLENS_DEBUG=1"),
        (OSError(28, "No space left on device", "run"), 2, "memlens: error: 'run': No space left on device"),
    ],
)
def test_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failure: BaseException, code: int, message: str
) -> None:
    def fail(args: object) -> None:
        raise failure

    monkeypatch.delenv("MEMLENS_DEBUG", raising=False)
    monkeypatch.setattr(points_command, "run", fail)
    assert main(["points"]) == code
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert "Traceback" not in err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MEMLENS_DEBUG", "1")
    assert main(["info", "nowhere"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_training_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from memlens.cli import train

    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", interrupt)
    assert main(["train", "a.toml", "-o", "out"]) == 130
    assert "--resume" in capsys.readouterr().err


def test_closed_pipe_is_quiet() -> None:
    done = subprocess.run(
        f"{sys.executable} -m memlens points | head -n 1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("point")
    assert done.stderr == ""


def test_points_lists_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    from memlens.config import ModelConfig
    from memlens.model.points import points

    assert main(["points"]) == 0
    out = capsys.readouterr().out
    assert all(point.name in out for point in points(ModelConfig()))


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["record", "--help"], ["demo", "--help"]])
def test_help(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert main(argv) == 0
    assert "memlens" in capsys.readouterr().out


def test_help_is_fast() -> None:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "memlens", "--help"], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    assert min(once() for _ in range(3)) < 0.7
