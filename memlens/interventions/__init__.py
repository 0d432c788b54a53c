"""Change a run at one place, as a value that is saved with what comes of it; compare, and sweep over many changes."""

from typing import TYPE_CHECKING

from memlens.lazy import attach

if TYPE_CHECKING:
    from memlens.interventions.comparison import Comparison as Comparison
    from memlens.interventions.comparison import compare as compare
    from memlens.interventions.control import Forbid as Forbid
    from memlens.interventions.control import Force as Force
    from memlens.interventions.control import Freeze as Freeze
    from memlens.interventions.edits import Ablate as Ablate
    from memlens.interventions.edits import Clamp as Clamp
    from memlens.interventions.edits import Noise as Noise
    from memlens.interventions.edits import Patch as Patch
    from memlens.interventions.edits import Scale as Scale
    from memlens.interventions.edits import Swap as Swap
    from memlens.interventions.entries import Drop as Drop
    from memlens.interventions.entries import Insert as Insert
    from memlens.interventions.registry import from_dict as from_dict
    from memlens.interventions.registry import interventions_of as interventions_of
    from memlens.interventions.registry import load_interventions as load_interventions
    from memlens.interventions.sweep_targets import load_targets as load_targets
    from memlens.interventions.sweep_targets import random_targets as random_targets
    from memlens.interventions.sweeps import sweep as sweep

#: Module of this package -> its public names: comparing needs no torch, so nothing is imported before it is used.
_NAMES = {
    "comparison": "Comparison compare",
    "control": "Forbid Force Freeze",
    "edits": "Ablate Clamp Noise Patch Scale Swap",
    "entries": "Drop Insert",
    "registry": "from_dict interventions_of load_interventions",
    "sweep_targets": "load_targets random_targets",
    "sweeps": "sweep",
}

__getattr__, __dir__, __all__ = attach(
    __name__, {name: f"{__name__}.{module}:{name}" for module, names in _NAMES.items() for name in names.split()}
)
