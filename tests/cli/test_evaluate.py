"""``memlens evaluate`` on a small untrained model: what it prints, as a table and as JSON, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch

from memlens.cli import main
from memlens.config import BaselineConfig, ModelConfig
from memlens.model import MemoryModel, StreamReader, save_model
from memlens.streams import default_tokenizer

SIZES = {"d_model": 32, "segment_length": 128, "ssd_heads": 2, "ssd_head_dim": 16, "ssd_state": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a memory model and a baseline in it."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    cfg = ModelConfig.parse({**SIZES, "slot_heads": 2, "slot_head_dim": 8, "n_slots": 8, "capacities": (6, 4, 2)})
    save_model(MemoryModel(cfg, default_tokenizer(), "tiny"), folder / "tiny")
    baseline = BaselineConfig.parse({**SIZES, "kind": "ssm", "n_layers": 1})
    save_model(StreamReader(baseline, default_tokenizer(), "reader"), folder / "reader")
    return folder


def run(folder: Path, *argv: str) -> int:
    return main(["evaluate", str(folder), *argv])


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--task", "needle", "--length", "1K", "--seeds", "2", "3", "--set", "n_fact=6", "mix=1,1,0,0", "--json"]
    assert run(folder / "tiny", *argv, "--policies", "learned", "fifo") == 0
    measured = json.loads(capsys.readouterr().out)
    assert set(measured) == {
        "task", "options", "n_token", "seeds", "split", "model", "versions", "commit", "seconds", "tokens_per_second",
        "peak_rss_bytes", "state_bytes", "results",
    }  # fmt: skip
    assert (measured["task"], measured["n_token"], measured["seeds"], measured["split"]) == (
        "needle",
        1000,
        [2, 3],
        "test",
    )
    assert (measured["options"]["n_fact"], measured["options"]["mix"]) == (6, [1, 1, 0, 0])
    assert measured["model"]["name"] == "tiny" and len(measured["model"]["sha256"]) == 64
    slices = {"n", "accuracy", "low", "high", "wilson_low", "wilson_high", "loss", "loss_low", "loss_high"}
    for entry, policy in zip(measured["results"], ("learned", "fifo"), strict=True):
        assert entry["policy"] == policy
        assert set(entry["overall"]) == slices | {"precision", "recall", "f1"}
        assert entry["overall"]["n"] == 12
        for name, labels in {
            "by_distance": {"distance_low", "distance_high"},
            "by_depth": {"depth_low", "depth_high"},
            "by_modality": {"modality"},
            "by_group": {"group"},
        }.items():
            assert entry[name]
            assert all(set(part) == slices | labels for part in entry[name])
    assert measured["results"][0]["behind"] is None
    assert set(measured["results"][1]["behind"]) == {"accuracy", "low", "high", "loss", "loss_low", "loss_high"}


def test_json_with_questions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(folder / "reader", "--task", "needle", "--length", "1K", "--set", "n_fact=4", "--json", "--questions") == 0
    )
    measured = json.loads(capsys.readouterr().out)
    assert [row["number"] for row in measured["questions"]] == [0, 1, 2, 3]
    assert {row["policy"] for row in measured["questions"]} == {"none"}


def test_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--task", "rewrite", "--length", "1K", "--set", "n_fact=8"]
    assert run(folder / "tiny", *argv, "--policies", "learned", "fifo") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny: rewrite, 1,000 tokens, seeds 0"
    assert lines[3].split("  ")[0] == "policy" and lines[3].endswith("behind the first")
    names = [line[9:].partition("  ")[0].strip() for line in lines if line.startswith("fifo")]
    assert names[0] == "all"
    assert {"0 to 512 back", "512 back and more", "rewritten 1", "written once"} <= set(names)
    assert any(name.startswith("depth 0.") for name in names)
    assert run(folder / "tiny", *argv) == 0
    assert "behind" not in capsys.readouterr().out


def test_table_of_a_stream_that_asks_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder / "tiny", "--task", "needle", "--length", "1K", "--set", "n_fact=0") == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("  ")[1].strip() for line in lines[5:]]
    assert names == ["nothing", "working read", "working content", "backbone state", "recall"]


@pytest.mark.parametrize(
    ("name", "argv", "message"),
    [
        ("tiny", ["--policies", "lerned"], "unknown policy 'lerned'; closest: learned"),
        ("reader", ["--policies", "learned"], "'reader' is a baseline; it has no controller"),
        ("tiny", ["--seeds", "1", "1"], "each only once"),
        ("tiny", ["--length", "10"], "n_token is 10, expected a whole number from 1000"),
    ],
)
def test_refuses(folder: Path, capsys: pytest.CaptureFixture[str], name: str, argv: list[str], message: str) -> None:
    assert run(folder / name, *argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
