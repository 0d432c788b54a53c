"""Seals: each file once, durable lines in a chain, torn ends mended, damage never sealed over."""

import shutil

import pytest

from memlens.errors import RecordingError
from memlens.recording.integrity.seals import SEALS, Sealer, files_of, read_seals
from memlens.testing import planted_recording


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    path = tmp_path_factory.mktemp("sealed") / "run"
    planted_recording(path, n_segment=4, commit_every=4)
    return path


@pytest.fixture
def run(planted, tmp_path):
    """Unsealed copy of a recording."""
    path = tmp_path / "run"
    shutil.copytree(planted, path, ignore=shutil.ignore_patterns(SEALS))
    return path


def test_every_file_is_sealed_once(run):
    sealer = Sealer(run)
    sealer.seal()
    first = (run / SEALS).read_bytes()
    sealer.seal()
    assert (run / SEALS).read_bytes() == first
    assert set(read_seals(run).files) == set(files_of(run))
    (run / "chunks" / "NEW").write_bytes(b"new")
    sealer.seal()
    added = (run / SEALS).read_bytes()[len(first) :]
    assert added.count(b"\n") == 1
    assert b"chunks/NEW" in added and added.count(b"chunks/") == 1
    assert read_seals(run).files["chunks/NEW"].size == 3


def test_a_torn_line_is_taken_away(run):
    Sealer(run).seal()
    first = (run / SEALS).read_bytes()
    (run / "chunks" / "NEW").write_bytes(b"new")
    Sealer(run).seal()
    whole = (run / SEALS).read_bytes()
    for length in range(len(first) + 1, len(whole)):
        (run / SEALS).write_bytes(whole[:length])
        seals = read_seals(run)
        assert seals.n_torn == length - len(first) and not seals.problem
        assert "chunks/NEW" not in seals.files
        Sealer(run).seal()
        assert (run / SEALS).read_bytes() == whole


def test_edits_and_missing_lines_show(run):
    for n in range(3):
        (run / "chunks" / f"NEW{n}").write_bytes(b"new")
        Sealer(run).seal()
    whole = (run / SEALS).read_bytes()
    lines = whole.splitlines(keepends=True)
    bad = [b"".join(lines[:1] + lines[2:]), b"".join(lines[::-1]), whole.replace(b"NEW1", b"NEW7"), whole + b"\n"]
    bad += [whole.replace(b"\n", b"\r", 1), whole[:20] + b"\r" + whole[21:]]
    for text in bad:
        (run / SEALS).write_bytes(text)
        assert read_seals(run).problem
        with pytest.raises(RecordingError, match="damaged: not as written"):
            Sealer(run)
        assert (run / SEALS).read_bytes() == text
