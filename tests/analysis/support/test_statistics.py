import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memlens.analysis.support.statistics import confusion_scores, p_value, wilson


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_holds_the_estimate(n, share):
    hits = int(n * share)
    low, high = wilson(np.array(hits), np.array(n))
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


def test_wilson_of_a_published_example():
    low, high = wilson(np.array(81), np.array(263))  # Newcombe, 1998, table I: 0.2553 to 0.3662
    assert (float(low), float(high)) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_confusion_scores_agree_with_sklearn():
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    r = np.random.default_rng(0)
    true, predicted = r.integers(0, 3, 200), r.integers(0, 3, 200)
    macro = precision_recall_fscore_support(true, predicted, average="macro")[:3]
    np.testing.assert_allclose(
        confusion_scores(confusion_matrix(true, predicted)), [accuracy_score(true, predicted), *macro]
    )


def test_p_is_never_zero():
    assert p_value(9.0, np.zeros(19)) == pytest.approx(0.05)
    assert p_value(-1.0, np.zeros(19)) == 1


def test_wilson_holds_the_share_itself() -> None:
    n = np.arange(1, 200)
    for right in (n, n * 0):
        low, high = wilson(right, n)
        assert (low <= right / n).all() and (high >= right / n).all()
