"""The same functions on Dask blocks give the numbers that they give in memory."""

import dask.array as da
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from memlens.analysis import clusters, probe, slot_map
from memlens.analysis.support.blocks import blocks, moments
from memlens.analysis.support.clustering import cluster, principal
from memlens.analysis.support.probing import fit_predict
from memlens.errors import AnalysisError
from memlens.testing import information, structure, write_recording
from memlens.testing.information import target
from memlens.testing.structure import Shape

POINT = "context.hook_slot"
#: Far less than the vectors of any recording here.
SMALL = 16_384


@pytest.fixture
def groups():
    """Six groups in 24 dimensions, in memory and in blocks of 300 rows."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 6, 4000)
    value = (4 * rng.normal(size=(6, 24))[label] + rng.normal(size=(4000, 24))).astype(np.float32)
    return value, da.from_array(value, chunks=(300, 24)), label


def test_moments_and_axes(groups):
    value, lazy, _ = groups
    for one, other in zip(moments(value), moments(lazy), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    mine, share = principal(value, 8)
    theirs, lazy_share = principal(lazy, 8)
    assert isinstance(theirs, np.ndarray), "a projection that fits is in memory"
    np.testing.assert_allclose(mine, theirs, atol=1e-3)  # float32; axes of noise are nearly alike
    np.testing.assert_allclose(share, lazy_share, rtol=1e-5)
    in_blocks, _ = principal(lazy, 8, memory=SMALL)
    assert isinstance(in_blocks, da.Array) and in_blocks.numblocks[0] == 14
    np.testing.assert_allclose(in_blocks.compute(), theirs, atol=1e-6)


def inertia(value, label):
    return sum(((value[label == at] - value[label == at].mean(0)) ** 2).sum() for at in np.unique(label))


@pytest.mark.parametrize("method", ["kmeans", "minibatch"])
def test_k_means(groups, method):
    value, lazy, planted = groups
    one, other = (cluster(rows, 6, method, 0) for rows in (value, lazy))
    assert adjusted_rand_score(one, other) > 0.99 and adjusted_rand_score(planted, other) > 0.99
    assert inertia(value, other) == pytest.approx(inertia(value, one), rel=0.01)


@pytest.mark.parametrize("n_class", [2, 3])
def test_logistic_probes(groups, n_class):
    value, lazy, label = groups
    label = np.where(np.random.default_rng(1).random(4000) < 0.2, label + 1, label) % n_class
    one, other = (fit_predict(rows[:3000], label[:3000], rows[3000:], n_class, "linear", 0) for rows in (value, lazy))
    np.testing.assert_allclose(one, other, atol=0.01)
    assert (one.argmax(1) == other.argmax(1)).mean() > 0.995


def test_ridge_probes(groups):
    value, lazy, _ = groups
    number = value @ np.arange(24) + np.random.default_rng(1).normal(size=4000)
    one, other = (fit_predict(rows[:3000], number[:3000], rows[3000:], 0, "linear", 0) for rows in (value, lazy))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-2)


def test_a_class_that_is_missing_is_never_said(groups):
    _, lazy, label = groups
    said = fit_predict(lazy[:500], np.where(label[:500] < 3, 0, 2), lazy[500:600], 3, "linear", 0)
    assert (said[:, 1] == 0).all()
    np.testing.assert_allclose(said.sum(1), 1)


def test_what_takes_all_rows_at_once_is_refused(groups):
    _, lazy, label = groups
    for method in ("hdbscan", "agglomerative"):
        with pytest.raises(AnalysisError, match=f"'{method}' takes all of the 4,000 rows"):
            cluster(lazy, 6, method, 0)
    with pytest.raises(AnalysisError, match="'mlp' takes all"):
        fit_predict(lazy, label, lazy, 6, "mlp", 0)


# whole analyses


@pytest.fixture(scope="module")
def legible():
    shape = Shape(segment=120)
    label = information.labels(shape, k=3)
    return write_recording(None, points={POINT: information.linear_classes(label, shape)}), target(label)


def test_probes_of_a_recording(legible):
    recording, wanted = legible
    options = {"target": wanted, "shuffles": 3, "resamples": 20}
    one, other = (probe(recording, **options, **more) for more in ({}, {"memory": SMALL}))
    for name in ("score", "information", "information_null", "description_length"):
        np.testing.assert_allclose(one[name], other[name], atol=0.02, rtol=0.02)
    assert float(other["information"]) > float(other["information_null"].max())
    assert float(other["random"].sel(metric="accuracy")) < 0.5


def test_clusters_and_map_of_a_recording(recording):
    options = {"draws": 3, "shuffles": 9, "boots": 2}
    one, other = (clusters(recording, **options, **more) for more in ({}, {"memory": SMALL}))
    assert one.attrs["chosen_k"] == other.attrs["chosen_k"] == 4
    assert adjusted_rand_score(one["label"], other["label"]) == 1
    for name in ("silhouette", "ami"):
        assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-3)
    np.testing.assert_allclose(one["silhouette_null"], other["silhouette_null"], atol=0.05)
    one, other = (slot_map(recording, **more) for more in ({}, {"memory": SMALL}))
    np.testing.assert_allclose(one["coordinate"], other["coordinate"], atol=1e-3)
    assert float(one["trustworthiness"]) == pytest.approx(float(other["trustworthiness"]), abs=1e-3)


def test_a_value_that_is_not_finite_is_named_where_it_is():
    value = structure.noise(Shape(segment=120)).astype(np.float32)
    value[0, 77, 3, 5] = np.nan
    recording = write_recording(None, points={POINT: value})
    for memory in (2**30, SMALL):
        with pytest.raises(AnalysisError, match=r"segment 77, slot 3, feature 5 .* 1 values are not"):
            slot_map(recording, memory=memory)


def test_one_block_is_in_memory_at_a_time(groups):
    value, lazy, _ = groups
    sizes = [block.shape[0] for _, block in blocks(lazy)]
    assert max(sizes) == 300 and sum(sizes) == 4000
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks(lazy)]), value)
