"""Scores of predicted classes, from confusion matrices: of one, or of all resamples of a bootstrap at once.

scikit-learn has the same scores for one list of predictions at a time.
"""

import numpy as np

METRICS = ["accuracy", "precision", "recall", "f1"]


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, n_class: int) -> np.ndarray:
    """Count the rows of each pair of classes.

    Parameters
    ----------
    true, predicted : int [row]
        Codes 0 to n_class - 1.
    n_class : int
        Classes there are.

    Returns
    -------
    int [true, predicted]
    """
    return np.bincount(true * n_class + predicted, minlength=n_class**2).reshape(n_class, n_class)


def confusion_scores(confusion: np.ndarray) -> np.ndarray:
    """Accuracy and macro precision, recall and F1 of confusion matrices.

    Parameters
    ----------
    confusion : int [..., true, predicted]
        Counts. Classes without any true row are left out of the macro means.

    Returns
    -------
    float [..., metric]
        In the order of METRICS. A class that is never predicted has precision 0.
    """
    confusion = np.asarray(confusion, float)
    precision, recall, f1 = class_scores(confusion)
    total = confusion.sum((-2, -1))
    hit = np.trace(confusion, axis1=-2, axis2=-1)
    accuracy = np.divide(hit, total, out=np.zeros_like(hit), where=total > 0)
    present = confusion.sum(-1) > 0
    count = np.maximum(present.sum(-1), 1)
    macro = [(np.where(present, values, 0).sum(-1) / count) for values in (precision, recall, f1)]
    return np.stack([accuracy, *macro], axis=-1)


def class_scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class, float [..., class]; 0 where undefined. Takes counts [..., true, predicted]."""
    confusion = np.asarray(confusion, float)
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    predicted, true = confusion.sum(-2), confusion.sum(-1)

    def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.divide(above, below, out=np.zeros_like(below), where=below > 0)

    return divide(hit, predicted), divide(hit, true), divide(2 * hit, predicted + true)
