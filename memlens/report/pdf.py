"""The report for print: a PDF with a summary page and one figure a page, and each figure as PNG."""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memlens import figures
from memlens.figures.style import INK, matplotlib_text
from memlens.report.section import Section
from memlens.report.summary import Row, accuracy_table, key_facts, limits, provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

    from memlens.recording.protocol import RecordingLike

A4 = (11.69, 8.27)
#: Provenance that is too long for a page; the HTML has it in full.
LONG = ("model config", "versions", "stream", "command")


def write_pdf(recording: "RecordingLike", sections: Sequence[Section], folder: Path) -> dict[str, str]:
    """Write report.pdf and figures/<analysis>.png.

    Parameters
    ----------
    recording : RecordingLike
        That was analysed.
    sections : Sequence[Section]
        In the order of the report.
    folder : Path
        Of the report.

    Returns
    -------
    dict[str, str]
        Each file, relative to the folder -> the analysis that it shows, "" for the report itself.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    made = {"report.pdf": ""}
    (folder / "figures").mkdir()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # recorded text may hold signs that the font lacks
        title = {"Title": f"memlens report: {recording.info.model}"}
        with PdfPages(folder / "report.pdf", metadata=title) as pdf:
            pdf.savefig(_front(recording, sections))
            for section in sections:
                if section.dataset is None:
                    continue
                page = figures.plot(section.name, section.dataset, backend="matplotlib")
                name = f"figures/{section.name}.png"
                page.savefig(folder / name, dpi=150)
                made[name] = section.name
                pdf.savefig(_captioned(page, section.title, figures.caption(section.name, section.dataset)))
            pdf.savefig(_text("Limits and provenance", _back(recording, sections)))
    return made


def _blank() -> "Sheet":
    from matplotlib.figure import Figure as Sheet

    return Sheet(figsize=A4, facecolor="white")


def _front(recording: "RecordingLike", sections: Sequence[Section]) -> "Sheet":
    page = _blank()
    page.text(0.07, 0.90, f"What {matplotlib_text(recording.info.model)} remembered", fontsize=22, color=INK)
    page.text(
        0.07,
        0.865,
        f"memlens report on recording {matplotlib_text(recording.id)}",
        fontsize=11,
        color="#57606a",
    )
    bottom = _table(page, key_facts(recording, sections), 0.82)
    table = accuracy_table(sections)
    if table is not None:
        page.text(0.07, bottom - 0.03, "Exact answers by modality and distance (tokens)", fontsize=11, weight="bold")
        step = 0.86 / len(table[0])
        for line, cells in enumerate([table[0], *table[1]]):
            for at, cell in enumerate(cells):
                page.text(
                    0.07 + at * step,
                    bottom - 0.065 - 0.028 * line,
                    matplotlib_text(cell),
                    fontsize=7.5,
                    weight="bold" if line == 0 or at == 0 else "normal",
                    color=INK,
                )
        bottom -= 0.065 + 0.028 * (len(table[1]) + 1)
    missing = [section for section in sections if section.dataset is None]
    if missing:
        lines = [f"{section.title}: {section.note}" for section in missing]
        page.text(0.07, bottom - 0.02, "Could not run", fontsize=11, weight="bold", va="top")
        page.text(0.07, bottom - 0.05, "\n".join(_wrap(line, 130) for line in lines), fontsize=9, va="top")
    return page


def _table(page: "Sheet", rows: Sequence[Row], top: float) -> float:
    """Write rows downwards from ``top``; return where they end."""
    for name, value in rows:
        text = _wrap(value, 100)
        page.text(0.07, top, name, fontsize=10.5, weight="bold", va="top", color=INK)
        page.text(0.24, top, text, fontsize=10.5, va="top", color=INK)
        top -= 0.031 * (text.count("\n") + 1)
    return top


def _captioned(page: "Sheet", title: str, caption: str) -> "Sheet":
    """Fit a figure onto a page, its title above and its caption below."""
    page.set_size_inches(*A4)
    engine = page.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.05, 0.24, 0.9, 0.64))  # pyright: ignore[reportCallIssue]
    page.text(0.05, 0.92, title, fontsize=17, color=INK)
    page.text(0.05, 0.18, _wrap(caption, 140), fontsize=10.5, va="top", color=INK, linespacing=1.45)
    return page


def _back(recording: "RecordingLike", sections: Sequence[Section]) -> list[str]:
    known = [f"{name}: {value}" for name, value in provenance(recording) if name not in LONG]
    return [*limits(recording, sections), "", *known, "Config, versions, stream and command: see report.html."]


def _text(title: str, lines: Sequence[str]) -> "Sheet":
    page = _blank()
    page.text(0.07, 0.90, title, fontsize=17, color=INK)
    body = "\n".join(_wrap(line, 130) for line in lines)
    page.text(0.07, 0.85, body, fontsize=10.5, va="top", color=INK, linespacing=1.6)
    return page


def _wrap(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(matplotlib_text(text, 2000), width)) or " "
