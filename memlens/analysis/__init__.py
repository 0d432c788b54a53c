"""Measures of a recording: ``name(recording, *, params) -> xarray.Dataset``, listed in ``memlens.catalogue``."""

from memlens.analysis.alignment import alignment
from memlens.analysis.answer_sources import answer_sources
from memlens.analysis.attention import attention
from memlens.analysis.calibration import calibration
from memlens.analysis.clusters import clusters
from memlens.analysis.compression import compression
from memlens.analysis.decision_factors import decision_factors
from memlens.analysis.decisions import decisions
from memlens.analysis.dictionary import dictionary
from memlens.analysis.drift import drift
from memlens.analysis.efficiency import efficiency
from memlens.analysis.geometry import geometry
from memlens.analysis.lineage import lineage
from memlens.analysis.margins import margins
from memlens.analysis.occupancy import occupancy
from memlens.analysis.probe import probe
from memlens.analysis.probe_profile import probe_profile
from memlens.analysis.q_fidelity import q_fidelity
from memlens.analysis.q_network import q_network
from memlens.analysis.regret import regret
from memlens.analysis.retention import retention
from memlens.analysis.similarity import similarity
from memlens.analysis.slot_history import slot_history
from memlens.analysis.slot_map import slot_map
from memlens.analysis.survival import survival

__all__ = [
    "alignment",
    "answer_sources",
    "attention",
    "calibration",
    "clusters",
    "compression",
    "decision_factors",
    "decisions",
    "dictionary",
    "drift",
    "efficiency",
    "geometry",
    "lineage",
    "margins",
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
]
