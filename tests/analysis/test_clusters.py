import numpy as np
import pytest

from memlens.analysis import clusters
from memlens.analysis.marks import class_tfidf
from memlens.errors import AnalysisError


def test_planted_clusters_are_found(recording):
    found = clusters(recording, draws=19, shuffles=19)
    assert found.attrs["chosen_k"] == 4
    assert float(found["ami"]) > 0.95
    assert float(found["silhouette_p"]) <= 0.05
    assert float(found["ami_p"]) <= 0.05
    assert found["share"].max("modality").values == pytest.approx(1.0)
    assert int(found["size"].sum()) == found.attrs["n"] == 80 * 16


def test_one_cloud_is_not_called_clusters(plant):
    found = clusters(plant(apart=0.0), draws=19, shuffles=19)
    assert float(found["silhouette_p"]) > 0.05
    assert abs(float(found["ami"])) < 0.02


def test_marking_tokens_come_from_the_windows(recording):
    found = clusters(recording, draws=1, shuffles=1)
    most = found["modality"].values[found["share"].values.argmax(1)]
    by_cluster = dict(zip(most.tolist(), found["mark_token"].values, strict=True))
    assert by_cluster["image"][0] == "‹image›"
    assert by_cluster["dna"][0] == "‹dna›"
    assert (found["mark_weight"].values >= 0).all()


def test_one_modality_has_no_agreement(plant):
    found = clusters(plant(modalities=1), k=2, draws=1, shuffles=1)
    assert np.isnan(float(found["ami"]))
    assert np.isnan(float(found["ami_p"]))


def test_sample_is_repeatable_and_counted(recording):
    one, two = (clusters(recording, k=4, sample=200, draws=1, shuffles=1) for _ in range(2))
    assert one.attrs["n"] == 200
    assert one.attrs["total"] == 1280
    np.testing.assert_array_equal(one["label"], two["label"])


@pytest.mark.parametrize("params", [{"k": 1}, {"k": 10_000}, {"sample": 3}, {"draws": 0}])
def test_wrong_parameters_are_refused(recording, params):
    with pytest.raises(AnalysisError):
        clusters(recording, **params)


def test_a_point_without_features_is_refused(recording):
    with pytest.raises(AnalysisError, match="expected \\(sequence, segment, place, feature\\)"):
        clusters(recording, point="context.hook_prior")


def test_class_tfidf_by_hand():
    token = np.array([[0, 1], [0, 1], [2, 1], [2, 1]])
    codes, weight = class_tfidf(token, np.full((4, 2), 0.5), np.array([0, 0, 1, 1]), 2)
    assert codes.tolist() == [0, 1, 2]
    # each cluster has mass 2; token 0 has mass 1, all of it in cluster 0; token 1 has mass 2
    np.testing.assert_allclose(weight[0], [0.5 * np.log(3), 0.5 * np.log(2), 0])
