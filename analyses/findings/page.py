"""docs/findings.md: the findings section by section, the table of lost facts, and where all of it comes from."""

from collections.abc import Mapping
from typing import Any

from analyses.findings.losses import ENDS
from analyses.findings.sentences import SECTIONS
from analyses.findings.words import Finding, Rows, column, of

HEAD = """# What the analyses say about the trained models

Written by `python -m analyses.findings` from `analyses/results/findings/result.json`; nothing here is typed by hand. A value is the
median over streams, with the 95 % bootstrap interval over them; of three streams that is the spread that was seen. A share of answers is
pooled over streams, with Wilson's interval. What is not found may still be there. A command gives the figures of the first stream; where
the facts of wrong answers were is counted by analyses/findings/losses.py. What each analysis computes, its null and its limits:
[analyses.md](analyses.md).
"""


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    told, config = result["provenance"], result["config"]
    lines = [HEAD]
    if result["quick"]:
        lines += ["**A quick run on short streams: no evidence.**", ""]
    for model in config["models"]:
        rows = [row for row in result["rows"] if row["model"] == model]
        lines += [f"## {model}", ""]
        for title, write in SECTIONS.items():
            lines += [f"### {title}", ""]
            for finding in write(rows):
                lines += [finding.text, "", f"`{command(model, finding)}`", ""]
        lines += table(rows)
    lines += [provenance(told, config)]
    return "\n".join(lines).rstrip() + "\n"


def command(model: str, finding: Finding) -> str:
    """What gives the figures of one finding again, for the first stream; the recordings are those that the script leaves."""
    return f"memlens analyse runs/findings/{model}-{finding.run}-0 {finding.analysis} -o DIR"


def provenance(told: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Where it comes from."""
    weights = ", ".join(f"{model} `{sha[:12]}`" for model, sha in told["measured"].items())
    runs = ", ".join(config["runs"])
    return (
        f"Measured {told['finished'][:10]} at commit `{told['sessions'][-1]['commit'][:12]}` with memlens "
        f"{told['versions']['memlens']}, torch "
        f"{told['versions']['torch']}; weights {weights}; streams of {config['n_token']:,} tokens, seeds "
        f"{' '.join(map(str, told['seeds']))}: "
        f"{runs}. Reproduce: `{told['command']}`, which also leaves the recordings that the commands here read. "
        "[Numbers](../analyses/results/findings/result.json), [analyses/findings](../analyses/findings)."
    )


def table(rows: Rows) -> list[str]:
    """Questions by the end of their fact, pooled over streams."""
    names = list(dict.fromkeys(row["run"] for row in rows))
    lines = ["| recording | answers | " + " | ".join(ENDS) + " |", f"|---|---|{'---|' * len(ENDS)}"]
    for run in names:
        lost = of(rows, run, "losses")
        for kind in ("right", "wrong"):
            lines.append(f"| {run} | {kind} | " + " | ".join(str(sum(column(lost, kind, end))) for end in ENDS) + " |")
    return [
        "Questions by how far the fact that they ask for got: analyses/findings/losses.py says what each end means. "
        "\"read\" and wrong is wrongly decoded.",
        "", *lines, "",
    ]  # fmt: skip
