import numpy as np
import pytest

from memlens.analysis import similarity
from memlens.analysis.support.signatures import alike, signature
from memlens.errors import AnalysisError, RecordingError
from memlens.testing import structure, write_recording
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate

BOTH = ("context.hook_slot", "working.hook_slot")


def two_points(path, one, other, **params):
    recording = write_recording(path, points=dict(zip(BOTH, (one, other), strict=True)))
    return similarity(recording, points=BOTH, **params).sel(one=BOTH[0], two=BOTH[1])


def test_the_same_content_in_other_axes_is_alike():
    value = structure.noise(shared=0.5)
    found = two_points(None, value, structure.other_run(value, noise=0.0)[0])
    np.testing.assert_allclose(found["value"], 1.0, atol=1e-3)
    assert (found["p"] <= 0.05).all()
    assert (found["null_high"] < 0.5).all()


def test_debiased_cka_by_hand():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 4))

    def hsic(k, m):
        n, one = len(k), np.ones(len(k))
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        trace = (
            np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ m @ one
        )
        return trace / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    expected = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
    assert alike(signature(x, "cka"), signature(y, "cka")) == pytest.approx(expected, abs=1e-5)


def test_rsa_is_spearman_of_distances():
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 4))
    expected = spearmanr(pdist(x), pdist(y)).statistic
    assert alike(signature(x, "rsa"), signature(y, "rsa")) == pytest.approx(expected, abs=1e-5)


def test_two_recordings_of_one_stream():
    value = structure.noise(shared=0.5)
    one = write_recording(None, points={BOTH[1]: value})
    two = write_recording(None, points={BOTH[1]: structure.other_run(value)[0]})
    found = similarity(one, other=two, points=BOTH[1:])
    assert found["value"].shape == (2, 1, 1)
    assert (found["low"] > 0.8).all() and (found["value"] <= found["high"]).all()
    assert found.attrs["other"] == two.id


def test_segments_are_alike_where_places_keep_their_relations():
    recording = write_recording(None, points={BOTH[1]: structure.specialised(Shape(place=16), share=0.8)})
    found = similarity(recording, by="segment", points=BOTH[1:], times=8)
    off = ~np.eye(8, dtype=bool)
    assert (found["p"].values[:, off] <= 0.05).mean() > 0.95


@SEEDS
def test_unrelated_points_are_not_alike(seeds: int):
    shape = Shape(segment=96, place=3, feature=6)
    p = []
    for seed in range(seeds):
        points = {
            name: structure.noise(shape, seed=2 * seed + at, memory=(0.0, 0.5)[seed % 2])
            for at, name in enumerate(BOTH)
        }
        found = similarity(write_recording(None, points=points), points=BOTH, shuffles=19)
        p.append(found["p"].sel(one=BOTH[0], two=BOTH[1]).values)
    for at in range(2):
        assert_rate(np.array(p)[:, at])


def test_other_streams_and_missing_points_are_refused():
    value = structure.noise()
    one = write_recording(None, points={BOTH[1]: value})
    two = write_recording(None, points={BOTH[1]: value}, positions={"token": np.full((1, 64 * 64), 7)})
    three = write_recording(None, points={BOTH[1]: value[:, :32]})
    with pytest.raises(AnalysisError, match="differ in the token at sequence 0, position 0"):
        similarity(one, other=two, points=BOTH[1:])
    with pytest.raises(AnalysisError, match=r"segments \(64 and 32\)"):
        similarity(one, other=three, points=BOTH[1:])
    with pytest.raises(RecordingError, match="memlens record MODEL STREAM -o RUN --points default context"):
        similarity(one, points=BOTH)
    with pytest.raises(AnalysisError, match="closest: segment"):
        similarity(one, by="segments")
