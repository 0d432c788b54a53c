"""Many streams in one go: on Dask with a worker killed, under torchrun, with a stream that is no stream."""

import os
import pydoc_data.topics
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from memlens.cli import main
from memlens.errors import MemlensError
from memlens.model.checkpoint import save_model
from memlens.recording import RecordOptions, open, verify
from memlens.recording.capture.batch import record_here, share, stream_files

NAMES = ("assignment", "comparisons", "execmodel", "strings")
OPTIONS = RecordOptions(commit_every=8, states_every=8)
ARGUMENTS = ["--commit-every", "8", "--states-every", "8"]


@pytest.fixture(scope="module")
def model(small_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "small"
    save_model(small_model, folder)
    return folder


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    for name in NAMES:
        (folder / f"{name}.txt").write_text(pydoc_data.topics.topics[name], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def alone(model, streams, tmp_path_factory):
    """Recorded in one process, one after the other."""
    out = tmp_path_factory.mktemp("alone")
    assert not [one.error for one in record_here(str(model), None, stream_files(streams), out, OPTIONS) if one.error]
    return out


def start(*arguments, launcher=("-m", "memlens")):
    command = [sys.executable, *launcher, "record", *map(str, arguments), *ARGUMENTS]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def same(a: Path, b: Path) -> None:
    one, other = open(a), open(b)
    assert one.attrs["complete"] and other.attrs["complete"]
    assert one.segments.drop_vars("step_seconds").load().equals(other.segments.drop_vars("step_seconds").load())
    for name in ("positions", "questions", "decisions", "entries"):
        assert getattr(one, name).load().equals(getattr(other, name).load()), name


def test_a_killed_worker_loses_nothing(model, streams, alone, tmp_path):
    child = start(model, "--streams", streams, "--workers", 2, "-o", tmp_path / "runs")
    killed = 0
    deadline = time.monotonic() + 600
    while child.poll() is None and killed < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        # the next kill waits until recordings have gone on
        if len([p for p in (tmp_path / "runs").glob("*") if p.is_dir() and p.name[0] != "."]) > 2 * killed:
            workers = [
                p for p in psutil.Process(child.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())
            ]
            if workers:
                os.kill(workers[0].pid, signal.SIGKILL)
                killed += 1
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, err
    assert killed == 2
    assert sorted(line.partition(":")[0] for line in out.splitlines()) == sorted(NAMES)
    for name in NAMES:
        same(tmp_path / "runs" / name, alone / name)
        assert verify(tmp_path / "runs" / name, model=model).ok


def test_again_and_with_a_stream_that_is_none(model, streams, alone, tmp_path, capsys):
    folder = tmp_path / "streams"
    folder.mkdir()
    for name in NAMES[:2]:
        (folder / f"{name}.txt").write_bytes((streams / f"{name}.txt").read_bytes())
    (folder / "bad.txt").write_text("")
    found = list(record_here(str(model), None, stream_files(folder), alone, OPTIONS))
    assert [(one.name, one.was_there, bool(one.error)) for one in found] == [
        (NAMES[0], True, False), ("bad", False, True), (NAMES[1], True, False),
    ]  # fmt: skip
    assert not (alone / "bad").exists()
    child = start(model, "--streams", folder, "-o", alone)
    out, err = child.communicate(timeout=600)
    assert child.returncode == 2
    assert "bad: not recorded:" in out and f"{NAMES[1]}: was complete" in out
    assert "1 of 3 streams were not recorded: bad" in err and "Traceback" not in err


def test_two_ranks_of_torchrun(model, streams, alone, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "memlens")
    child = start(model, "--streams", streams, "-o", tmp_path / "runs", launcher=launcher)
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, err
    assert sorted(line.partition(":")[0] for line in out.splitlines() if ": recorded" in line) == sorted(NAMES)
    for name in NAMES:
        same(tmp_path / "runs" / name, alone / name)


def test_shares():
    files = {name: Path(name) for name in "abcde"}
    assert [list(share(rank, 2, files)) for rank in (0, 1)] == [["a", "c", "e"], ["b", "d"]]


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(MemlensError, match="no folder at"):
        stream_files(tmp_path / "none")
    with pytest.raises(MemlensError, match="is empty"):
        stream_files(tmp_path)
    for ending in ("txt", "jsonl"):
        (tmp_path / f"one.{ending}").touch()
    with pytest.raises(MemlensError, match="would both be recorded as 'one'"):
        stream_files(tmp_path)


def test_arguments_that_do_not_go_together(model, streams, tmp_path, capsys):
    out = ["-o", str(tmp_path / "runs")]
    for arguments, said in (
        ([], "one of STREAM and --streams"),
        (["needle", "--streams", str(streams)], "one of STREAM and --streams"),
        (["needle", "--workers", "2"], "are for --streams"),
        (["--streams", str(streams), "--seed", "2"], "for built-in streams"),
        (["--streams", str(streams), "--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler at"),
    ):
        assert main(["record", str(model), *arguments, *out]) == 2
        assert said in capsys.readouterr().err
