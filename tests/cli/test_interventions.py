"""replay, compare and sweep from the shell, on a small untrained model."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import memlens
from memlens.cli import main
from memlens.model import load_memory_model, save_model
from memlens.recording import RecordOptions, record
from memlens.streams import Stream

from ..model.conftest import SMALL, make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model and a recording of some segments."""
    folder = tmp_path_factory.mktemp("interventions")
    save_model(make_model(SMALL), folder / "model")
    stream = Stream("mill")
    for i in range(4):
        stream.text(f"The code of mill {i} is 47{i}." + " It rained for three days, and then it rained again." * 3)
        stream.question(f"What is the code of mill {i}?", f"47{i}", fact=i)
    record(load_memory_model(folder / "model"), stream, folder / "run", RecordOptions(states_every=2))
    return folder


def test_replay_and_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = memlens.open(folder / "run")
    entry = int(recording.segments["entry_id"].sel(segment=2).values.max())
    changes = folder / "changes.json"
    changes.write_text(json.dumps([{"kind": "force", "segment": 3, "entry": entry, "action": "DISCARD"}]))
    run, child, model = (str(folder / name) for name in ("run", "child", "model"))
    assert (
        main(["replay", run, "--model", model, "--from-segment", "3", "-o", child, "--interventions", str(changes)])
        == 0
    )
    assert memlens.open(child).attrs["parent"] == recording.id
    capsys.readouterr()
    assert main(["compare", run, child]) == 0
    assert "segment 3, controller.hook_q" in capsys.readouterr().out
    assert main(["compare", run, child, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first"] == {"segment": 3, "point": "controller.hook_q"}
    assert main(["compare", run, run]) == 0
    assert "nothing differs" in capsys.readouterr().out


def test_sweep(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, model = str(folder / "run"), str(folder / "model")
    assert main(["sweep", run, "--model", model, "--targets", "random:5", "-o", str(folder / "drawn.nc")]) == 0
    assert "5 targets, 4 questions" in capsys.readouterr().out
    with xr.open_dataset(folder / "drawn.nc") as found:
        targets = [[int(found["segment"][i]), int(found["entry"][i]), str(found["action"].values[i])] for i in range(5)]
        drawn = found["loss_change"].values
        assert len({tuple(target) for target in targets}) == 5
        assert (found["factual"].values != found["action"].values).all()
    (folder / "targets.json").write_text(json.dumps(targets))
    out = str(folder / "given.nc")
    assert main(["sweep", run, "--model", model, "--targets", str(folder / "targets.json"), "-o", out]) == 0
    with xr.open_dataset(out) as found:
        np.testing.assert_array_equal(found["loss_change"].values, drawn)
    capsys.readouterr()
    assert main(["sweep", run, "--model", model, "--targets", "random:5", "-o", out]) == 2
    assert "exists already" in capsys.readouterr().err


BAD = {
    "no such segment": (["replay", "run", "--model", "model", "--from-segment", "99", "-o", "x"], "has no segment 99"),
    "negative": (["replay", "run", "--model", "model", "--from-segment", "-1", "-o", "x"], "'-1' is not a segment"),
    "exists": (["replay", "run", "--model", "model", "--from-segment", "1", "-o", "run"], "exists"),
    "no file": (
        ["replay", "run", "--model", "model", "--from-segment", "1", "-o", "x", "--interventions", "none.json"],
        "no file at 'none.json'",
    ),
    "unknown kind": (
        ["replay", "run", "--model", "model", "--from-segment", "1", "-o", "x", "--interventions", "bad.json"],
        "of kind 'ablat'; closest: ablate",
    ),
    "no recording": (["compare", "run", "nowhere"], "no recording at 'nowhere'"),
    "random in words": (["sweep", "run", "--model", "model", "--targets", "random:some", "-o", "x"], "give random:N"),
    "too many": (["sweep", "run", "--model", "model", "--targets", "random:100K", "-o", "x"], "give random:N"),
    "no triple": (
        ["sweep", "run", "--model", "model", "--targets", "triple.json", "-o", "x"],
        "expected [segment, entry",
    ),
}


@pytest.mark.parametrize(("argv", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    Path("bad.json").write_text('[{"kind": "ablat"}]')
    Path("triple.json").write_text("[[1, 2]]")
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("memlens: error: ") and err.count("\n") == 1
    assert message in err
    assert not Path("x").exists()
