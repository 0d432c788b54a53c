"""A run that was cut off goes on, and comes out as one that was not."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from memlens.cli import main
from memlens.config import ModelConfig
from memlens.errors import RecordingError
from memlens.model import MemoryModel
from memlens.model.checkpoint import save_model
from memlens.recording import RecordOptions, open, record
from memlens.streams import builtin_stream, default_tokenizer

GROUPS = ("segments", "positions", "questions", "decisions", "entries", "payloads")


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    cfg = ModelConfig(segment_length=128, vocab_size=1024, d_model=32, n_layers=1)
    return MemoryModel(cfg, tokenizer=default_tokenizer(), name="test").eval()


@pytest.fixture(scope="module")
def streams(model):
    return [
        builtin_stream("builtin", n_token=n, seed=seed).encode(model.tokenizer) for n, seed in ((4000, 0), (2500, 1))
    ]


def assert_same(one, other):
    for group in GROUPS:
        a, b = getattr(one, group), getattr(other, group)
        assert set(a.variables) == set(b.variables)
        for name in set(a.variables) - {"step_seconds"}:
            assert a[name].equals(b[name]), f"{group}/{name}"
    np.testing.assert_array_equal(one.states, other.states)
    for before in one.states:
        (_, a), (_, b) = one.state(before), other.state(before)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    for name in ("n_token", "complete", "points", "stream"):
        assert one.attrs[name] == other.attrs[name]


@pytest.mark.parametrize(
    "options",
    [
        {"states_every": 4, "commit_every": 8, "points": ("default", "backbone@3:20:5", "hook_hidden@7"),
         "attention_top": 4, "dtype": "int8"},
        {"states_every": 0, "commit_every": 3},
    ],
    ids=["states", "from the start"],
)  # fmt: skip
def test_a_run_that_was_stopped(model, streams, tmp_path, options):
    whole = record(model, streams, tmp_path / "whole", RecordOptions(**options))
    for stop in (5, 13, 14):

        def tell(done, total, what, stop=stop):
            if done == stop:
                raise Stop

        with pytest.raises(Stop):
            record(model, streams, tmp_path / "run", RecordOptions(resume=True, progress=tell, **options))
        assert open(tmp_path / "run").n_rows("segments") == stop
    again = record(model, streams, tmp_path / "run", RecordOptions(resume=True, **options))
    assert_same(again, whole)
    assert [s.sha256 for s in again.streams()] == [s.sha256 for s in streams]


def test_another_run_is_refused(model, streams, tmp_path):
    path = tmp_path / "run"
    first = record(model, streams[0], path)
    assert record(model, streams[0], path, RecordOptions(resume=True)).id == first.id
    with pytest.raises(RecordingError, match="exists"):
        record(model, streams[0], path)
    for options, what in (
        ({"dtype": "float32"}, "dtype is 'float16' there and 'float32' here"),
        ({"points": ("slots",)}, "points differ in"),
        ({"states_every": 3}, "states_every is 16 there and 3 here"),
        ({"commit_every": 3}, "commit_every is 128 there and 3 here"),
        ({"attention_top": 3}, "points differ in context.hook_pattern, working.hook_pattern"),
    ):
        with pytest.raises(RecordingError, match=what):
            record(model, streams[0], path, RecordOptions(resume=True, **options))
    with pytest.raises(RecordingError, match=r"stream differs in .*sha256"):
        record(model, streams[1], path, RecordOptions(resume=True))
    torch.manual_seed(1)
    other = MemoryModel(model.cfg, tokenizer=model.tokenizer, name="test").eval()
    with pytest.raises(RecordingError, match="parameters_sha256"):
        record(other, streams[0], path, RecordOptions(resume=True))


@pytest.mark.parametrize("n_kill", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_kills_of_the_command(model, tmp_path, n_kill):
    folder, run, chance = tmp_path / "model", tmp_path / "run", random.Random(0)
    save_model(model, folder)
    given = [str(folder), "builtin", "--length", "20K", "--commit-every", "4", "--states-every", "6"]
    for _ in range(n_kill):
        before = open(run).n_rows("segments") if run.exists() else 0
        command = [sys.executable, "-m", "memlens", "record", *given, "-o", str(run), "--resume"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            deadline = time.monotonic() + 120
            while not run.exists() or open(run).n_rows("segments") <= before:
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(chance.random() * 0.3)
            child.kill()
        opened = open(run)
        assert not opened.attrs["complete"]
        assert opened.n_rows("segments") > before
    assert main(["record", *given, "-o", str(run), "--resume"]) == 0
    assert main(["record", *given, "-o", str(tmp_path / "whole")]) == 0
    assert_same(open(run), open(tmp_path / "whole"))
