"""The report as one HTML page that fetches nothing: inline style, one inline plotly.js, all recorded text escaped."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from memlens import figures
from memlens.report.section import Section
from memlens.report.summary import Row, accuracy_table, key_facts, limits, provenance

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: plotly.js builds WebGL shaders with Function, hence unsafe-eval; nothing may be fetched from anywhere.
POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"

STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --tint: #f6f8fa; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 3rem 1.5rem 5rem; max-width: 68rem; color: var(--ink); background: #fff;
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 .25rem; padding-top: 1rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: .5rem 0; }
.lead, .question { color: var(--soft); }
nav { margin: 1rem 0 2rem; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 2px; }
table { border-collapse: collapse; font-size: .92rem; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; white-space: nowrap; } td { overflow-wrap: anywhere; }
.grid { overflow-x: auto; } .grid td, .grid thead th + th { text-align: right; white-space: nowrap; }
.grid td, .grid th { padding-right: 0; } .grid td, .grid thead th + th { padding-left: 1rem; }
.grid small { display: block; color: var(--soft); line-height: 1.2; }
figure { margin: 1rem 0; } figcaption { max-width: 46rem; font-size: .95rem; }
.note { border-left: 4px solid #e69f00; background: var(--tint); padding: .75rem 1rem; max-width: 46rem; }
.files { font-size: .85rem; color: var(--soft); }
li { max-width: 46rem; }
@media print { nav { display: none; } h2 { break-before: page; } }
"""


def build_html(recording: "RecordingLike", sections: Sequence[Section], files: dict[str, list[str]]) -> str:
    """Compose report.html.

    Parameters
    ----------
    recording : RecordingLike
        That was analysed.
    sections : Sequence[Section]
        In the order of the report.
    files : dict[str, list[str]]
        Analysis -> its data files, as paths relative to the report's folder.

    Returns
    -------
    str
        The whole page.
    """
    from plotly.offline import get_plotlyjs

    model, ident = (escape(name) for name in (recording.info.model, recording.id))
    links = "".join(f'<a href="#{escape(s.name)}">{escape(s.title)}</a>' for s in sections)
    body = "".join(_section(section, files.get(section.name, [])) for section in sections)
    cautions = "".join(f"<li>{escape(text)}</li>" for text in limits(recording, sections))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>memlens report: {model}</title><style>{STYLE}</style><script>{get_plotlyjs()}</script></head><body>"
        f'<h1>What {model or "the model"} remembered</h1><p class="lead">memlens report on recording {ident}</p>'
        f'<nav>{links}<a href="#limits">Limits</a><a href="#provenance">Provenance</a></nav>'
        f"{_rows(key_facts(recording, sections))}{_accuracy(sections)}"
        '<noscript><p class="note">The figures here need JavaScript; report.pdf and the folder figures hold them '
        f"as pictures.</p></noscript>{body}"
        f'<h2 id="limits">Limits</h2><ul>{cautions}</ul>'
        f'<h2 id="provenance">Provenance</h2>{_rows(provenance(recording))}'
        '<p class="files">Every file of this report, with its SHA-256, parameters and versions: manifest.json</p>'
        "</body></html>\n"
    )


def _rows(rows: Sequence[Row]) -> str:
    inner = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f"<table>{inner}</table>"


def _accuracy(sections: Sequence[Section]) -> str:
    table = accuracy_table(sections)
    if table is None:
        return ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table[0])
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(_cell(cell) for cell in row[1:]) + "</tr>"
        for row in table[1]
    )
    return (
        f'<p>Exact answers by modality and by distance from fact to question, in tokens:</p><div class="grid">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: str) -> str:
    """A cell such as "82.9 % (n 41)", its n on a line of its own."""
    value, _, n = cell.partition(" (")
    return f"<td>{escape(value)}" + (f"<small>{escape(n.rstrip(')'))}</small></td>" if n else "</td>")


def _section(section: Section, files: Sequence[str]) -> str:
    head = (
        f'<section><h2 id="{escape(section.name)}">{escape(section.title)}</h2>'
        f'<p class="question">{escape(section.question)}</p>'
    )
    if section.dataset is None:
        return f'{head}<p class="note">This analysis could not run: {escape(section.note)}</p></section>'
    figure = figures.plot(section.name, section.dataset).to_html(
        full_html=False,
        include_plotlyjs=False,
        include_mathjax=False,
        div_id=f"figure-{section.name}",
        config={"displaylogo": False, "responsive": True},
    )
    links = ", ".join(f'<a href="{escape(path)}">{escape(path)}</a>' for path in files)
    return (
        f"{head}<figure>{figure}<figcaption>{escape(figures.caption(section.name, section.dataset))}</figcaption></figure>"
        f'<p class="files">Data: {links}. Computed in {section.seconds:.1f} s.</p></section>'
    )
