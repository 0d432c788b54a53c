"""A column that has values at some rows of a block only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sparse:
    """Values at some of the rows of a block of segments; the others hold the fill value.

    Attributes
    ----------
    n
        Rows of the block.
    rows
        Those that have values, ascending.
    values : [sequence, rows, ...]
        Without rows it has the sizes that the others would have.
    """

    n: int
    rows: Sequence[int]
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole column."""
        return (self.values.shape[0], self.n, *self.values.shape[2:])

    def pieces(self) -> list[tuple[int, np.ndarray]]:
        """Row, and the values there, (sequence, 1, ...)."""
        return [(row, self.values[:, i : i + 1]) for i, row in enumerate(self.rows)]

    def split(self, function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> "tuple[Sparse, Sparse]":
        """Two columns from a function that makes two arrays of one."""
        first, second = function(self.values)
        return Sparse(self.n, self.rows, first), Sparse(self.n, self.rows, second)
