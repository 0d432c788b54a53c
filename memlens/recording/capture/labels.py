"""What an entry is about: the modality and the fact that its slot wrote from. Merges take their first parent's.

Axes: slot, window (0 = the position the slot was picked at, then back), position (whole stream).
"""

import numpy as np

from memlens.dims import Modality


class EntryLabels:
    """Labels of the entries of one sequence that are held.

    Parameters
    ----------
    modality, fact : int [position]
        Columns of the encoded stream.
    """

    def __init__(self, modality: np.ndarray, fact: np.ndarray):
        self.modality, self.fact = modality, fact
        self.ends = (fact >= 0) & (np.append(fact[1:], -1) != fact)
        self.alive: dict[int, tuple[int, int]] = {}
        # a fact is of the modality of its value, whatever text stands around it
        self.kind_of_fact = np.zeros(int(fact.max(initial=-1)) + 2, dtype=np.int64)
        valued = (fact >= 0) & (modality != Modality.TEXT)
        self.kind_of_fact[fact[valued]] = modality[valued]

    def of_windows(self, position: np.ndarray, write: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Modality and fact of slots.

        Parameters
        ----------
        position : int [slot]
            Stream position at which each was picked.
        write : float [slot, window]
            Share of the write attention, averaged over heads.

        Returns
        -------
        modality : int [slot]
            That of the fact, where there is one; else the one with most of the weight.
        fact : int [slot]
            Of the facts whose statement ends inside the window, the one with most of the weight; -1 where none ends.
        """
        at = position[:, None] - np.arange(write.shape[1])
        inside = (at >= 0) & (at < len(self.modality))
        at = np.where(inside, at, 0)
        weight = write * inside
        kinds = np.stack([(weight * (self.modality[at] == kind)).sum(1) for kind in Modality], 1)
        modality = np.where(kinds.sum(1) > 0, kinds.argmax(1), -1)
        fact = np.where(inside, self.fact[at], -1)
        ending = inside & self.ends[at]
        of_slot = np.full(len(fact), -1)
        some = ending.any(1)
        # weight of the fact that each place of the window belongs to
        mass = ((fact[some, :, None] == fact[some, None, :]) * weight[some, None, :]).sum(2)
        best = np.where(ending[some], mass, -1.0).argmax(1)
        of_slot[some] = fact[some, best]
        return np.where(of_slot >= 0, self.kind_of_fact[of_slot], modality), of_slot

    def born(
        self, entry: np.ndarray, slot: np.ndarray, position: np.ndarray, parent: np.ndarray, write: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Label new entries and remember them.

        Parameters
        ----------
        entry, slot, position : int [birth]
            Ids in the order of their births, context slots (-1 for a merge), and stream positions where the slots were picked.
        parent : int [birth, side]
            Ids of the entries that it was merged from; the label of a merge is that of the first.
        write : float [birth, window]
            Share of the write attention, averaged over heads.

        Returns
        -------
        modality, fact : int [birth]
            -1 where there is none.
        """
        modality, fact = np.full(len(entry), -1), np.full(len(entry), -1)
        fresh = slot >= 0
        modality[fresh], fact[fresh] = self.of_windows(position[fresh], write[fresh])
        for i in range(len(entry)):
            if not fresh[i]:
                modality[i], fact[i] = self.alive.get(int(parent[i, 0]), (-1, -1))
            self.alive[int(entry[i])] = int(modality[i]), int(fact[i])
        return modality, fact

    def keep(self, held: np.ndarray) -> None:
        """Forget all entries but those held."""
        self.alive = {int(entry): self.alive[int(entry)] for entry in held if int(entry) in self.alive}
