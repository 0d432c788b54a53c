"""``memlens analyse RUN [NAME ...] | --all -o DIR``, and ``memlens analyse --list``."""

import json
from argparse import Namespace
from typing import Any

from memlens.cli import arguments
from memlens.cli.say import say
from memlens.errors import AnalysisError
from memlens.user_input import parse_json


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "analyse",
        help="run analyses of a recording: data, figures, a page",
        description="Run analyses of a recording, and write their data and figures.",
    )
    parser.add_argument("recording", metavar="RUN", nargs="?", help="folder of the recording")
    parser.add_argument("names", metavar="NAME", nargs="*", help="analyses to run")
    parser.add_argument(
        "--all", action="store_true", help="every analysis that needs no more than a recording and its model"
    )
    parser.add_argument("--list", action="store_true", help="say what each analysis answers and needs")
    parser.add_argument(
        "--set",
        metavar="NAME.PARAMETER=VALUE",
        nargs="+",
        default=[],
        help="parameters of the analyses, values in JSON: probe.target=is_fact clusters.k=4",
    )
    arguments.add_model(parser)
    parser.add_argument("-o", "--out", metavar="DIR", help="folder for the results")
    arguments.add_threads(parser)
    arguments.add_workers(parser)
    parser.set_defaults(run=run, interrupted="; run the same command again")


def run(args: Namespace) -> None:
    """List the analyses, or run some."""
    if args.list:
        show_list()
        return
    chosen = choice(args)
    arguments.use_threads(args)
    from memlens import report
    from memlens.cli import locate
    from memlens.cli.progress import progress

    opened = locate.opened(args.recording)
    model = locate.model_of(opened, args.model, chosen)
    with progress() as show:
        written = report.write_report(
            opened, args.out, analyses=chosen, model=model, workers=args.workers, progress=show
        )
    notes = json.loads((written / "manifest.json").read_text(encoding="utf-8"))["analyses"]
    for told in notes:
        if told["note"]:
            say(f"{told['analysis']}: {told['note']}")
    say(f"data: {written / 'data'}")
    say(f"report: {written / 'report.html'}")


def choice(args: Namespace) -> dict[str, dict[str, Any]]:
    """The analyses by name with their parameters.

    Raises
    ------
    AnalysisError
        When nothing was chosen, both names and --all were, or a parameter is of no chosen analysis.
    """
    if args.recording is None or args.out is None:
        missing = "RUN" if args.recording is None else "-o DIR"
        raise AnalysisError(f"{missing} is missing; give `memlens analyse RUN --all -o DIR`, or --list")
    if bool(args.names) == args.all:
        raise AnalysisError("give either names of analyses or --all; `memlens analyse --list` says which there are")
    from memlens.report.section import chosen_analyses

    chosen = chosen_analyses(None) if args.all else {name: {} for name in args.names}
    for given in args.set:
        place, equals, value = given.partition("=")
        name, dot, parameter = place.partition(".")
        if not equals or not dot or not parameter:
            raise AnalysisError(f"--set got '{given}', expected NAME.PARAMETER=VALUE, such as probe.target=is_fact")
        if name not in chosen:
            raise AnalysisError(f"--set got '{given}', but '{name}' is none of the analyses that were chosen")
        chosen[name][parameter] = _value(value)
    return chosen


def _value(text: str) -> Any:
    """JSON, or the text itself where it is none."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def show_list() -> None:
    """What each analysis answers, the points it reads, and what else it needs."""
    from memlens.catalogue import CATALOGUE
    from memlens.cli import table

    rows = [(one.name, one.question, ", ".join(one.points) or "-", ", ".join(one.needs) or "-") for one in CATALOGUE]
    table.show(("analysis", "question", "points", "needs"), rows)
