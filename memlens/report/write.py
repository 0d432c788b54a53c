"""Write a figure report: everything into a folder beside the target, which takes its name only when complete."""

import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memlens.calls import checked
from memlens.catalogue import as_recording
from memlens.errors import RecordingError
from memlens.report.files import write_data, write_manifest
from memlens.report.html import build_html
from memlens.report.parallel import analyse_all
from memlens.report.pdf import write_pdf
from memlens.report.section import Choice, Progress, chosen_analyses

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@checked(analyses=(Iterable, type(None)))
def write_report(
    recording: "RecordingLike",
    directory: str | Path,
    *,
    analyses: Choice = None,
    model: Any = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Analyse a recording and write report.html, report.pdf, figures, data and manifest.json.

    Parameters
    ----------
    recording : RecordingLike
        What is analysed.
    directory : str or Path
        Folder to make. It must not exist; it appears only when the report is complete.
    analyses : str, Sequence[str] or Mapping[str, Mapping]
        Names, or names with parameters; None takes every analysis that needs no more than the recording and its model. An analysis that the
        recording cannot support becomes a note in the report.
    model
        The model that the recording was made with, for analyses that run it; without it these become notes.
    workers : int
        Analyses that run at the same time, each in a process of its own that loads what it needs.
    progress : Callable
        Called before each step as ``progress(done, total, what)``.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    RecordingError
        When the folder exists already or cannot be made, or what was given is no recording.
    AnalysisError
        For a name that is no analysis.
    """
    directory, recording = Path(directory), as_recording(recording)
    chosen = chosen_analyses(analyses)
    if directory.exists():
        raise RecordingError(f"'{directory}' exists already; give a folder that does not exist, or move that one away")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise RecordingError(f"cannot write to '{directory}': {error.strerror}; choose another folder") from None
    try:
        _fill(recording, made, chosen, model, workers, progress or (lambda done, total, what: None))
        made.chmod(0o755)
        if directory.exists():
            raise RecordingError(f"'{directory}' was made by another process meanwhile; choose another folder")
        made.rename(directory)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return directory


def _fill(
    recording: "RecordingLike",
    folder: Path,
    chosen: dict[str, dict[str, Any]],
    model: Any,
    workers: int,
    progress: Progress,
) -> None:
    begin, total = time.perf_counter(), len(chosen) + 2
    sections = []
    made: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    with closing(analyse_all(recording, chosen, model, workers)) as found:
        for done, name in enumerate(chosen):
            progress(done, total, f"report: {name}")
            section = next(found)
            sections.append(section)
            if section.dataset is not None:
                written = write_data(section.dataset, name, folder / "data")
                files[name] = [path.relative_to(folder).as_posix() for path in written]
                made |= dict.fromkeys(files[name], name)
    progress(total - 2, total, "report: report.html")
    (folder / "report.html").write_text(build_html(recording, sections, files), encoding="utf-8")
    progress(total - 1, total, "report: report.pdf")
    made |= {"report.html": ""} | write_pdf(recording, sections, folder)
    write_manifest(folder, recording, sections, made, time.perf_counter() - begin)
    progress(total, total, "report: done")
