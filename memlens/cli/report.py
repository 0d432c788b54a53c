"""``memlens report RUN -o DIR``."""

from argparse import Namespace
from typing import Any

from memlens.cli import arguments
from memlens.cli.say import say


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "report",
        help="write a figure report of a recording",
        description="Write a figure report of a recording.",
    )
    parser.add_argument("recording", metavar="RUN", help="folder of the recording")
    parser.add_argument("-o", "--out", metavar="DIR", required=True, help="folder for the report")
    arguments.add_model(parser)
    arguments.add_threads(parser)
    arguments.add_workers(parser)
    parser.set_defaults(run=run, interrupted="; run the same command again")


def run(args: Namespace) -> None:
    """Write the report."""
    arguments.use_threads(args)
    from memlens.cli import locate
    from memlens.cli.progress import progress

    path = locate.recording(args.recording)
    from memlens import recording, report

    opened = recording.open(path)
    model = locate.model_of(opened, args.model)
    with progress() as show:
        written = report.write_report(opened, args.out, model=model, workers=args.workers, progress=show)
    say(f"report: {written / 'report.html'}")
