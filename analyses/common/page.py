"""A study's figures as SVG, and its page: one self-contained HTML file with verdict, figures, table and provenance."""

import io
import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Claim, Result, Table
from memlens.report.html import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

#: Nothing is fetched and nothing is run.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
#: Characters of a value that the page shows.
LONGEST = 2000
MORE_STYLE = "svg { max-width: 100%; height: auto; } td { white-space: pre-line; }"


def write_page(result: Result, claim: Claim, path: Path) -> None:
    """Write the figures and the page of a result beside it.

    Parameters
    ----------
    result
        What is judged and drawn.
    claim
        How it is judged and drawn.
    path
        The result file.
    """
    figures = []
    for drawing in claim.drawings:
        text = svg(drawing.draw(result), f"{claim.study}-{drawing.what}.svg")
        (path.parent / f"{drawing.what}.svg").write_text(text, encoding="utf-8")
        figures.append(_figure(text, drawing.what, drawing.caption(result)))
    verdict = claim.verdict(result)
    caution = (
        '<p class="note">A quick run: it shows that the study works, and is no evidence.</p>' if result["quick"] else ""
    )
    body = (
        f'<h1>{escape(claim.title)}</h1><p class="lead">The claim: {escape(claim.stated)}</p>{caution}'
        f"<h2>Verdict: {escape(verdict.status)}</h2>"
        + "".join(f"<p>{escape(sentence)}</p>" for sentence in verdict.sentences)
        + "".join(_table(table) for table in verdict.tables)
        + f"<h2>Figures</h2>{''.join(figures)}"
        + f"<h2>Summary</h2>{_pairs(result['summary'])}"
        + f"<h2>Settings</h2>{_pairs(result['config'])}"
        + f"<h2>Provenance</h2>{_pairs(result['provenance'])}"
        + f'<p class="files">Every row as measured: {escape(path.name)}</p>'
    )
    (path.parent / "page.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>memlens study: {escape(claim.title)}</title><style>{STYLE}{MORE_STYLE}</style></head><body>{body}</body></html>\n",
        encoding="utf-8",
    )


def svg(sheet: "Sheet", salt: str) -> str:
    """A matplotlib figure as SVG: equal bytes for an equal result and salt, and no date in it."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        sheet.savefig(stream, format="svg", metadata={"Date": None})
    return re.sub(r"[ \t]+$", "", stream.getvalue(), flags=re.MULTILINE)


def _figure(text: str, what: str, caption: str) -> str:
    """Inline, with ids of its own: several figures share the page."""
    inner = text[text.index("<svg") :]
    inner = re.sub(r'id="', f'id="{what}-', inner)
    inner = re.sub(r'href="#', f'href="#{what}-', inner)
    inner = re.sub(r"url\(#", f"url(#{what}-", inner)
    inner = inner.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    return f"<figure>{inner}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _pairs(values: dict[str, Any]) -> str:
    """Names and values; what is nested as compact JSON, lists one item a line, what is long as its size."""

    def shown(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict | list):
            text = "\n".join(json.dumps(item) for item in value)
        else:
            text = value if isinstance(value, str) else json.dumps(value)
        return text if len(text) <= LONGEST else f"{len(value)} items, in the result file"

    inner = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(shown(value))}</td></tr>' for name, value in values.items()
    )
    return f"<table>{inner}</table>"
