import numpy as np
import pytest

from memlens.analysis import compression
from memlens.analysis.support.entry_vectors import leaves
from memlens.errors import AnalysisError
from memlens.testing import structure, write_recording
from memlens.testing.merges import merges

from .chance import SEEDS, assert_rate


def recorded(path, **plant):
    planted = merges(**plant)
    return write_recording(path, points=planted.points, entries=planted.entries, capacities=planted.capacities)


def test_planted_loss_is_measured():
    """A mean of m independent vectors holds 1/m of the variance of each; half of the features, half of that."""
    found = compression(recorded(None, n_segment=400, feature=8, signal=0.0, kept=(1.0, 0.5)))
    np.testing.assert_allclose(found["rate"], [1, 1 / 2, 1 / 4])
    np.testing.assert_allclose(found["reconstruction"], [1, 1 / 2, 1 / 8], atol=0.03)
    assert (found["p"].values[1:] <= 0.05).all()
    assert (found["low"] <= found["reconstruction"]).all() and (found["reconstruction"] <= found["high"]).all()


def test_what_probes_lose():
    found = compression(recorded(None, n_segment=200)).sel(target="modality")
    before, after = found["before"].values[1:], found["after"].values[1:]
    assert (before > 0.8).all()
    assert before[0] > after[0] > after[1] > 0.05
    assert (found["after_p"].values[1:] <= 0.05).all()
    assert (found["lost_low"].values[1:] > 0).all()
    assert (found["lost_low"] <= found["lost"]).values[1:].all()


def test_leaves_are_the_slots_below():
    recording = recorded(None, n_segment=10)
    merge, leaf = leaves(recording)
    table = recording.entries
    assert (table["slot"].values[leaf] >= 0).all()
    level = table["level"].values[merge]
    assert (level == 1).sum() == 9 * 4 and (level == 2).sum() == 8 * 4


def test_a_slot_that_consolidated_is_no_merge():
    """It names the entry in whose place it stands as its parent, but took nothing from it."""
    found = [compression(recorded(None, n_segment=60, consolidated=on), targets=()) for on in (False, True)]
    np.testing.assert_array_equal(found[1]["level"], [0, 1, 2])
    for name in ("n", "merges", "reconstruction"):
        np.testing.assert_array_equal(found[0][name], found[1][name])


@SEEDS
def test_merges_that_hold_nothing(seeds: int):
    p = []
    for seed in range(seeds):
        recording = recorded(None, n_segment=60, feature=3, related=False, seed=seed)
        found = compression(recording, shuffles=19, folds=3, targets=())
        p.append([float(found["p"].sel(level=1)), float(found["p"].sel(level=2))])
    assert_rate(np.array(p)[:, 0])
    assert_rate(np.array(p)[:, 1])


def test_nothing_merged_is_refused():
    points = {"context.hook_slot": structure.noise(), "store.hook_content": np.zeros((1, 64, 42, 16))}
    with pytest.raises(AnalysisError, match="0 pairs of a merge and a slot"):
        compression(write_recording(None, points=points))
