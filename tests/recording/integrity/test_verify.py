"""verify: every corruption is noticed, what is called good reads as it was written, and contents are compared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from memlens.cli import main
from memlens.errors import ModelError, RecordingError
from memlens.recording import RecordOptions, open, record, replay, verify
from memlens.recording.format.repository import open_repository
from memlens.recording.integrity.files import compare_with_seals, damaged_seals, unsealed
from memlens.recording.integrity.seals import SEALS, Sealer, read_seals
from memlens.recording.integrity.snapshot import Snapshot
from memlens.testing import planted_recording

N_CORRUPTION, N_READ = 200, 3
#: Kind of array, or of file -> the files that hold it.
KINDS = ("points", "integers", "strings", "events", "states", "payloads", "labels", "manifests", "snapshots",
         "transactions", "refs", "seals")  # fmt: skip


@pytest.fixture(scope="module")
def whole(small_model, small_streams, tmp_path_factory):
    """A recording that stays as it is."""
    path = tmp_path_factory.mktemp("whole") / "run"
    return record(small_model, small_streams, path, RecordOptions(commit_every=8, states_every=8))


@pytest.fixture(scope="module")
def kinds(whole):
    """Files by kind."""
    path = whole.path
    shot = Snapshot(path, read_seals(path).snapshots[-1], compare_with_seals(path, read_seals(path)))
    found = {kind: [] for kind in KINDS}
    by_digest = {print_.digest: name for name, print_ in read_seals(path).files.items()}
    for name, array in shot.arrays.items():
        kind = kind_of(name, array, shot.axis(name))
        found[kind] += [f"manifests/{m['id']}" for m in shot.manifests[name]]
        found[kind] += [by_digest[d] for d in shot.chunk_digests(name)]
    for kind in ("manifests", "snapshots", "transactions", "refs"):
        found[kind] = [name for name in read_seals(path).files if name.startswith(kind)]
    found["seals"] = [SEALS]
    return found


def kind_of(name, array, axis):
    group = name.split("/")[1]
    if axis is None:
        return "labels"
    if array.dtype.kind == "T":
        return "strings"
    if group in ("states", "payloads"):
        return group
    if group in ("segments", "positions"):
        return "points" if array.dtype.kind == "f" else "integers"
    return "events"


@pytest.fixture(scope="module")
def copy(whole, tmp_path_factory):
    """A copy to damage, and to mend again."""
    path = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(whole.path, path)
    return path


def corrupt(random, file: Path, other: Path):
    """Change a file in one of six ways; give what mends it."""
    was = file.read_bytes()
    now = bytearray(was)
    way = random.integers(6)
    if way == 0:
        del now[random.integers(len(was)) :]
    elif way == 1:
        file.unlink()
        return was
    elif way == 2:
        start = int(random.integers(len(was)))
        now[start : start + 512] = bytes(len(now[start : start + 512]))
    elif way == 3:
        now += random.bytes(int(random.integers(1, 100)))
    elif way == 4:
        now = bytearray(other.read_bytes())
    if bytes(now) == was:
        now[random.integers(len(was))] ^= 1 << int(random.integers(8))
    file.write_bytes(now)
    return was


def good_is_good(found, whole):
    """Segments that are called good read as they were written, in every group."""
    if not found.good:
        return
    opened = open(found.path, snapshot=found.snapshot)
    length = whole.attrs["segment_length"]
    for first, after in found.good:
        place = {"segment": slice(first, after)}
        assert opened.segments.isel(place).load().identical(whole.segments.isel(place).load())
        place = {"position": slice(first * length, after * length)}
        assert opened.positions.isel(place).load().identical(whole.positions.isel(place).load())
        for table in ("questions", "decisions", "entries", "payloads"):
            a, b = getattr(opened, table), getattr(whole, table)
            column = "position" if table == "payloads" else "segment"
            scale = length if table == "payloads" else 1
            picked = []
            for one in (a, b):
                at = one[column].values // scale
                picked.append(one.isel({one[column].dims[0]: (at >= first) & (at < after)}))
            lives = [one.drop_vars(["died", "fate"], errors="ignore") for one in picked]
            assert lives[0].equals(lives[1]), table
        states = opened.states
        for t in states[(states >= first) & (states < after)]:
            for name, value in opened.state(int(t))[1].items():
                np.testing.assert_array_equal(value, whole.state(int(t))[1][name])


@pytest.mark.parametrize("kind", KINDS)
def test_every_corruption_is_noticed(kind, kinds, copy, whole):
    random = np.random.default_rng(KINDS.index(kind))
    files = kinds[kind]
    assert files
    for n in range(N_CORRUPTION):
        name, other = (files[i] for i in random.integers(len(files), size=2))
        was = corrupt(random, copy / name, copy / other)
        try:
            seals = read_seals(copy)
            found = compare_with_seals(copy, seals)
            noticed = [*found.wrong, *damaged_seals(copy, seals), *unsealed(copy, seals, found, True, [])]
            assert noticed, (kind, name)
            if n < N_READ:
                told = verify(copy)
                assert not told.ok
                assert any(name in damage.where for damage in told.damages), told
                good_is_good(told, whole)
        finally:
            (copy / name).write_bytes(was)
    assert verify(copy).ok


def first_chunk(path, array):
    """The file of an array's first chunk."""
    shot = Snapshot(path, read_seals(path).snapshots[-1], compare_with_seals(path, read_seals(path)))
    [first, *_] = shot.chunk_digests(array)
    [name] = [name for name, found in read_seals(path).files.items() if found.digest == first]
    return name


def test_a_damaged_chunk_takes_only_its_segments(copy, whole):
    name = first_chunk(copy, "/segments/context.hook_slot")
    was = (copy / name).read_bytes()
    (copy / name).unlink()
    told = verify(copy)
    (copy / name).write_bytes(was)
    n = whole.segments.sizes["segment"]
    [chunks] = [damage for damage in told.damages if damage.kind == "chunks"]
    assert chunks.where == "/segments/context.hook_slot" and chunks.segments == ((0, 8),)
    assert told.good == ((8, n),)
    assert [damage.where for damage in told.damages if damage.kind == "file"] == [name]
    assert "segments 0-7" in str(told) and told.snapshot in str(told)


def test_a_lost_branch_loses_no_segment(copy, whole):
    ref = copy / "refs" / "branch.main" / "ref.json"
    was = ref.read_bytes()
    ref.unlink()
    told = verify(copy)
    good_is_good(told, whole)
    ref.write_bytes(was)
    assert told.good == ((0, whole.segments.sizes["segment"]),) and not told.ok


def test_a_commit_that_was_not_sealed(copy):
    was = (copy / SEALS).read_bytes()
    n_byte = was.rstrip(b"\n").rfind(b"\n") + 1
    (copy / SEALS).write_bytes(was[: n_byte + 5])
    told = verify(copy)
    (copy / SEALS).write_bytes(was)
    assert {damage.kind for damage in told.damages} == {"unsealed", "file"}
    assert [damage.where for damage in told.damages if damage.kind == "file"] == ["refs/branch.main/ref.json"]
    assert told.good[0][0] == 0


def edit(path, change):
    """Commit and seal a change, as a writer with a bug would."""
    session = open_repository(path).writable_session("main")
    change(zarr.open_group(session.store, mode="r+"))
    session.commit("edit")
    Sealer(path).seal()


def put(name, at, value):
    def change(root):
        root[name][at] = value

    return change


def put_attr(name, value):
    def change(root):
        root.attrs[name] = value

    return change


def shorten(root):
    root["decisions/level"].resize(3)


@pytest.mark.parametrize(
    ("kind", "where", "change"),
    [
        ("lengths", "/decisions/level", shorten),
        ("lengths", "/", put_attr("n_token", 3)),
        ("segments", "/segments/segment", put("segments/segment", 2, 7)),
        ("segments", "/segments/n_valid", put("segments/n_valid", (0, 2), 3)),
        ("segments", "/segments/occupancy", put("segments/occupancy", (0, 3, 0), 0)),
        ("ranges", "/positions/modality", put("positions/modality", (0, 3), 9)),
        ("ranges", "/decisions/executed", put("decisions/executed", 5, 4)),
        ("ranges", "/questions/read_weight", put("questions/read_weight", (0, slice(None)), 3.0)),
        ("lineage", "/entries/entry", put("entries/entry", slice(0, 2), 0)),
        ("lineage", "/entries/parent", put("entries/parent", (3, 0), 2**40 - 5)),
        ("lineage", "/deaths", put("deaths/entry", slice(0, 2), 0)),
        ("lineage", "/deaths", put("deaths/entry", 0, 2**40 - 5)),
        ("lineage", "/segments/entry_id", put("segments/entry_id", (0, 5, 0), -1)),
        ("asked", "/decisions/entry", put("decisions/entry", 5, 2**40 - 5)),
        ("stream", "/positions, sequence 0", put("positions/token", (0, 5), 3)),
    ],
)
def test_contents_are_compared(whole, tmp_path, kind, where, change):
    path = tmp_path / "run"
    shutil.copytree(whole.path, path)
    edit(path, change)
    told = verify(path)
    assert (kind, where) in {(damage.kind, damage.where) for damage in told.damages}, told


def test_the_weights_and_the_parent(whole, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    [damage] = verify(whole.path, model=tmp_path).damages
    assert damage.kind == "weights"
    with pytest.raises(ModelError, match="no weights at"):
        verify(whole.path, model=tmp_path / "none")
    [damage] = verify(whole.path, parent=whole.path).damages
    assert damage.kind == "parent"


def test_a_replay_begins_in_the_middle(whole, small_model, tmp_path):
    replay(whole, small_model, 5, tmp_path / "run", options=RecordOptions(commit_every=4))
    n = whole.segments.sizes["segment"]
    told = verify(tmp_path / "run", parent=whole.path)
    assert told.ok, told
    assert told.good == ((5, n),)
    name = first_chunk(tmp_path / "run", "/segments/context.hook_slot")
    (tmp_path / "run" / name).unlink()
    assert verify(tmp_path / "run").good == ((9, n),)


def test_an_unfinished_recording_is_no_damage(tmp_path):
    planted_recording(tmp_path / "run", n_segment=4, commit_every=2)
    edit(tmp_path / "run", put_attr("complete", False))
    (tmp_path / "run" / "chunks" / "LEFT").write_bytes(b"of a commit that was not made")
    told = verify(tmp_path / "run")
    assert told.ok and not told.complete
    assert any("not complete" in note for note in told.notes) and any("1 files" in note for note in told.notes)


def test_command(whole, copy, tmp_path, capsys):
    assert main(["verify", str(whole.path)]) == 0
    assert capsys.readouterr().out.endswith("good\n")
    name = next(name for name in read_seals(copy).files if name.startswith("chunks/"))
    was = (copy / name).read_bytes()
    (copy / name).write_bytes(was[:-1])
    assert main(["verify", str(copy), "--json"]) == 1
    (copy / name).write_bytes(was)
    told = json.loads(capsys.readouterr().out)
    assert told["damages"][0]["where"] == name and not told["ok"]
    assert main(["verify", str(tmp_path)]) == 2
    assert "no recording at" in capsys.readouterr().err
    with pytest.raises(RecordingError, match="no recording at"):
        verify(tmp_path / "nowhere")
