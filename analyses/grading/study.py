"""Grade every analysis on every planted case: right, refused, or silently wrong.

    python -m analyses.grading [--quick] [--seeds N] [-o DIR]

Positive cases and refusals run on a few seeds, negative ones on ``--seeds``. A full run writes analyses/results/grading/result.json and
docs/grading.md; a quick one runs/studies/grading/result.json, and leaves out what runs a model. Exits with 1 when a case does not come
out as it should: silently wrong, crashed, refused without reason. A run that was cut off goes on where it was, unless the code has
changed: its rows are beside the result, in result.FINGERPRINT.jsonl. Cases: memlens/testing/cases/.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyses.common.provenance import command_of, fingerprint, machine, session, versions
from analyses.common.results import ROOT, place, plain, read_lines, replace, save
from memlens.errors import MemlensError
from memlens.testing.cases import cases
from memlens.testing.grading import Case, Grade, grade, passes

PAGE = ROOT / "docs" / "grading.md"
#: Seeds of positive cases and refusals, and of negative ones; in a quick run.
FEW, MANY = 3, 200
QUICK_FEW, QUICK_MANY = 1, 20

HEAD = """# Analyses, graded on planted truth

Written by `python -m analyses.grading`; nothing here is typed by hand. Each analysis runs on recordings whose truth is known
([planted truth](planted-truth.md)). An outcome is one of

- **right**: the planted truth, within the tolerance that stands in the table; where nothing was planted, it was found no more often
  than at the stated rate (the 95 % Wilson interval of the share of seeds does not lie above it);
- **refused**: a typed error said that the data cannot support the analysis;
- **silently wrong**: neither.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Grade, write, and say how it went."""
    parser = argparse.ArgumentParser(
        prog="python -m analyses.grading", description="Grade every analysis on planted truth."
    )
    parser.add_argument("--quick", action="store_true", help="few seeds, no models; written to runs/studies")
    parser.add_argument("--seeds", type=int, help=f"seeds of a negative case (default: {MANY}, quick {QUICK_MANY})")
    parser.add_argument("--only", nargs="+", metavar="ANALYSIS", help="these analyses; writes nothing")
    parser.add_argument("-o", "--out", type=Path, help="where the folder of results goes")
    args = parser.parse_args(argv)
    many = args.seeds or (QUICK_MANY if args.quick else MANY)
    kept = not args.quick and args.out is None
    if many < (MANY if kept and not args.only else 1):
        parser.error(f"got --seeds {many}; a result that is kept needs {MANY} or more: give them, --quick, or -o DIR")
    try:
        path = place("grading", args.quick, args.out)
    except MemlensError as error:
        parser.error(str(error))
    started = session("grading")
    chosen = [case for case in cases() if not (args.quick and case.costly)]
    chosen = [case for case in chosen if not args.only or case.analysis in args.only]
    if not chosen:
        parser.error(f"no case of {', '.join(args.only)}; analyses: {', '.join(sorted({c.analysis for c in cases()}))}")
    partial = path.with_suffix(f".{fingerprint([started['source_sha256'], many])[:8]}.jsonl")
    if not args.only:
        path.parent.mkdir(parents=True, exist_ok=True)
    rows = [_row(case, many, args.quick, None if args.only else partial) for case in chosen]
    result = {
        "study": "grading",
        "quick": args.quick,
        "provenance": {
            "command": command_of("grading", argv), "seeds": list(range(many)), "versions": versions(), "machine": machine(),
            "started": started["started"], "finished": datetime.now(UTC).isoformat(timespec="seconds"), "sessions": [started],
        },
        "rows": rows,
    }  # fmt: skip
    if not args.only:
        save(path, result)
        where = PAGE if kept else path.with_name("page.md")
        replace(where, page(result))
        partial.unlink()
        print(f"written to {path} and {where}")
    failed = [row for row in rows if not row["passes"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} cases came out as they should")
    for row in failed:
        print(f"  {row['outcome']}: {row['analysis']}, {row['name']}: {row['note'] or _numbers(row['numbers'])}")
    return int(bool(failed))


def _row(case: Case, many: int, quick: bool, partial: Path | None) -> dict[str, Any]:
    """One case, graded now, or as a run that was cut off has left it in ``partial``."""
    described = plain(_described(case))
    for line in read_lines(partial) if partial is not None else ():
        if described.items() <= line.items():
            return line
    few = 1 if case.costly else QUICK_FEW if quick else FEW
    began = time.perf_counter()
    found = grade(case, range(many if case.kind == "negative" else few))
    row = plain(described | asdict(found) | {"numbers": _finite(found), "passes": passes(case, found)})
    print(
        f"{time.perf_counter() - began:6.1f} s  {case.analysis:14} {case.kind:8} {case.name}: {words(row)}", flush=True
    )
    if partial is not None:
        with partial.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
    return row


def _described(case: Case) -> dict[str, Any]:
    names = ("analysis", "name", "kind", "plants", "claim", "rate")
    return {name: getattr(case, name) for name in names} | {"params": dict(case.params)}


def _finite(found: Grade) -> dict[str, float | None]:
    return {name: None if value != value else float(value) for name, value in found.numbers.items()}


# the page, from the result alone


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    rows = result["rows"]
    told = result["provenance"]
    wrong = sum(row["outcome"] in ("silently wrong", "crashed") for row in rows)
    analyses = list(dict.fromkeys(row["analysis"] for row in rows))
    lines = [
        HEAD,
        f"{len(rows)} cases of {len(analyses)} analyses: {wrong or 'none'} silently wrong. {_provenance(told)}",
        "",
    ]
    for name in analyses:
        lines += [f"## {name}", "", "| case | planted | right means | outcome | measured |", "|---|---|---|---|---|"]
        for row in (row for row in rows if row["analysis"] == name):
            outcome = row["outcome"] if row["passes"] else f"**{row['outcome']}**"
            cells = f"{row['name']} ({row['kind']})", row["plants"], row["claim"], outcome, measured(row)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def _provenance(provenance: Mapping[str, Any]) -> str:
    commit, version = provenance["sessions"][-1]["commit"][:12], provenance["versions"]["memlens"]
    return (
        f"Measured {provenance['finished'][:10]} at commit `{commit}` with memlens {version}, {len(provenance['seeds'])} seeds a "
        "negative case. "
        f"Reproduce: `{provenance['command']}`."
    )


def words(row: Mapping[str, Any]) -> str:
    """Outcome and numbers, for the terminal."""
    return f"{row['outcome']}; {measured(row)}"


def measured(row: Mapping[str, Any]) -> str:
    """What the outcome rests on."""
    if row["note"]:
        return row["note"]
    if row["kind"] == "negative":
        share = f"found in {row['wrong']} of {row['n']} seeds ({row['low']:.3f} to {row['high']:.3f}; stated {row['rate']:g})"
        return share if row["passes"] else f"{share}: {_numbers(row['numbers'])}"
    return f"{row['n'] - row['wrong']} of {row['n']} seeds right: {_numbers(row['numbers'])}"


def _numbers(numbers: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'none' if value is None else format(value, '.3g')}" for name, value in numbers.items())
