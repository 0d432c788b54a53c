import numpy as np
import pytest

from memlens.analysis import slot_map
from memlens.errors import AnalysisError


def test_planted_groups_are_apart_on_the_map(recording):
    found = slot_map(recording)
    flat, modality = found["coordinate"].values, found["modality"].values
    centres = np.stack([flat[modality == code].mean(0) for code in range(4)])
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)[np.triu_indices(4, 1)]
    assert gaps.min() > 2
    assert 0.5 < float(found["explained_variance"].sum()) <= 1
    assert 0.5 < float(found["trustworthiness"]) <= 1
    assert (found["importance"].values <= 0).all()


def test_pca_agrees_with_the_singular_values(recording):
    value = recording["context.hook_slot"].values.reshape(-1, 24).astype(float)
    singular = np.linalg.svd(value - value.mean(0), compute_uv=False)
    share = singular**2 / (singular**2).sum()
    np.testing.assert_allclose(slot_map(recording)["explained_variance"], share[:2], rtol=1e-5)


def test_store_entries_are_taken_once(recording):
    found = slot_map(recording, point="store.hook_content")
    pairs = np.stack([found["sequence"].values, found["entry"].values])
    assert np.unique(pairs, axis=1).shape[1] == found.sizes["sample"]
    known = dict(zip(recording.entries["entry"].values, recording.entries["modality"].values, strict=True))
    assert [known[entry] for entry in found["entry"].values] == found["modality"].values.tolist()


def test_unknown_method(recording):
    with pytest.raises(AnalysisError, match="allowed: pca, umap"):
        slot_map(recording, method="tsne")


def test_values_that_are_not_finite_are_refused(plant):
    recording = plant()
    recording.segments["context.hook_slot"][0, 3, 2, 1] = np.inf
    with pytest.raises(AnalysisError, match="holds inf at sequence 0, segment 3, slot 2, feature 1"):
        slot_map(recording)


def test_a_map_is_judged_against_exchanged_points(recording):
    found = slot_map(recording, sample=500)
    assert float(found["trustworthiness"]) > float(found["trustworthiness_null"].max())
    assert float(found["trustworthiness_null"].mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_umap_gives_two_axes(recording):
    found = slot_map(recording, method="umap", sample=300)
    assert found["coordinate"].shape == (300, 2)
    assert float(found["trustworthiness"]) > 0.7
