"""A writer that is killed at any instant: what it called committed is there, the recording opens, and it can be resumed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memlens.recording import open

from . import kill_server as plan


@pytest.fixture(scope="module")
def server():
    script = Path(plan.__file__)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def kill(path, seed):
            process.stdin.write(f"{path} {seed}\n")
            process.stdin.flush()
            return tuple(map(int, process.stdout.readline().split()))

        yield kill
        process.stdin.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    plan.write(path, lambda put, committed: None)
    return open(path)


def same_so_far(found, whole):
    """Everything of a recording is what the uninterrupted one has, as far as it goes; its segments."""
    n = found.n_rows("segments")
    for name in ("x", "i", "entry_id"):
        np.testing.assert_array_equal(found[name].values, whole[name].values[:, :n])
    np.testing.assert_array_equal(
        found.positions["token"].values, whole.positions["token"].values[:, : n * plan.LENGTH]
    )
    deaths = whole.tree["deaths"].to_dataset()
    deaths = deaths.isel(death=deaths["died"].values < n)
    for name, column in found.tree["deaths"].to_dataset().items():
        np.testing.assert_array_equal(column.values, deaths[name].values)
    np.testing.assert_array_equal(found.states, np.arange(1, n + 1))
    np.testing.assert_array_equal(found._states["tensors"].values, whole._states["tensors"].values[:n])
    return n


@pytest.mark.parametrize("n_kill", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_no_kill_loses_what_was_acknowledged(server, whole, tmp_path, n_kill):
    kills = lost = runs = 0
    while kills < n_kill:
        path, ended = tmp_path / f"run-{runs}", False
        runs += 1
        while not ended and kills < n_kill:
            acknowledged, ended = server(path, kills)
            kills += not ended
            if not path.exists():
                lost += acknowledged > 0
                continue
            found = open(path)
            n = same_so_far(found, whole)
            lost += n < acknowledged
            assert n % plan.COMMIT_EVERY == 0 or n == plan.N_SEGMENT
            assert n == plan.N_SEGMENT or not found.attrs["complete"]
        if ended:
            assert same_so_far(open(path), whole) == plan.N_SEGMENT
            assert open(path).attrs["complete"]
            assert open(path).attrs["n_token"] == whole.attrs["n_token"]
            assert not list(tmp_path.glob(f".{path.name}.*"))
    assert kills == n_kill
    assert lost == 0
    assert runs < n_kill / 4
