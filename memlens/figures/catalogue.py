"""Which figure belongs to which analysis."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from memlens.errors import AnalysisError, closest

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

NAMES = (
    "agreement",
    "alignment",
    "answer_sources",
    "attention",
    "attribution",
    "calibration",
    "clusters",
    "compression",
    "decision_factors",
    "decisions",
    "dictionary",
    "drift",
    "efficiency",
    "effects",
    "geometry",
    "lineage",
    "margins",
    "mediation",
    "occupancy",
    "probe",
    "probe_profile",
    "q_fidelity",
    "q_network",
    "regret",
    "retention",
    "similarity",
    "slot_history",
    "slot_map",
    "survival",
)


@dataclass(frozen=True)
class Drawing:
    """The three faces of one result: on screen, on paper, in words."""

    plot: "Callable[[xr.Dataset], Figure]"
    print: "Callable[[xr.Dataset], Sheet]"
    caption: "Callable[[xr.Dataset], str]"


def drawing(analysis: str) -> Drawing:
    """How to draw the result of an analysis; AnalysisError with the closest names for one that has no figure."""
    if analysis not in NAMES:
        raise AnalysisError(f"no figure for '{analysis}'; {closest(analysis, NAMES)}")
    module = import_module(f"memlens.figures.plot_{analysis}")
    return Drawing(getattr(module, f"plot_{analysis}"), getattr(module, f"print_{analysis}"), module.caption)
