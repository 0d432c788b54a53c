"""One analysis of a report: its result, or the reason why there is none."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memlens.catalogue import CATALOGUE, find, run
from memlens.errors import AnalysisError, PointError, RecordingError

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording import Recording

#: Analyses by name, with parameters where they are not the defaults; None takes all that need no more than a recording and its model.
Choice = Sequence[str] | Mapping[str, Mapping[str, Any]] | None
#: Of an analysis that needs the model, it is given beside the parameters: a model is no value that a manifest could hold.
MODEL = "model"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Section:
    """``dataset`` is None where the analysis could not run; ``note`` then says why."""

    name: str
    answers: str
    params: dict[str, Any]
    dataset: "xr.Dataset | None"
    note: str
    seconds: float


def choose(analyses: Choice) -> dict[str, dict[str, Any]]:
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


def analyse(recording: "Recording", name: str, params: dict[str, Any], model: Any = None) -> Section:
    """Run one analysis; what the recording cannot support becomes a note, anything else is raised."""
    begin = time.perf_counter()
    given = {MODEL: model} if MODEL in find(name).needs else {}
    dataset, note = None, ""
    try:
        dataset = run(name, recording, **(given | params))
    except (AnalysisError, RecordingError, PointError) as error:
        note = str(error)
    return Section(name, find(name).answers, params, dataset, note, time.perf_counter() - begin)
