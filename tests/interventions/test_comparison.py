"""compare() finds what was changed, where it begins, and nothing else."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memlens.errors import RecordingError
from memlens.interventions import Ablate, Force, compare
from memlens.interventions.comparison import Divergence, firing_order
from memlens.model import MemoryModel
from memlens.model.points import points
from memlens.recording import Recording, RecordOptions, record, replay
from memlens.recording.capture.point_selection import SPARSE
from memlens.streams import EncodedStream, Stream, default_tokenizer


@pytest.fixture(scope="module")
def forced(model: MemoryModel, recorded: Recording, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Candidate 2 of segment 3 is dropped."""
    path = tmp_path_factory.mktemp("compare") / "forced"
    return replay(recorded, model, 2, path, interventions=[Force(segment=3, slot=2, action="DISCARD")])


def test_a_replay_is_no_change(model: MemoryModel, recorded: Recording, tmp_path: Path) -> None:
    found = compare(recorded, replay(recorded, model, 4, tmp_path / "same"))
    assert found.first is None
    assert found.decisions.sizes["decision"] == 0 and found.entries.sizes["entry_row"] == 0
    assert (found.points["largest"] == 0).all()
    summary = found.summary()
    assert summary["answers_changed"] == 0 and summary["loss_change"] == 0 and summary["points_changed"] == []


def test_a_forced_action(recorded: Recording, forced: Recording) -> None:
    found = compare(recorded, forced)
    assert found.first == Divergence(3, "controller.hook_q")
    entry = 3 * 11 + 2
    row = found.decisions.isel(
        decision=(found.decisions["segment"].values == 3) & (found.decisions["entry"].values == entry)
    )
    assert [str(row[name].values[0]) for name in ("parent", "child")] == ["STORE", "DISCARD"] or str(
        row["child"].values[0]
    ) == "DISCARD"
    lives = found.entries.isel(entry_row=found.entries["entry"].values == entry)
    assert int(lives["died_child"][0]) == 3 and int(lives["died_parent"][0]) != 3
    largest = found.points["largest"]
    assert (largest.sel(segment=2) == 0).all()
    assert float(largest.sel(segment=3, point="store.hook_content")) > 0
    a, b = (r["store.hook_content"].sel(segment=5).values for r in (recorded, forced))
    assert float(largest.sel(segment=5, point="store.hook_content")) == np.abs(a.astype(float) - b).max()
    questions = found.questions
    asked = recorded.questions
    np.testing.assert_array_equal(questions["loss_parent"].values, asked["loss"].values[asked["segment"].values >= 2])
    assert (np.diff(questions["position"].values) > 0).all()
    by = found.by_distance
    known = questions["distance"].values >= 0
    assert int(by["n"].sum()) == int(known.sum())
    change = (questions["loss_child"] - questions["loss_parent"]).values[known]
    np.testing.assert_allclose(float((by["loss_change"] * by["n"]).sum()), change.sum(), rtol=1e-6)


def test_a_state_that_is_changed(
    model: MemoryModel, stream: EncodedStream, recorded: Recording, tmp_path: Path
) -> None:
    child = record(model, stream, tmp_path / "child", RecordOptions(interventions=[Ablate(point="context.hook_slot", segment=1, slot=0)],
                   parent=recorded, dtype="float32"))  # fmt: skip
    found = compare(recorded, child)
    assert found.first == Divergence(1, "context.hook_slot")
    assert found.segments.sizes["segment"] == recorded.segments.sizes["segment"]


def test_firing_order(model: MemoryModel, stream: EncodedStream) -> None:
    fired: list[str] = []

    def note(tensor: object, hook: object) -> None:
        fired.append(str(hook.name))  # pyright: ignore

    listed = [point.name for point in points(model.cfg) if point.group not in SPARSE]
    with model.hooks(fwd_hooks=[(name, note) for name in listed]):
        next(iter(model.run(stream)))
    parts = [firing_order(name) for name in fired]
    assert parts == sorted(parts) and len(fired) == len(listed)
    assert sorted(listed, key=firing_order) == fired


def test_what_cannot_be_compared(model: MemoryModel, recorded: Recording, forced: Recording, tmp_path: Path) -> None:
    other = record(model, Stream("other").text("It rained. " * 60).encode(default_tokenizer()), tmp_path / "other")
    with pytest.raises(RecordingError, match=r"their streams differ: .*mill.* and .*other"):
        compare(recorded, other)


def test_comparing_needs_no_torch(recorded: Recording, forced: Recording) -> None:
    code = (
        "import sys, memlens; "
        f"print(memlens.compare(memlens.open({str(recorded.path)!r}), memlens.open({str(forced.path)!r})).first); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "controller.hook_q" in done.stdout
