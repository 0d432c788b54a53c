"""Figures: ``plot_<analysis>(dataset)`` for the screen, ``print_<analysis>(dataset)`` for paper. They only draw."""

from memlens.figures.catalogue import Drawing, drawing
from memlens.figures.plot_agreement import plot_agreement, print_agreement
from memlens.figures.plot_alignment import plot_alignment, print_alignment
from memlens.figures.plot_answer_sources import plot_answer_sources, print_answer_sources
from memlens.figures.plot_attention import plot_attention, print_attention
from memlens.figures.plot_attribution import plot_attribution, print_attribution
from memlens.figures.plot_calibration import plot_calibration, print_calibration
from memlens.figures.plot_clusters import plot_clusters, print_clusters
from memlens.figures.plot_compression import plot_compression, print_compression
from memlens.figures.plot_decision_factors import plot_decision_factors, print_decision_factors
from memlens.figures.plot_decisions import plot_decisions, print_decisions
from memlens.figures.plot_dictionary import plot_dictionary, print_dictionary
from memlens.figures.plot_drift import plot_drift, print_drift
from memlens.figures.plot_effects import plot_effects, print_effects
from memlens.figures.plot_efficiency import plot_efficiency, print_efficiency
from memlens.figures.plot_geometry import plot_geometry, print_geometry
from memlens.figures.plot_lineage import plot_lineage, print_lineage
from memlens.figures.plot_margins import plot_margins, print_margins
from memlens.figures.plot_mediation import plot_mediation, print_mediation
from memlens.figures.plot_occupancy import plot_occupancy, print_occupancy
from memlens.figures.plot_probe import plot_probe, print_probe
from memlens.figures.plot_probe_profile import plot_probe_profile, print_probe_profile
from memlens.figures.plot_q_fidelity import plot_q_fidelity, print_q_fidelity
from memlens.figures.plot_q_network import plot_q_network, print_q_network
from memlens.figures.plot_regret import plot_regret, print_regret
from memlens.figures.plot_retention import plot_retention, print_retention
from memlens.figures.plot_similarity import plot_similarity, print_similarity
from memlens.figures.plot_slot_history import plot_slot_history, print_slot_history
from memlens.figures.plot_slot_map import plot_slot_map, print_slot_map
from memlens.figures.plot_survival import plot_survival, print_survival

__all__ = [
    "Drawing",
    "drawing",
    "plot_agreement",
    "plot_alignment",
    "plot_answer_sources",
    "plot_attention",
    "plot_attribution",
    "plot_calibration",
    "plot_clusters",
    "plot_compression",
    "plot_decision_factors",
    "plot_decisions",
    "plot_dictionary",
    "plot_drift",
    "plot_effects",
    "plot_efficiency",
    "plot_geometry",
    "plot_lineage",
    "plot_margins",
    "plot_mediation",
    "plot_occupancy",
    "plot_probe",
    "plot_probe_profile",
    "plot_q_fidelity",
    "plot_q_network",
    "plot_regret",
    "plot_retention",
    "plot_similarity",
    "plot_slot_history",
    "plot_slot_map",
    "plot_survival",
    "print_agreement",
    "print_alignment",
    "print_answer_sources",
    "print_attention",
    "print_attribution",
    "print_calibration",
    "print_clusters",
    "print_compression",
    "print_decision_factors",
    "print_decisions",
    "print_dictionary",
    "print_drift",
    "print_effects",
    "print_efficiency",
    "print_geometry",
    "print_lineage",
    "print_margins",
    "print_mediation",
    "print_occupancy",
    "print_probe",
    "print_probe_profile",
    "print_q_fidelity",
    "print_q_network",
    "print_regret",
    "print_retention",
    "print_similarity",
    "print_slot_history",
    "print_slot_map",
    "print_survival",
]
