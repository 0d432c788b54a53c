"""Two real processes over gloo, started by torchrun, make the run that one process makes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from memlens.config import TrainConfig
from memlens.training import fit
from memlens.training.checkpoint import Checkpoint
from memlens.training.trainer import Trainer

from .conftest import MODEL, Q_PHASE, TINY

SCRIPT = Path(__file__).with_name("rank_script.py")
CONFIG = """
shards = 4
carry = 0.7
""" + TINY.replace("alternations = 0", "alternations = 1").replace("log_every = 2", "log_every = 1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left: see rank_script.py."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "config.toml").write_text(CONFIG + Q_PHASE + MODEL)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, str(SCRIPT), str(folder)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def config(folder: Path) -> TrainConfig:
    return TrainConfig.load(folder / "config.toml")


def notes(folder: Path, key: str) -> list:
    """What each process said under ``key``."""
    said = [[json.loads(line) for line in (folder / f"rank{r}.jsonl").read_text().splitlines()] for r in range(2)]
    return [row[key] for rows in said for row in rows if key in row]


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-5, msg=name)


def test_same_losses_same_weights(folder: Path, config: TrainConfig) -> None:
    """Four shards, two a process; a Q phase; only the first process writes."""
    model, rows = fit(config)
    logged = [json.loads(line) for line in (folder / "out" / "metrics.jsonl").read_text().splitlines()]
    assert len(logged) == len(rows) == 8 + 1
    for row, expected in zip(logged, rows, strict=True):
        assert row.keys() == expected.keys()
        for name in row.keys() - {"seconds"}:
            assert row[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-5), name
    close(load_file(folder / "out" / "model.safetensors"), model.state_dict())


def test_one_process_goes_on_from_what_two_left(folder: Path, config: TrainConfig) -> None:
    again, whole = Trainer(config), Trainer(config)
    again.restore(*Checkpoint(folder / "checkpoint").load())
    assert sorted(again.carried) == [0, 1, 2, 3]
    for _ in range(3):
        whole.memory_step()
    row, expected = again.memory_step(), whole.memory_step()
    assert row == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_an_error_on_one_process_is_raised_on_all(folder: Path) -> None:
    first, second = notes(folder, "one")
    assert first == second
    assert first.startswith(
        "step 1: the loss is nan; the first tensor that is not finite is the carried state's working"
    )


def test_shards_that_cannot_be_shared(folder: Path) -> None:
    for message in notes(folder, "uneven"):
        assert message.startswith(
            "2 processes cannot share 1 shards evenly; set shards in the config to a multiple of 2"
        )


def test_gradients_are_summed_where_there_are_any(folder: Path) -> None:
    assert notes(folder, "gradients") == [[[3.0, 6.0], [5.0, 7.0], None]] * 2
