"""The one list of analyses: name, title, question, the points it reads, what else it needs, and where it is.

Reports, the command, the dashboard and the planted cases take their order and words from here. Modules of `memlens.analysis`,
`memlens.causes` and `memlens.figures`, and the headings of docs/analyses.md, are tested to be those of this list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from memlens.errors import AnalysisError, closest
from memlens.recording.protocol import (
    as_recording as as_recording,  # also for reports, which know of recordings only through here
)

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording.protocol import RecordingLike

#: Of an analysis that runs the model again: the parameter that takes it.
MODEL = "model"


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Attributes
    ----------
    name : str
        Of its module and its function.
    title : str
        Of its section in a report.
    question : str
        That it answers.
    points : tuple[str, ...]
        Hook points that it reads by default.
    needs : tuple[str, ...]
        Parameters that it cannot run without: a slot (sequence, segment, slot), other recordings, a sweep, or the model.
    home : str
        Package of its module: `memlens.analysis`, or `memlens.causes` for what runs the model again.
    """

    name: str
    title: str
    question: str
    points: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    home: str = "memlens.analysis"

    @property
    def function(self) -> "Callable[..., xr.Dataset]":
        """The analysis itself."""
        return getattr(import_module(f"{self.home}.{self.name}"), self.name)


CATALOGUE = (
    Analysis(
        "retention",
        "Retention",
        "How often are questions answered exactly, by distance and modality?",
    ),
    Analysis(
        "occupancy",
        "The long-term store",
        "How full is the store, how old are its entries, how much are they read?",
    ),
    Analysis(
        "survival",
        "How long entries are held",
        "How long are entries held, and does that depend on level, modality or fact?",
    ),
    Analysis(
        "lineage",
        "Lineage of what was written",
        "What became of each slot (stored, merged or dropped), and how much of each level is read?",
    ),
    Analysis(
        "answer_sources",
        "Sources of the answers",
        "Which positions of the stream does each answer rest on, judged by what it read?",
        points=("context.hook_pattern",),
    ),
    Analysis(
        "attention",
        "Write and read attention",
        "Where do slots look when written and questions when they read, and which modality feeds which?",
        points=("context.hook_pattern",),
    ),
    Analysis(
        "decisions",
        "The controller's decisions",
        "Which actions does the controller take over time, and how does it value them?",
        points=("controller.hook_q", "controller.hook_action"),
    ),
    Analysis(
        "decision_factors",
        "What decisions depend on",
        "Do actions depend on modality, importance, novelty or occupancy?",
        points=("controller.hook_q",),
    ),
    Analysis(
        "margins",
        "Near misses",
        "How close were the calls, and which were the nearest misses?",
        points=("controller.hook_q",),
    ),
    Analysis(
        "q_network",
        "What the controller looks at",
        "Which features does the controller's Q look at, and does a small tree act like it?",
        points=("controller.hook_q",),
    ),
    Analysis(
        "calibration",
        "Calibration of Q",
        "Does Q know which entries will be read?",
        points=("controller.hook_q",),
    ),
    Analysis(
        "q_fidelity",
        "Q against forced actions",
        "Does Q predict what happens when an action is forced?",
        points=("controller.hook_q",),
        needs=("sweep",),
    ),
    Analysis(
        "regret",
        "Regret against other policies",
        "What did this policy lose against others on the same stream?",
        needs=("others",),
    ),
    Analysis(
        "clusters",
        "Clusters of slots",
        "Do slots fall into groups, do these match modalities, which tokens mark them?",
        points=("context.hook_slot", "context.hook_position", "context.hook_pattern"),
    ),
    Analysis(
        "slot_map",
        "Map of slots",
        "Where does each slot lie in two dimensions?",
        points=("context.hook_slot", "context.hook_prior"),
    ),
    Analysis(
        "geometry",
        "Geometry of slots",
        "How many dimensions do slots fill, and do they repeat each other or specialise?",
        points=("context.hook_slot",),
    ),
    Analysis(
        "similarity",
        "Similarity of representations",
        "Do two points, two stretches of time or two recordings say the same about the same things?",
        points=("context.hook_slot", "working.hook_slot", "store.hook_content"),
    ),
    Analysis(
        "alignment",
        "Alignment of two runs",
        "Which slot of one run does the work of which slot of another?",
        points=("working.hook_slot",),
        needs=("other",),
    ),
    Analysis(
        "drift",
        "Drift",
        "Do the vectors of a point change as the stream goes on, and how fast?",
        points=("working.hook_slot",),
    ),
    Analysis(
        "dictionary",
        "A sparse dictionary",
        "Are slots sums of a few recurring directions, and what do these stand for?",
        points=("context.hook_slot",),
    ),
    Analysis(
        "probe",
        "Probe",
        "Can a label or a number be read from a vector, and how well?",
        points=("context.hook_slot",),
    ),
    Analysis(
        "probe_profile",
        "Where and when a label can be read",
        "Where and when can a label be read: by point, slot, segment and distance?",
        points=("context.hook_slot", "store.hook_content"),
    ),
    Analysis(
        "compression",
        "What compression lost",
        "What did merging entries lose, level by level?",
        points=("context.hook_slot", "store.hook_content"),
    ),
    Analysis(
        "slot_history",
        "One slot",
        "What was one slot written from, and what became of it?",
        points=("context.hook_position", "context.hook_pattern"),
        needs=("sequence", "segment", "slot"),
    ),
    Analysis(
        "efficiency",
        "What the run cost",
        "What did the run cost, part by part, and what would attention have cost?",
    ),
    Analysis(
        "effects",
        "What answers lose without each cause",
        "What does each slot, entry, level and decision do to an answer?",
        needs=("model",),
        home="memlens.causes",
    ),
    Analysis(
        "mediation",
        "How facts reach their answers",
        "How much of an answer goes through the working memory, the store, the backbone's state?",
        needs=("model",),
        home="memlens.causes",
    ),
    Analysis(
        "attribution",
        "Attribution of answers to tokens",
        "Which tokens, slots and entries is an answer owed to?",
        needs=("model",),
        home="memlens.causes",
    ),
    Analysis(
        "agreement",
        "Agreement of measures of importance",
        "Do attribution, lineage and real ablation point at the same tokens?",
        points=("context.hook_pattern",),
        needs=("model",),
        home="memlens.causes",
    ),
)


def find(name: str) -> Analysis:
    """The analysis of a name; AnalysisError with the closest names where there is none."""
    for analysis in CATALOGUE:
        if analysis.name == name:
            return analysis
    raise AnalysisError(f"no analysis '{name}'; {closest(str(name), (analysis.name for analysis in CATALOGUE))}")


def run(name: str, recording: "RecordingLike", **params: Any) -> "xr.Dataset":
    """Run an analysis by name.

    Parameters
    ----------
    name : str
        Of the analysis.
    recording : RecordingLike
        What it is run on.
    **params
        Parameters of the analysis.

    Returns
    -------
    xarray.Dataset
        The result of the analysis.

    Raises
    ------
    AnalysisError
        For an unknown name, an unknown or missing parameter, or a recording that cannot support the analysis.
    RecordingError
        When what was given is no recording, such as its path.
    """
    analysis, recording = find(name), as_recording(recording)
    allowed = [key for key in signature(analysis.function).parameters if key != "recording"]
    for key in params:
        if key not in allowed:
            raise AnalysisError(f"{name} has no parameter '{key}'; {closest(key, allowed)}")
    if MODEL in analysis.needs and params.get(MODEL) is None:
        raise AnalysisError(
            f"{name} runs the model that the recording was made with, which was neither given nor found "
            f"(weights {recording.info.weights_sha256[:12] or 'of no file'}); give --model DIR, or model="
        )
    missing = [key for key in analysis.needs if key not in params]
    if missing:
        raise AnalysisError(f"{name} needs {', '.join(missing)}; give {missing[0]}=...")
    return analysis.function(recording, **params)
