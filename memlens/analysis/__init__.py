"""Measures of a recording: ``name(recording, *, params) -> xarray.Dataset``, listed in ``CATALOGUE``."""

from memlens.analysis.alignment import alignment
from memlens.analysis.catalogue import CATALOGUE, Analysis, find, run
from memlens.analysis.clusters import clusters
from memlens.analysis.compression import compression
from memlens.analysis.decisions import decisions
from memlens.analysis.dictionary import dictionary
from memlens.analysis.drift import drift
from memlens.analysis.geometry import geometry
from memlens.analysis.occupancy import occupancy
from memlens.analysis.probe import probe
from memlens.analysis.probe_profile import probe_profile
from memlens.analysis.retention import retention
from memlens.analysis.similarity import similarity
from memlens.analysis.slot_history import slot_history
from memlens.analysis.slot_map import slot_map

__all__ = [
    "CATALOGUE",
    "Analysis",
    "alignment",
    "clusters",
    "compression",
    "decisions",
    "dictionary",
    "drift",
    "find",
    "geometry",
    "occupancy",
    "probe",
    "probe_profile",
    "retention",
    "run",
    "similarity",
    "slot_history",
    "slot_map",
]
