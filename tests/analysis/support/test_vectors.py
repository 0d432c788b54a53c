import numpy as np

from memlens.analysis.support.clustering import principal
from memlens.analysis.support.vectors import gather, vectors
from memlens.testing import structure, write_recording

POINT = "context.hook_slot"


def test_dask_blocks_give_the_same_rows():
    array = write_recording(None, points={POINT: structure.noise()})[POINT]
    where = tuple(part.ravel() for part in np.indices(array.shape[:3]))
    blocks = array.chunk({"segment": 7})
    np.testing.assert_array_equal(gather(blocks, *where, block=10), gather(array, *where))


def test_all_rows_are_taken_where_no_sample_is_asked_for():
    recording = write_recording(None, points={POINT: structure.noise()})
    rows = vectors(recording, POINT, None, 0)
    assert rows.total == rows.value.shape[0] == 64 * 8
    assert vectors(recording, POINT, 100, 0).value.shape[0] == 100


def test_axes_by_blocks_are_those_of_scikit_learn(monkeypatch):
    from sklearn.decomposition import PCA

    value = structure.low_rank(floor=0.1).reshape(-1, 16)
    monkeypatch.setattr("memlens.analysis.support.blocks.BLOCK", 37)
    mine, share = principal(value, 4)
    reference = PCA(4, svd_solver="full").fit(value)
    np.testing.assert_allclose(np.abs(mine), np.abs(reference.transform(value)), atol=1e-8)
    np.testing.assert_allclose(share, reference.explained_variance_ratio_)
