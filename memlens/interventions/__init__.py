"""Change a run at one place, as a value that is saved with what comes of it; compare, and sweep over many changes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

#: Public name -> the module of this package that has it: comparing needs no torch, so nothing is imported before it is used.
_HOMES = {
    **dict.fromkeys(("Ablate", "Clamp", "Noise", "Patch", "Scale", "Swap"), "edits"),
    **dict.fromkeys(("Forbid", "Force", "Freeze"), "control"),
    **dict.fromkeys(("Drop", "Insert"), "entries"),
    **dict.fromkeys(("from_dict", "load_interventions", "interventions_of"), "registry"),
    **dict.fromkeys(("Comparison", "compare"), "comparison"),
    **dict.fromkeys(("load_targets", "random_targets"), "sweep_targets"),
    "sweep": "sweeps",
}

__all__ = [
    "Ablate",
    "Clamp",
    "Comparison",
    "Drop",
    "Forbid",
    "Force",
    "Freeze",
    "Insert",
    "Noise",
    "Patch",
    "Scale",
    "Swap",
    "compare",
    "from_dict",
    "interventions_of",
    "load_interventions",
    "load_targets",
    "random_targets",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'memlens.interventions' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(import_module(f"memlens.interventions.{_HOMES[name]}"), name)
