import numpy as np

from memlens.stats.classification import class_scores, confusion_matrix, confusion_scores


def test_confusion_scores_agree_with_sklearn():
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    r = np.random.default_rng(0)
    true, predicted = r.integers(0, 3, 200), r.integers(0, 3, 200)
    macro = precision_recall_fscore_support(true, predicted, average="macro")[:3]
    np.testing.assert_allclose(
        confusion_scores(confusion_matrix(true, predicted)), [accuracy_score(true, predicted), *macro]
    )


def test_confusion_matrix_and_class_scores_agree_with_sklearn() -> None:
    import sklearn.metrics

    r = np.random.default_rng(1)
    true, predicted = r.integers(0, 4, 300), r.integers(0, 4, 300)
    counted = confusion_matrix(true, predicted, 4)
    np.testing.assert_array_equal(counted, sklearn.metrics.confusion_matrix(true, predicted))
    expected = sklearn.metrics.precision_recall_fscore_support(true, predicted)[:3]
    np.testing.assert_allclose(class_scores(counted), expected)
