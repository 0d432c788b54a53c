"""Write docs/claims.md from the studies and their kept results.

    python -m analyses.publish.claims

Each folder of analyses/ whose study.py has a ``CLAIM`` is a study of a claim. The page lists them by their numbers; a study without a
result in analyses/results is "not measured yet". tests/studies/test_claims.py checks that the page is what this command would write.
"""

import importlib
import json
import re
from collections.abc import Iterable

from analyses.common.claim import Claim, Result, Verdict
from analyses.common.results import ROOT, kept

FOLDER = ROOT / "analyses"
PAGE = ROOT / "docs" / "claims.md"
#: From docs/ to the results.
LINK = "../analyses/results"
NOT_MEASURED = Verdict("not measured yet", ())

HEAD = """# What memlens claims, and what was measured

Written by `python -m analyses.publish.claims` from `analyses/results/`; nothing here is typed by hand. Each claim is a study: code that
measures it, judges it by thresholds that stand in its code, and draws it. A verdict is one of: holds, holds under conditions, does not
hold, not measured yet. Intervals are 95 %. How studies work: [analyses/README.md](../analyses/README.md).
"""


def studies() -> dict[str, Claim]:
    """The claims by the name of their study, in the order of their numbers."""
    folders = sorted(path.parent.name for path in FOLDER.glob("*/study.py"))
    modules = (importlib.import_module(f"analyses.{name}.study") for name in folders)
    claims = sorted((module.CLAIM for module in modules if hasattr(module, "CLAIM")), key=lambda claim: claim.number)
    return {claim.study: claim for claim in claims}


def page() -> str:
    """The whole page."""
    claims = studies()
    results = {name: kept(name) for name in claims}
    verdicts = {
        name: NOT_MEASURED if (result := results[name]) is None else claim.verdict(result)
        for name, claim in claims.items()
    }
    lines = [HEAD, "| claim | verdict | study |", "|---|---|---|"]
    for name, claim in claims.items():
        lines.append(f"| [{claim.title}](#{anchor(claim.title)}) | {verdicts[name].status} | {code(name)} |")
    for name, claim in claims.items():
        lines += ["", *entry(name, claim, verdicts[name], results[name])]
    return "\n".join(lines) + "\n"


def entry(name: str, claim: Claim, verdict: Verdict, result: Result | None) -> list[str]:
    """One claim."""
    lines = [f"## {claim.title}", "", f"The claim: {claim.stated}", "", f"**Verdict: {verdict.status}.**"]
    for sentence in verdict.sentences:
        lines += ["", sentence]
    for table in verdict.tables:
        lines += ["", line(table.header), line("---" for _ in table.header), *map(line, table.rows)]
    if result is None:
        return [*lines, "", f"Measure it: `python -m analyses.{name}`"]
    for drawing in claim.drawings:
        caption = drawing.caption(result)
        lines += ["", f"![{claim.title}: {drawing.what}]({LINK}/{name}/{drawing.what}.svg)", "", f"*{caption}*"]
    return [*lines, "", provenance(name, result)]


def provenance(name: str, result: Result) -> str:
    """Where it comes from, in one paragraph."""
    told = result["provenance"]
    commit = told["sessions"][-1]["commit"]
    measured = ", ".join(f"{what} `{sha[:12]}`" for what, sha in told["measured"].items())
    return (
        f"Measured {told['finished'][:10]} at commit `{commit[:12]}` on {told['machine']['processor']} "
        f"({told['machine']['cpu_count']} cores, one thread), torch {told['versions']['torch']}, seeds "
        f"{' '.join(map(str, told['seeds']))}; {measured}. Reproduce: `{told['command']}`. "
        f"[Rows]({LINK}/{name}/result.json), [page]({LINK}/{name}/page.html), {code(name)}."
    )


def code(name: str) -> str:
    """A link to the study."""
    return f"[analyses/{name}](../analyses/{name})"


def line(cells: Iterable[object]) -> str:
    """A table's line."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def anchor(title: str) -> str:
    """The anchor that a heading gets on a code host."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(json.dumps({name: "measured" if kept(name) else "not measured yet" for name in studies()}))


if __name__ == "__main__":
    main()
