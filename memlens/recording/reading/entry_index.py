"""Find entries by their id: rows of a table whose rows are entries of several sequences."""

from typing import Any

import numpy as np
import pandas as pd


class EntryIndex:
    """Rows of entries. Ids are unique in their sequence; of an entry that was put back in, the first row counts.

    Parameters
    ----------
    sequence, entry : int [row]
        Of each row.
    """

    def __init__(self, sequence: np.ndarray, entry: np.ndarray):
        index = pd.MultiIndex.from_arrays([_whole(sequence), _whole(entry)])
        #: Mask of the rows whose entry was in an earlier row already, bool [row].
        self.repeated = np.asarray(index.duplicated())
        self._row = np.flatnonzero(~self.repeated)
        self._index: Any = index[self._row] if self.repeated.any() else index

    def rows(self, sequence: np.ndarray | int, entry: np.ndarray | int) -> np.ndarray:
        """Find entries.

        Parameters
        ----------
        sequence, entry : int [...]
            They are broadcast against each other.

        Returns
        -------
        int [...]
            Row of each, -1 where there is none.
        """
        sequence, entry = np.broadcast_arrays(_whole(sequence), _whole(entry))
        if not sequence.size or not self._row.size:
            return np.full(sequence.shape, -1)
        wanted = pd.MultiIndex.from_arrays([sequence.ravel(), entry.ravel()])
        at = np.asarray(self._index.get_indexer(wanted))
        return np.where(at >= 0, self._row[at], -1).reshape(sequence.shape)


def group_numbers(*columns: np.ndarray) -> np.ndarray:
    """Number rows by their values in several columns: equal rows have equal numbers, from 0, in the order of the values.

    Parameters
    ----------
    *columns : int [row]
        One or more.

    Returns
    -------
    int [row]
    """
    frame = pd.DataFrame(dict(enumerate(map(_whole, columns))))
    return frame.groupby(list(frame.columns), sort=True).ngroup().to_numpy()


def _whole(values: np.ndarray | int) -> np.ndarray:
    return np.asarray(values, np.int64)
