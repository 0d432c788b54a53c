"""``memlens info``: a reading that fits a screen, and all that is known as JSON."""

import json
import shutil
from pathlib import Path

import pytest

from memlens.cli import main
from memlens.resources import shipped_model
from memlens.testing import planted_recording


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("info") / "a run"
    planted_recording(path, n_segment=12, n_sequence=2)
    return path


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["info", *argv]) == 0
    return capsys.readouterr().out


def labels(text: str) -> list[str]:
    """What stands before the two spaces of a line, where something does."""
    return [line.split("  ")[0] for line in text.splitlines() if line and not line.startswith(" ")]


def test_a_recording_in_words(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, str(run))
    assert out.startswith(f"{run}: a recording, complete\n\n")
    assert {"what it is", "made", "answers", "points", "tables", "states", "on disk"} <= set(labels(out))
    facts = json.loads(printed(capsys, str(run), "--json"))
    answers = facts["answers"]["all"]
    assert f"{answers['correct']:,} of {answers['n']:,} questions exactly" in out
    assert f"memlens open '{run}'" in out
    assert len(out.splitlines()) <= 40
    assert all(len(line) <= 80 for line in out.splitlines() if "/" not in line)


def test_a_recording_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import memlens

    recording = memlens.open(run)
    facts = json.loads(printed(capsys, str(run), "--json"))
    assert (facts["n_segment"], facts["n_sequence"], facts["first_segment"]) == (12, 2, 0)
    assert facts["stream"]["name"] == "planted" and isinstance(facts["truth"], dict)
    assert facts["tables"]["questions"] == recording.questions.sizes["question"]
    parts = [counted for name, counted in facts["answers"].items() if name != "all"]
    for key in ("n", "correct"):
        assert sum(counted[key] for counted in parts) == facts["answers"]["all"][key]
    assert facts["answers"]["all"]["correct"] == int(recording.questions["correct"].sum())


def test_a_model_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "nano")
    assert out.startswith("nano: a memory model\n")
    assert {"sizes", "memory", "trained", "recalls", "other policies", "card"} <= set(labels(out))
    assert "1,841,555 parameters" in out and "memlens record nano builtin" in out
    assert all(len(line) <= 80 for line in out.splitlines() if "/" not in line)
    assert "has no memory" in printed(capsys, "ssm") and "memlens record" not in printed(capsys, "ssm")


def test_a_model_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(printed(capsys, "nano", "--json"))
    assert facts["kind"] == "model" and facts["config"]["n_slots"] == 32
    assert facts["n_weight"] >= facts["metrics"]["parameters"] == 1_841_555


def test_a_model_that_nobody_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(shipped_model("nano") / "config.json", tmp_path)
    out = printed(capsys, str(tmp_path))
    assert "there is no metrics.json" in out and "model.safetensors is missing" in out


@pytest.mark.parametrize(
    ("text", "said"), [("{", "is not JSON"), ("[1]", "expected a JSON object"), ("{}", "is not of a memlens model")]
)
def test_a_damaged_model(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(text)
    assert main(["info", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
