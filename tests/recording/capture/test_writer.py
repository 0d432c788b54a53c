"""The writer's thread: its errors surface, a full disk leaves a prefix, readers may look while it writes."""

import resource
import subprocess
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from memlens.errors import RecordingError
from memlens.recording import RecordingWriter, open
from memlens.recording.capture.writer import BLOCK_SEGMENTS
from memlens.recording.format.quantise import dequantise, quantise

from . import kill_server as plan


@contextmanager
def file_size_limit(n_bytes):
    """Files of this process can grow no larger: what a full disk is to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 192 KB; skipped where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def write_all(writer, first=0):
    with writer:
        for t in range(first, plan.N_SEGMENT):
            writer.add(*plan.segment(t))


def put_all(writer):
    for t in range(1000):
        writer.put(t)


def prefix(path, n):
    opened = open(path)
    assert opened.n_rows("segments") == n
    assert not opened.attrs["complete"]
    wanted = np.concatenate([plan.segment(t)[0]["i"] for t in range(n)])
    np.testing.assert_array_equal(opened["i"].values[0], wanted)


def test_no_file_can_be_written_any_more(tmp_path):
    writer = plan.writer(tmp_path / "run")
    for t in range(12):
        writer.add(*plan.segment(t))
    writer.commit()
    with pytest.raises(RecordingError, match=r"cannot be written.*12 segments before are kept"), file_size_limit(100):
        write_all(writer, 12)
    prefix(tmp_path / "run", 12)
    write_all(plan.writer(tmp_path / "run", resume=True), 12)
    assert open(tmp_path / "run").attrs["complete"]


def test_a_disk_that_is_full(small_disk, tmp_path):
    writer = plan.writer(small_disk / "run")
    with pytest.raises(RecordingError, match="cannot be written"):
        write_all(writer)
    assert writer.committed
    prefix(small_disk / "run", writer.committed)
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    write_all(plan.writer(small_disk / "run", resume=True), writer.committed)
    np.testing.assert_array_equal(open(small_disk / "run").states, np.arange(1, plan.N_SEGMENT + 1))


def test_an_error_of_the_thread_surfaces(tmp_path):
    def fail(parts):
        raise ValueError("no rows of these")

    began = time.monotonic()
    writer = RecordingWriter(tmp_path / "run", rows=fail)
    with pytest.raises(RecordingError, match="no rows of these"):
        put_all(writer)
    for use in (lambda: writer.put(0), writer.commit, writer.finish):
        with pytest.raises(RecordingError, match="no rows of these"):
            use()
    assert time.monotonic() - began < 30
    assert not list(tmp_path.iterdir())


def test_a_thread_that_is_gone_surfaces(tmp_path):
    writer = plan.writer(tmp_path / "run")
    writer.add(*plan.segment(0))
    writer.commit()
    writer.close()
    for use in (lambda: writer.put(0), writer.commit, writer.finish):
        with pytest.raises(RecordingError, match="has ended; 1 segments are kept"):
            use()


def test_the_queue_is_bounded(tmp_path):
    taken, go_on = [], threading.Event()

    def slow(parts):
        taken.append(len(parts))
        go_on.wait(30)
        raise ValueError("enough")

    writer = RecordingWriter(tmp_path / "run", rows=slow)

    def put():
        with pytest.raises(RecordingError, match="enough"):
            put_all(writer)

    thread = threading.Thread(target=put)
    thread.start()
    while not taken:
        time.sleep(0.01)
    time.sleep(0.3)
    assert writer._n_put <= 3 * BLOCK_SEGMENTS
    go_on.set()
    thread.join(30)
    assert not thread.is_alive()
    writer.close()


def test_a_reader_may_look_at_any_time(tmp_path):
    path, lengths = tmp_path / "run", []
    done = threading.Event()
    errors = []

    def look():
        while not done.is_set():
            if path.exists():
                try:
                    opened = open(path)
                    n = opened.n_rows("segments")
                    lengths.append(n)
                    np.testing.assert_array_equal(opened["entry_id"].values[0, :, 0], np.arange(n))
                    np.testing.assert_array_equal(opened.states, np.arange(1, n + 1))
                    assert opened.positions.sizes["position"] == n * plan.LENGTH
                except Exception as error:
                    errors.append(error)
                    return

    thread = threading.Thread(target=look)
    thread.start()
    writer = plan.writer(path)
    with writer:
        for t in range(plan.N_SEGMENT):
            writer.add(*plan.segment(t))
            time.sleep(0.01)
    done.set()
    thread.join(30)
    assert not errors
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 3


def test_two_writers_do_not_mix(tmp_path):
    first = plan.writer(tmp_path / "run")
    first.add(*plan.segment(0))
    first.commit()
    second = plan.writer(tmp_path / "run", resume=True)
    second.add(*plan.segment(1))
    second.commit()
    first.add(*plan.segment(1))
    with pytest.raises(RecordingError, match="somebody else"):
        first.commit()
    second.finish()
    first.close()
    assert open(tmp_path / "run").n_rows("segments") == 2


def test_codes_of_eight_bits(tmp_path):
    r = np.random.default_rng(0)
    values = r.normal(size=(5, 6, 7)).astype(np.float32) * r.lognormal(size=(5, 6, 1))
    values[0, 0] = 0
    values[1, 1, :3] = np.nan, np.inf, -np.inf
    codes, scale = quantise(values)
    again = dequantise(codes, scale[..., None])
    finite = np.isfinite(values)
    np.testing.assert_array_equal(again[~finite], values[~finite])
    largest = np.abs(np.where(finite, values, 0)).max(-1, keepdims=True)
    difference = np.where(finite, again, 0) - np.where(finite, values, 0)
    assert (np.abs(difference) <= largest / 126 * 0.501).all()

    write_all(plan.writer(tmp_path / "run", dtype="int8"))
    opened = open(tmp_path / "run")
    wanted = np.concatenate([plan.segment(t)[0]["x"] for t in range(plan.N_SEGMENT)])
    assert opened["x"].dtype == np.float32
    assert "x.scale" not in opened.segments
    np.testing.assert_allclose(opened["x"].values[0], wanted, atol=np.abs(wanted).max() / 126)
    one = opened["x"].isel(segment=7, slot=2, feature=[1, 5]).values
    np.testing.assert_array_equal(one, opened["x"].values[:, 7, 2, [1, 5]])
    np.testing.assert_array_equal(opened["x"].isel(feature=3).values, opened["x"].values[..., 3])
