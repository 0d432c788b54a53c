"""Replace tokens of a stream by other text of the same stream that states no fact: the stream as it would be without them."""

import numpy as np
import torch

from memlens.causes.rerun import Rerun
from memlens.dims import Modality
from memlens.model.segment import Segment


class TokenReplacement:
    """Stretches of plain text of one sequence: text that states no fact."""

    def __init__(self, rerun: Rerun):
        self.rerun, stream = rerun, rerun.stream
        plain = (stream.fact < 0) & (stream.modality == int(Modality.TEXT))
        #: positions of plain text from each position on
        self.run = np.zeros(len(plain) + 1, int)
        for at in range(len(plain) - 1, -1, -1):
            self.run[at] = self.run[at + 1] + 1 if plain[at] else 0

    def starts(self, n: int) -> np.ndarray:
        """Positions, int [start], at which ``n`` positions of plain text begin."""
        return np.flatnonzero(self.run[:-1] >= n)

    def plain_stretch(self, segment: int, n: int, random: np.random.Generator) -> np.ndarray | None:
        """Draw a stretch of plain text in a segment.

        Parameters
        ----------
        segment, n : int
            Where, and how many positions.
        random : numpy.random.Generator
            Draws the stretch.

        Returns
        -------
        int [position] or None
            Positions in the stream; None where the segment has no such stretch.
        """
        length = self.rerun.length
        starts = self.starts(n)
        starts = starts[(starts >= segment * length) & (starts + n <= (segment + 1) * length)]
        return None if not starts.size else random.choice(starts) + np.arange(n)

    def replace(
        self, columns: Segment, row: int, segment: int, positions: np.ndarray, random: np.random.Generator
    ) -> Segment:
        """Put other text in the place of some positions, in one row of a segment.

        Parameters
        ----------
        columns : Segment
            Of the segment, [row, token].
        row, segment : int
            Which row, and which segment it is.
        positions : int [position]
            In the stream; those of other segments are ignored. Each stretch of them gets a stretch of plain text of its own length.
        random : numpy.random.Generator
            Draws the stretches.

        Returns
        -------
        Segment
            A changed copy; the given one where no position lies in the segment.
        """
        length, stream = self.rerun.length, self.rerun.stream
        own = positions[(positions >= segment * length) & (positions < (segment + 1) * length)]
        if not own.size:
            return columns
        changed = columns.clone()
        for stretch in np.split(own, np.flatnonzero(np.diff(own) > 1) + 1):
            starts = self.starts(stretch.size)
            # where no stretch is long enough, single tokens
            source = (
                random.choice(starts) + np.arange(stretch.size)
                if starts.size
                else random.choice(self.starts(1), stretch.size)
            )
            at = torch.from_numpy(stretch - segment * length)
            changed.token[row, at] = torch.from_numpy(stream.token[source].astype(np.int64)).to(changed.token.device)
            changed.modality[row, at] = int(Modality.TEXT)
            changed.payload[row, at] = 0.0
        return changed
