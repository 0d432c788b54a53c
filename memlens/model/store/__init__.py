"""The long-term store L_t: levels of fixed capacity in one entry axis, updated without a loop over rows or entries.

``algorithm.update`` reads as the algorithm; its phases are ``absorb``, ``rank``, ``pair``, ``place`` and ``merge``, a file each.
"""

from memlens.model.store.absorb import allowed_actions
from memlens.model.store.algorithm import Update, update
from memlens.model.store.levels import Store, empty_entries, entry_levels, level_starts, max_merges
from memlens.model.store.pair import pair_up

__all__ = [
    "Store",
    "Update",
    "allowed_actions",
    "empty_entries",
    "entry_levels",
    "level_starts",
    "max_merges",
    "pair_up",
    "update",
]
