import numpy as np
import pytest

from memlens.analysis import dictionary
from memlens.analysis.support.sparse_autoencoder import fit_autoencoder
from memlens.errors import AnalysisError
from memlens.testing import structure, write_recording
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

POINT = "context.hook_slot"
SHAPE = Shape(segment=200, place=10, feature=20)


def test_planted_atoms_are_found():
    value, atom, _ = structure.sparse(SHAPE, atoms=24, active=2)
    found = dictionary(write_recording(None, points={POINT: value}), atoms=32, active=2, steps=1000, draws=19)
    assert float(found["p"]) <= 0.05
    assert float(found["explained"]) > 0.8
    assert float(found["explained"]) > float(found["explained_pca"]) + 0.3
    assert float(found["explained"]) > float(found["explained_shuffled"]) + 0.1
    assert float(found["explained"]) > float(found["explained_check"]) - 0.1
    best = (atom @ found["direction"].values.T).max(1)
    assert np.median(best) > 0.95
    assert float(found["check_agreement"]) > 0.8
    assert (np.diff(found["frequency"].values) <= 0).all()
    row = found.isel(atom=0, example=0)
    place = (int(row[f"example_{name}"]) for name in ("sequence", "segment", "place"))
    here = value[tuple(place)] - value.reshape(-1, 20).mean(0)
    assert here @ found["direction"].values[0] > 0.5
    assert row["example_token"].item() != ""


def test_dead_atoms_restart():
    rng = np.random.default_rng(0)
    value = np.abs(rng.normal(size=(500, 1))) * np.eye(8)[rng.integers(8, size=500)]
    model = fit_autoencoder(value, 16, 1, 400, 0)
    assert (model.encode(value) > 0).any(0).sum() >= 8
    assert model.explained(value) > 0.95


@SEEDS
def test_noise_has_no_dictionary(seeds: int):
    shape = Shape(segment=60, place=2, feature=5)
    p = []
    for seed in range(seeds):
        recording = write_recording(None, points={POINT: structure.noise(shape, seed=seed)})
        p.append(float(dictionary(recording, atoms=8, active=1, steps=40, draws=9, seed=seed)["p"]))
    assert_rate(p, 0.1)


def test_what_has_no_dictionary_is_refused():
    recording = write_recording(None, points={POINT: np.ones(Shape())})
    with pytest.raises(AnalysisError, match="the same"):
        dictionary(recording)
    with pytest.raises(AnalysisError, match="active is 9"):
        dictionary(recording, active=9, atoms=8)
    with pytest.raises(AnalysisError, match="30 rows, expected 100"):
        dictionary(recording, sample=30)
