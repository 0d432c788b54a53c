"""``memlens replay RUN --model MODEL --from-segment T -o CHILD``."""

from argparse import Namespace
from typing import Any

from memlens.cli import arguments
from memlens.cli.say import say


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "replay",
        help="go back to a segment of a recording and go on from there, with interventions",
        description="Go back to a segment of a recording and record what follows, as it was or with interventions.",
    )
    parser.add_argument("recording", metavar="RUN", help="folder of a recording")
    parser.add_argument(
        "--model", metavar="MODEL", required=True, help="the model it was made with: a folder or a name"
    )
    parser.add_argument("--from-segment", type=arguments.index, metavar="T", required=True, help="first segment to run")
    parser.add_argument("-o", "--out", metavar="CHILD", required=True, help="folder of the new recording")
    parser.add_argument("--interventions", metavar="FILE.json", help="what to change: a list of interventions")
    arguments.add_threads(parser)
    parser.set_defaults(run=run, interrupted="; what was committed is kept and opens")


def run(args: Namespace) -> None:
    """Replay into a new recording."""
    arguments.use_threads(args)
    from memlens import recording
    from memlens.cli import locate
    from memlens.cli.progress import progress

    opened = locate.opened(args.recording)
    folder = locate.model(args.model)
    from memlens import interventions
    from memlens.model.checkpoint import load_memory_model

    changes = interventions.interventions_of(opened)
    changes += interventions.load_interventions(args.interventions) if args.interventions else []
    model = load_memory_model(folder, policy=opened.info.policy)
    with progress() as show, arguments.warnings_in_one_line():
        recording.replay(
            opened,
            model,
            args.from_segment,
            args.out,
            interventions=changes,
            options=recording.RecordOptions(progress=show),
        )
    say(f"recording: {args.out}")
    say(f"look at it: memlens compare {args.recording} {args.out}")
