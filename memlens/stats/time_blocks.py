"""Blocks of time: stretches of a recording that count as one observation each."""

import numpy as np

#: Stretches of time that a recording is cut into, at most.
BLOCKS = 20


def time_blocks(sequence: np.ndarray, segment: np.ndarray, blocks: int = BLOCKS) -> np.ndarray:
    """Cut time into about ``blocks`` stretches of equal length, none of which crosses from one sequence to another.

    Parameters
    ----------
    sequence, segment : int [row]
        Where each row comes from.
    blocks : int
        Stretches over all sequences together.

    Returns
    -------
    int [row]
        Block of each row, 0, 1, ... without gaps, in order of sequence and time.
    """
    sequences = np.unique(sequence)
    each = max(blocks // sequences.size, 1)
    first, last = int(segment.min()), int(segment.max())
    part = (segment - first) * each // max(last - first + 1, each)
    return np.unique(np.searchsorted(sequences, sequence) * each + part, return_inverse=True)[1]
