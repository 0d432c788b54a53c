"""Streams as they would be without something: positions replaced by a stretch of the same stream that states no fact."""

import numpy as np
import torch

from memlens.causes.rerun import Rerun
from memlens.dims import Modality
from memlens.model.segment import Segment


class TokenReplacement:
    """Stretches of text of one sequence that state nothing."""

    def __init__(self, rerun: Rerun):
        self.rerun, stream = rerun, rerun.stream
        plain = (stream.fact < 0) & (stream.modality == int(Modality.TEXT))
        #: how many positions of plain text begin at each position
        self.run = np.zeros(len(plain) + 1, int)
        for at in range(len(plain) - 1, -1, -1):
            self.run[at] = self.run[at + 1] + 1 if plain[at] else 0

    def starts(self, n: int) -> np.ndarray:
        """Where ``n`` positions of plain text begin."""
        return np.flatnonzero(self.run[:-1] >= n)

    def plain_stretch(self, segment: int, n: int, random: np.random.Generator) -> np.ndarray | None:
        """``n`` positions of plain text in a segment; None where there are not so many."""
        length = self.rerun.length
        starts = self.starts(n)
        starts = starts[(starts >= segment * length) & (starts + n <= (segment + 1) * length)]
        return None if not starts.size else random.choice(starts) + np.arange(n)

    def replace(
        self, columns: Segment, row: int, segment: int, positions: np.ndarray, random: np.random.Generator
    ) -> Segment:
        """One row of a segment with other text at these positions of the stream; each stretch of them gets one of its own length."""
        length, stream = self.rerun.length, self.rerun.stream
        own = positions[(positions >= segment * length) & (positions < (segment + 1) * length)]
        if not own.size:
            return columns
        changed = columns.clone()
        for stretch in np.split(own, np.flatnonzero(np.diff(own) > 1) + 1):
            starts = self.starts(stretch.size)
            # without a stretch that is long enough, single tokens of text
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
