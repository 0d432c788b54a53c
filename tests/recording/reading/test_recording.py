"""Recordings: what is written is what opens; a killed writer leaves a prefix; a hook changes nothing."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from memlens.errors import RecordingError
from memlens.recording import RecordingWriter, open
from memlens.recording.format.schema import Variable
from memlens.testing import CONTROLS, planted_recording


def small(writer: RecordingWriter, t: int, value: float = 1.0, n: int = 4) -> None:
    arrays = {
        "x": np.full((1, 3), value), "segment": t, "start": t * n, "occupancy": [[1]], "entry_id": [[t]],
        "n_valid": [n], "bits_per_byte": [1.0], "step_seconds": 0.1,
    }  # fmt: skip
    writer.add(arrays, {name: np.full((1, n), t) for name in ("modality", "token", "fact")})


X = Variable("x", ("sequence", "segment", "feature"), "float", "a number")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_recording(tmp_path_factory.mktemp("planted") / "run", n_segment=20, commit_every=8)


def test_what_is_written_opens(tmp_path):
    with RecordingWriter(tmp_path / "run", points=[X], commit_every=4, dtype="float32") as writer:
        for t in range(10):
            small(writer, t, value=t / 3)
    opened = open(tmp_path / "run")
    assert opened["x"].dims == ("sequence", "segment", "feature")
    np.testing.assert_array_equal(opened["x"].values[0, :, 0], (np.arange(10) / 3).astype(np.float32))
    np.testing.assert_array_equal(opened.positions["token"].values[0], np.repeat(np.arange(10), 4))
    assert opened.attrs["complete"]
    assert opened.attrs["n_token"] == 40
    assert opened.questions.sizes["question"] == 0


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_segment_is_read_at_once(tmp_path, dtype):
    planted = planted_recording(tmp_path / "run", n_segment=20, commit_every=8, dtype=dtype)
    read = planted.segment(11)
    assert all(isinstance(v.variable._data, np.ndarray) for v in read.data_vars.values())
    assert read.identical(planted.segments.isel(segment=11).load())
    with pytest.raises(RecordingError, match=r"segment 20 is not in .* has 20 segments from 0 on"):
        planted.segment(20)
    with pytest.raises(RecordingError, match="segment -1 is not in"):
        planted.segment(-1)


def test_large_rows_have_chunks_of_their_own(tmp_path):
    wide = Variable("wide", ("sequence", "segment", "feature"), "float", "many numbers")
    with RecordingWriter(tmp_path / "run", points=[wide], commit_every=12, dtype="float32") as writer:
        for t in range(30):
            arrays = {
                "wide": np.full((1, 2**16), t), "segment": t, "start": t, "occupancy": [[1]], "entry_id": [[t]],
                "n_valid": [1], "bits_per_byte": [1.0], "step_seconds": 0.1,
            }  # fmt: skip
            writer.add(arrays, {name: np.full((1, 1), t) for name in ("modality", "token", "fact")})
    opened = open(tmp_path / "run")
    # 256 KiB a row: twelve rows are halved until they are within a MiB
    assert opened._found["segments/wide"]["chunk_grid"]["configuration"]["chunk_shape"] == [1, 3, 2**16]
    np.testing.assert_array_equal(opened["wide"].values[0, :, 7], np.arange(30))
    assert opened.segment(17)["wide"].values[0, 9] == 17


def test_planted_tables(planted):
    entries, questions, decisions = planted.entries, planted.questions, planted.decisions
    np.testing.assert_allclose(questions["read_weight"].sum("read"), 1, rtol=1e-5)
    assert list(decisions["feature"].values) == list(CONTROLS)
    held = planted.segments["entry_id"].values[0, -1]
    alive = entries["entry"].values[entries["died"].values < 0]
    assert set(held[held >= 0]) == set(alive)
    merges = entries["slot"].values < 0
    assert merges.any()
    assert set(entries["parent"].values[merges].ravel()) <= set(entries["entry"].values)
    assert set(entries["fate"].values[np.isin(entries["entry"], entries["parent"].values[merges])]) == {1}
    assert json.loads(planted.attrs["truth"])["clustered"]
    assert "q_STORE" in planted.to_dataframe("decisions")
    assert planted.to_dataframe("questions")["text"].iloc[0].startswith("what is")
    assert "planted" in repr(planted)


def test_the_same_seed_gives_the_same_recording(planted, tmp_path):
    again = planted_recording(tmp_path / "again", n_segment=20, commit_every=5)
    for name in ("segments", "positions", "questions", "decisions", "entries"):
        assert getattr(again, name).equals(getattr(planted, name)), name


def test_a_name_that_was_not_recorded(planted):
    with pytest.raises(RecordingError, match=r"--points default working.hook_slot"):
        planted["working.hook_slot"]
    with pytest.raises(RecordingError, match=r"closest: context.hook_slot"):
        planted["context.hook_slt"]
    with pytest.raises(RecordingError, match="questions"):
        planted.to_dataframe("question")


def test_an_existing_folder_is_kept(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RecordingError, match="exists; give another -o or remove it"):
        planted_recording(tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_a_first_segment_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RecordingError, match="lacks"), RecordingWriter(tmp_path / "run", points=[X]) as writer:
        writer.add({}, {})
    assert not list(tmp_path.iterdir())


def test_a_shape_that_changes(tmp_path):
    with RecordingWriter(tmp_path / "run", points=[X]) as writer:
        small(writer, 0)
        with pytest.raises(RecordingError, match="expected"):
            small(writer, 1, n=5)
    assert open(tmp_path / "run").segments.sizes["segment"] == 1


def test_missing_foreign_and_damaged(planted, tmp_path):
    with pytest.raises(RecordingError, match="no recording at"):
        open(tmp_path / "nowhere")
    (tmp_path / "foreign").mkdir()
    with pytest.raises(RecordingError, match="no recording at"):
        open(tmp_path / "foreign")
    for folder in ("refs", "snapshots", "manifests"):
        broken = tmp_path / folder
        shutil.copytree(planted.path, broken)
        for file in (broken / folder).rglob("*"):
            if file.is_file():
                file.write_bytes(b"\x00" * 40)
        with pytest.raises(RecordingError):
            open(broken).entries  # noqa: B018


def test_overflow_is_flagged(tmp_path):
    with RecordingWriter(tmp_path / "run", points=[X]) as writer:
        small(writer, 0, value=1e6)
        small(writer, 1)
    opened = open(tmp_path / "run")
    assert opened["x"].attrs["fp16_overflow"] == 3
    assert "overflow" in repr(opened)


def test_opening_needs_no_torch(planted):
    code = (
        f"import time; a = time.perf_counter(); import sys, memlens; r = memlens.open({str(planted.path)!r}); repr(r);"
        "print(time.perf_counter() - a, 'torch' in sys.modules, 'transformer_lens' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1:] == ["False", "False"]
    assert done.stderr == ""


@pytest.mark.parametrize("trial", range(3))
def test_a_killed_writer_leaves_a_prefix(tmp_path, trial):
    path = tmp_path / "run"
    planting = f"planted_recording({str(path)!r}, n_segment=10**6, commit_every=4)"
    code = f"from memlens.testing import planted_recording; {planting}"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3 + 0.17 * trial)
    finally:
        child.kill()
        child.wait()
    opened = open(path)
    n = opened.segments.sizes["segment"]
    assert not opened.attrs["complete"]
    assert n % 4 == 0
    assert opened.positions.sizes["position"] == n * 64
    np.testing.assert_array_equal(np.unique(opened.decisions["segment"].values), np.arange(n))
    assert Path(path, "refs").is_dir()
