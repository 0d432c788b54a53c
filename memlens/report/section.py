"""One analysis of a report: its result, or the reason why there is none."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memlens.catalogue import CATALOGUE, MODEL, find, run
from memlens.errors import AnalysisError, PointError, RecordingError

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording.protocol import RecordingLike

#: Analyses by name, with parameters where they are not the defaults; None takes all that need no more than a recording and its model.
Choice = Sequence[str] | Mapping[str, Mapping[str, Any]] | None
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Section:
    """One analysis of a report.

    Attributes
    ----------
    name, title, question : str
        As in `memlens.catalogue`.
    params : dict
        That were asked for; without the model, which no manifest could hold.
    dataset : xarray.Dataset or None
        The result; None where the analysis could not run.
    note : str
        Why it could not run, else empty.
    seconds : float
        That it took.
    """

    name: str
    title: str
    question: str
    params: dict[str, Any]
    dataset: "xr.Dataset | None"
    note: str
    seconds: float


def chosen_analyses(analyses: Choice) -> dict[str, dict[str, Any]]:
    """Turn a choice into names and parameters; AnalysisError for an unknown name or a missing parameter."""
    if analyses is None:
        return {analysis.name: {} for analysis in CATALOGUE if set(analysis.needs) <= {MODEL}}
    chosen = analyses if isinstance(analyses, Mapping) else {name: {} for name in analyses}
    if isinstance(analyses, str):
        chosen = {analyses: {}}
    for name, params in chosen.items():
        missing = [key for key in find(name).needs if key not in params and key != MODEL]
        if missing:
            raise AnalysisError(
                f"'{name}' needs {', '.join(missing)}; pass analyses={{'{name}': {{'{missing[0]}': ...}}}}"
            )
    return {name: dict(params) for name, params in chosen.items()}


def analyse(recording: "RecordingLike", name: str, params: dict[str, Any], model: Any = None) -> Section:
    """Run one analysis; what the recording cannot support becomes a note, any other error is raised.

    Parameters
    ----------
    recording : RecordingLike
        What it is run on.
    name : str
        Of the analysis.
    params : dict
        Of the analysis, without the model.
    model
        The model that made the recording, for an analysis that runs it.

    Returns
    -------
    Section
        With the result, or with the reason why there is none.
    """
    analysis = find(name)
    begin = time.perf_counter()
    given = {MODEL: model} if MODEL in analysis.needs else {}
    dataset, note = None, ""
    try:
        dataset = run(name, recording, **(given | params))
    except (AnalysisError, RecordingError, PointError) as error:
        note = str(error)
    return Section(name, analysis.title, analysis.question, params, dataset, note, time.perf_counter() - begin)
