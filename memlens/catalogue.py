"""What analyses there are: their names, the question each answers, and the points it needs."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from memlens.errors import AnalysisError, closest

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording import Recording


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    ``points`` are the hook points it reads by default; ``needs`` are the parameters without which it cannot run: a place
    (sequence, segment, slot), another recording, or the model. Those that run the model live in another package, ``home``, which no
    analysis imports: it is looked up by name.
    """

    name: str
    answers: str
    points: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    home: str = "memlens.analysis"

    @property
    def function(self) -> "Callable[..., xr.Dataset]":
        """The analysis itself."""
        return getattr(import_module(f"{self.home}.{self.name}"), self.name)


CATALOGUE = (
    Analysis("retention", "How often are questions answered exactly, by distance and modality?"),
    Analysis("occupancy", "How full is the store, how old are its entries, how much are they read?"),
    Analysis("survival", "How long are entries held, and does that depend on level, modality or fact?"),
    Analysis("lineage", "What became of each slot: stored, merged, dropped; what is read of each generation?"),
    Analysis(
        "answer_sources",
        "Which positions of the stream does each answer rest on, by what it read?",
        ("context.hook_pattern",),
    ),
    Analysis(
        "attention",
        "Where do slots look when written and questions when they read, and which modality feeds which?",
        ("context.hook_pattern",),
    ),
    Analysis(
        "decisions",
        "Which actions does the controller take over time, and how does it value them?",
        ("controller.hook_q", "controller.hook_action"),
    ),
    Analysis(
        "decision_factors", "Do actions depend on modality, importance, novelty or occupancy?", ("controller.hook_q",)
    ),
    Analysis("margins", "How close were the calls, and which were the nearest misses?", ("controller.hook_q",)),
    Analysis(
        "q_network",
        "Which features does the controller's Q look at, and does a small tree act like it?",
        ("controller.hook_q",),
    ),
    Analysis("calibration", "Does Q know which entries will be read?", ("controller.hook_q",)),
    Analysis("q_fidelity", "Is Q what happens when an action is forced?", ("controller.hook_q",), needs=("sweep",)),
    Analysis("regret", "What did this policy lose against others on the same stream?", needs=("others",)),
    Analysis(
        "clusters",
        "Do slots fall into groups, do these match modalities, which tokens mark them?",
        ("context.hook_slot", "context.hook_position", "context.hook_pattern"),
    ),
    Analysis("slot_map", "Where does each slot lie, in two dimensions?", ("context.hook_slot", "context.hook_prior")),
    Analysis(
        "geometry",
        "How many dimensions do slots fill, and do places repeat each other or specialise?",
        ("context.hook_slot",),
    ),
    Analysis(
        "similarity",
        "Do two points, two stretches of time or two recordings say the same about the same things?",
        ("context.hook_slot", "working.hook_slot", "store.hook_content"),
    ),
    Analysis(
        "alignment",
        "Which place of one run plays the part of which place of another?",
        ("working.hook_slot",),
        ("other",),
    ),
    Analysis("drift", "Does what a point holds move as the stream goes on, and how fast?", ("working.hook_slot",)),
    Analysis(
        "dictionary",
        "Are slots sums of a few recurring directions, and what do these stand for?",
        ("context.hook_slot",),
    ),
    Analysis("probe", "Can a label or a number be read from a vector, and how well?", ("context.hook_slot",)),
    Analysis(
        "probe_profile",
        "Where and when can it be read: by point, place, segment and distance?",
        ("context.hook_slot", "store.hook_content"),
    ),
    Analysis(
        "compression", "What did merging entries lose, level by level?", ("context.hook_slot", "store.hook_content")
    ),
    Analysis(
        "slot_history",
        "What was one slot written from, and what became of it?",
        ("context.hook_position", "context.hook_pattern"),
        needs=("sequence", "segment", "slot"),
    ),
    Analysis("efficiency", "What did the run cost, part by part, and what would attention have cost?"),
    Analysis(
        "effects",
        "What does each slot, entry, level and decision do to an answer?",
        needs=("model",),
        home="memlens.causes",
    ),
    Analysis(
        "mediation",
        "How much of an answer goes through the working memory, the store, the backbone's state?",
        needs=("model",),
        home="memlens.causes",
    ),
    Analysis(
        "attribution",
        "Which tokens, slots and entries is an answer owed to?",
        needs=("model",),
        home="memlens.causes",
    ),
    Analysis(
        "agreement",
        "Do attribution, lineage and real ablation point at the same tokens?",
        ("context.hook_pattern",),
        needs=("model",),
        home="memlens.causes",
    ),
)


def find(name: str) -> Analysis:
    """Return the analysis called ``name``; AnalysisError with the closest names otherwise."""
    for analysis in CATALOGUE:
        if analysis.name == name:
            return analysis
    raise AnalysisError(f"no analysis '{name}'; {closest(name, (analysis.name for analysis in CATALOGUE))}")


def run(name: str, recording: "Recording", **params: Any) -> "xr.Dataset":
    """Run an analysis by name.

    Raises
    ------
    AnalysisError
        For an unknown name or parameter, or when the recording cannot support the analysis.
    """
    analysis = find(name)
    if "model" in analysis.needs and params.get("model") is None:
        raise AnalysisError(
            f"{name} runs the model that the recording was made with, which was neither given nor found "
            f"(weights {str(recording.attrs.get('weights_sha256', ''))[:12] or 'of no file'}); give --model DIR, or model="
        )
    from inspect import signature

    allowed = [key for key in signature(analysis.function).parameters if key != "recording"]
    for key in params:
        if key not in allowed:
            raise AnalysisError(f"{name} has no parameter '{key}'; {closest(key, allowed)}")
    return analysis.function(recording, **params)
