import numpy as np
import pytest

from memlens.analysis import clusters
from memlens.analysis.support.cluster_tokens import class_tfidf
from memlens.analysis.support.clustering import METHODS
from memlens.errors import AnalysisError
from memlens.testing import information, structure, write_recording
from memlens.testing.information import target
from memlens.testing.structure import Shape

from .chance import SEEDS, assert_rate


def test_planted_clusters_are_found(recording):
    found = clusters(recording, draws=19, shuffles=19)
    assert found.attrs["chosen_k"] == 4
    assert float(found["ami"]) > 0.95
    assert float(found["silhouette_p"]) <= 0.05
    assert float(found["ami_p"]) <= 0.05
    assert found["share"].max("label_class").values == pytest.approx(1.0)
    assert int(found["size"].sum()) == found.attrs["n"] == 80 * 16


def test_one_cloud_is_not_called_clusters(plant):
    found = clusters(plant(apart=0.0), draws=19, shuffles=19)
    assert float(found["silhouette_p"]) > 0.05
    assert abs(float(found["ami"])) < 0.02


def test_marking_tokens_come_from_the_windows(recording):
    found = clusters(recording, draws=1, shuffles=1)
    most = found["label_class"].values[found["share"].values.argmax(1)]
    by_cluster = dict(zip(most.tolist(), found["cluster_token"].values, strict=True))
    assert by_cluster["image"][0] == "‹image›"
    assert by_cluster["dna"][0] == "‹dna›"
    assert (found["cluster_token_weight"].values >= 0).all()


def test_one_modality_has_no_agreement(plant):
    found = clusters(plant(modalities=1), k=2, draws=1, shuffles=1)
    assert np.isnan(float(found["ami"]))
    assert np.isnan(float(found["ami_p"]))


def test_sample_is_repeatable_and_counted(recording):
    one, two = (clusters(recording, k=4, sample=200, draws=1, shuffles=1) for _ in range(2))
    assert one.attrs["n"] == 200
    assert one.attrs["total"] == 1280
    np.testing.assert_array_equal(one["label"], two["label"])


@pytest.mark.parametrize(
    "params", [{"method": "kmean"}, {"boots": 0}, {"k": 1}, {"k": 10_000}, {"sample": 3}, {"draws": 0}]
)
def test_wrong_parameters_are_refused(recording, params):
    with pytest.raises(AnalysisError):
        clusters(recording, **params)


def test_a_point_without_features_is_refused(recording):
    with pytest.raises(AnalysisError, match="expected \\(sequence, segment, place, feature\\)"):
        clusters(recording, point="context.hook_prior")


@pytest.mark.parametrize("method", ["minibatch", "hdbscan", "agglomerative"])
def test_every_method_finds_planted_clusters(method):
    shape = Shape(segment=40, feature=8)
    value, label = structure.clustered(shape, k=3, apart=8.0)
    recording = write_recording(None, points={"context.hook_slot": value})
    found = clusters(recording, method=method, target=target(label), draws=19, shuffles=19, boots=3)
    assert found.attrs["chosen_k"] == 3
    assert float(found["ari"]) > 0.9
    assert float(found["silhouette_p"]) <= 0.05
    assert float(found["ari_p"]) <= 0.05
    assert float(found["stability"].mean()) > 0.9 > float(found["stability_null"].mean())


@SEEDS
def test_noise_has_no_clusters(seeds: int):
    """The seeds are shared by the methods."""
    shape = Shape(segment=30, place=2, feature=3)
    p = []
    for seed in range(seeds):
        recording = write_recording(None, points={"context.hook_slot": structure.noise(shape, seed=seed)})
        label = target(information.labels(shape, whole=True, memory=0.5, seed=seed))
        found = clusters(
            recording, method=METHODS[seed % len(METHODS)], k=2, target=label, draws=19, shuffles=19, boots=1, seed=seed
        )
        p.append([float(found["silhouette_p"]), float(found["ami_p"])])
    assert_rate(np.array(p)[:, 0])
    assert_rate(np.array(p)[:, 1])


def test_class_tfidf_by_hand():
    token = np.array([[0, 1], [0, 1], [2, 1], [2, 1]])
    codes, weight = class_tfidf(token, np.full((4, 2), 0.5), np.array([0, 0, 1, 1]), 2)
    assert codes.tolist() == [0, 1, 2]
    # each cluster has mass 2; token 0 has mass 1, all of it in cluster 0; token 1 has mass 2
    np.testing.assert_allclose(weight[0], [0.5 * np.log(3), 0.5 * np.log(2), 0])
