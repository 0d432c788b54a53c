"""Training: cut off and resumed it gives the same weights and the same log; the loss falls; bad input is one clear error."""

import json
import math
import multiprocessing
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from memlens.config import TrainConfig
from memlens.errors import ArgumentError, ConfigError, TrainingError
from memlens.model import MemoryModel, StreamReader, load_model
from memlens.training import fit, train
from memlens.training.checkpoint import Checkpoint, MetricsLog
from memlens.training.trainer import Trainer, phase_ends

from .conftest import MODEL, Q_PHASE, TINY

ROOT = Path(__file__).resolve().parents[2]
#: Updates of the slow test, and the share answered exactly that it must come to.
SLOW_STEPS, SLOW_EXACT = 480, 0.6
FILES = {
    "model.safetensors", "config.json", "tokenizer.json", "train.json", "metrics.json", "metrics.jsonl", "README.md",
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> tuple[MemoryModel | StreamReader, list[dict[str, float]]]:
    """What ``fit`` makes of the fixture ``config``; not to be changed."""
    return fit(TrainConfig.parse(tomllib.loads(TINY + MODEL)))


def rows_of(folder: Path) -> list[dict[str, float]]:
    """The log without what the clock says."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def rounded(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Rows of ``fit`` as a log has them."""
    return [{name: float(f"{value:.6g}") for name, value in row.items() if name != "seconds"} for row in rows]


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_interrupted_and_resumed_is_the_same_run(config: Path, tmp_path: Path, small_card: None) -> None:
    """Killed by SIGTERM in a process of its own, after its second checkpoint and in the middle of further steps."""
    text = config.read_text().replace("alternations = 0", "alternations = 1").replace("steps = 8", "steps = 12")
    config.write_text(text + Q_PHASE)
    model, rows = fit(TrainConfig.load(config))
    out = tmp_path / "out"
    interrupt(config, out, rows=4)
    assert json.loads((out / "checkpoint" / "state.json").read_text())["step"] in (6, 9)
    # half a line, as a kill may leave it, and a row of a step that is done again
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 10.0, "loss": 1.0}\n{"step": 1')
    assert train(config, out, resume=True) == out
    assert_equal(load_file(out / "model.safetensors"), model.state_dict())
    assert rows_of(out) == rounded(rows)
    assert {path.name for path in out.iterdir()} == FILES


def interrupt(config: Path, out: Path, rows: int) -> None:
    """``memlens train`` in a process of its own, ended by SIGTERM as soon as it has logged so many rows."""
    log = out / "metrics.jsonl"
    command = [sys.executable, "-m", "memlens", "train", str(config), "-o", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not log.exists() or log.read_text().count("\n") < rows:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait()
    assert process.returncode == -signal.SIGTERM


def test_snapshots_hold_everything(config: Path, tmp_path: Path) -> None:
    """Resumed after any step, in a trainer that has done other things since, with shards, mixed stages and carried states."""
    stage = "[[stages]]\nn_row = 4\nn_token = 64\nn_fact = 2\nn_question = 2\nuntil = -1.0\nat_least = 2\n"
    text = config.read_text().replace("[[stages]]", stage + "[[stages]]", 1)
    config.write_text("mixed = 0.5\nshards = 2\ncarry = 0.7\n" + text)
    settings = TrainConfig.load(config)
    whole = Trainer(settings)
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    rows = []
    for step in range(5):
        rows.append(whole.memory_step())
        if step == 2:
            checkpoint.save(*whole.snapshot())
    assert {row["stage"] for row in rows} == {0, 1}
    again = Trainer(settings)
    again.memory_step()
    torch.rand(5)
    again.restore(*checkpoint.load())
    assert [again.memory_step() for _ in range(2)] == rows[3:]
    assert_equal(again.snapshot()[0], whole.snapshot()[0])


def test_the_global_random_state_is_left_alone(config: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit(TrainConfig.load(config).model_copy(update={"steps": 2}))
    assert torch.equal(torch.get_rng_state(), before)


def test_q_phases_leave_the_memory_and_its_rows_as_they_are(
    config: Path, plain: tuple[MemoryModel | StreamReader, list[dict[str, float]]]
) -> None:
    """The same memory phases, cut by a Q phase or not; only the controller differs, and decides in the end."""
    settings = TrainConfig.load(config)
    config.write_text(config.read_text().replace("alternations = 0", "alternations = 2\nlast_share = 0.5") + Q_PHASE)
    cut = TrainConfig.load(config)
    assert phase_ends(cut) == [4, 8] and phase_ends(settings) == [8]
    seen = []
    plain_model, plain_rows = plain
    model, rows = fit(cut, lambda done, total, what, metrics={}: seen.append((what.split(":")[0], done, total)))
    memory = [row for row in rows if "step" in row]
    assert rounded(memory) == rounded(plain_rows)
    control = [row for row in rows if "q_round" in row]
    assert [row["alternation"] for row in control] == [0, 1]
    for row in control:
        shares = [value for name, value in row.items() if name.startswith("share_")]
        assert len(shares) == 4 and sum(shares) == pytest.approx(1)
        assert row["action_entropy"] == pytest.approx(-sum(x * math.log(x) for x in shares if x), abs=1e-6)
    changed = {name for name, x in plain_model.state_dict().items() if not torch.equal(x, model.state_dict()[name])}
    assert changed and all(name.startswith("controller.") for name in changed)
    assert model.policy_name == "learned" and not model.training
    assert ("memory phase", 8, 8) in seen and any(what.startswith("Q phase") for what, _, _ in seen)


def test_a_baseline_trains_resumes_and_is_saved(baseline_config: Path, tmp_path: Path, small_card: None) -> None:
    settings = TrainConfig.load(baseline_config)
    model, rows = fit(settings)
    assert isinstance(model, StreamReader)
    assert "retrieval" not in rows[0] and "covered" not in rows[0] and "exact_needle_0" in rows[0]
    out = tmp_path / "out"

    class Stop(Exception):
        pass

    def stop(done: int, total: int, what: str, metrics: object = None) -> None:
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        train(baseline_config, out, progress=stop)
    assert train(baseline_config, out, resume=True) == out
    assert {path.name for path in out.iterdir()} == FILES
    assert rows_of(out) == rounded(rows)
    loaded = load_model(out)
    assert isinstance(loaded, StreamReader) and loaded.cfg == settings.baseline
    assert_equal(loaded.state_dict(), model.state_dict())


def test_loss_falls(config: Path) -> None:
    settings = TrainConfig.load(config).model_copy(
        update={"steps": 40, "log_every": 1, "learning_rate": 5e-3, "matrix_rate": 2e-2}
    )
    losses = [row["loss"] for row in fit(settings)[1]]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_weights_of_the_loss(config: Path) -> None:
    settings = TrainConfig.load(config)
    weights = settings.weights.model_copy(update={"fidelity": 2.0, "retrieval": 0.0})
    plain = Trainer(settings).memory_step()
    heavy = Trainer(settings.model_copy(update={"weights": weights})).memory_step()
    assert plain["fidelity"] == heavy["fidelity"] > 0
    expected = plain["loss"] + (2.0 - 0.3) * plain["fidelity"] - 0.5 * plain["retrieval"]
    assert heavy["loss"] == pytest.approx(expected, rel=1e-5)


def test_log_is_cut_where_it_was(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "log.jsonl")
    log.cut(10)
    assert log.size() == 0 and not log.path.exists()
    log.append({"step": 1, "loss": 1 / 3})
    size = log.size()
    log.append({"step": 2})
    log.cut(size)
    log.cut(size + 1000)
    assert log.path.read_text() == '{"step": 1.0, "loss": 0.333333}\n'


def test_bad_configs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config file"):
        train(tmp_path / "none.toml", tmp_path / "o")
    with pytest.raises(ArgumentError, match=r"train\(\): config_path is 3 \(int\), expected a text or a path"):
        train(3, tmp_path / "o")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        train(tmp_path, tmp_path / "o")
    with pytest.raises(ConfigError, match="path of a config is 3, expected a str or Path"):
        TrainConfig.load(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"fit\(\): config is \{'steps': 3\} \(dict\), expected a TrainConfig"):
        fit({"steps": 3})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="'steps' is 'many'"):
        TrainConfig.parse({"steps": "many"})
    (tmp_path / "bad.toml").write_text("stepz = 3")
    with pytest.raises(ConfigError, match="unknown key 'stepz'; closest: steps"):
        train(tmp_path / "bad.toml", tmp_path / "o")
    (tmp_path / "nested.toml").write_text("[model]\nn_slotz = 3")
    with pytest.raises(ConfigError, match=r"unknown key 'model\.n_slotz'; closest: n_slots"):
        train(tmp_path / "nested.toml", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_folders_that_will_not_do(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(config, out, resume=True)
    assert not out.exists()
    with pytest.raises(ArgumentError, match=r"train\(\): out is 3 \(int\), expected a text or a path"):
        train(config, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TrainingError, match="is a file; give a folder"):
        train(config, config)
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(TrainingError, match="not empty"):
        train(config, out)
    trainer = Trainer(TrainConfig.load(config))
    Checkpoint(out / "checkpoint").save(*trainer.snapshot())
    config.write_text(config.read_text().replace("warmup = 4", "warmup = 5"))
    with pytest.raises(TrainingError, match="made with another config"):
        train(config, out, resume=True)
    (out / "checkpoint" / "tensors.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="is damaged"):
        train(config, out, resume=True)
    assert {path.name for path in out.iterdir()} == {"mine.txt", "checkpoint"}


def test_workers_make_the_same_rows_and_a_run_may_go_on_with_others(
    config: Path, plain: tuple[MemoryModel | StreamReader, list[dict[str, float]]]
) -> None:
    alone = TrainConfig.load(config)
    helped = alone.model_copy(update={"workers": 2})
    assert_equal(plain[0].state_dict(), fit(helped)[0].state_dict())
    Trainer(helped).restore(*Trainer(alone).snapshot())


def test_a_worker_that_is_killed_ends_the_run_with_an_error(config: Path) -> None:
    helped = TrainConfig.load(config).model_copy(update={"workers": 1, "log_every": 1})

    def kill(*_: object) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(TrainingError, match="a process that makes rows has died"):
        fit(helped, kill)
    assert not multiprocessing.active_children()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(config: Path, tmp_path: Path) -> None:
    config.write_text('device = "cuda"\n' + config.read_text())
    with pytest.raises(TrainingError, match="torch sees 0; start fewer processes, or set device to 'cpu'"):
        train(config, tmp_path / "o")


@pytest.mark.slow
def test_the_first_stage_of_nano_is_learned_also_when_cut_off(tmp_path: Path, small_card: None) -> None:
    """The beginning of nano's run, its rate of learning kept up; SIGTERM in the middle, and on from the checkpoint.

    What answers without a look at the memory comes to 0.05.
    """
    nano = tomllib.loads((ROOT / "analyses" / "configs" / "nano.toml").read_text())
    stage = {**nano["stages"][0], "until": 1.0}
    short = {**nano, "steps": SLOW_STEPS, "alternations": 0, "tasks": nano["tasks"][:1], "stages": [stage]}
    short["last_rate"] = 1.0
    config = tmp_path / "short.toml"
    config.write_text(as_toml(short))
    out = tmp_path / "out"
    interrupt(config, out, rows=SLOW_STEPS // 20 // 2)
    assert train(config, out, resume=True) == out
    model, rows = fit(TrainConfig.load(config))
    assert_equal(load_file(out / "model.safetensors"), model.state_dict())
    assert rows_of(out) == rounded(rows)
    assert rows[-1]["exact_mean"] > SLOW_EXACT, rows[-1]


def as_toml(values: dict[str, Any]) -> str:
    """A config as TOML, which has strings, numbers, lists and tables as JSON has them, but for "=" in inline tables."""

    def inline(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {inline(x)}" for key, x in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(inline, value)) + "]"
        return json.dumps(value)

    return "\n".join(f"{key} = {inline(value)}" for key, value in values.items())
