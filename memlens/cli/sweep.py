"""``memlens sweep RUN --model MODEL --targets FILE.json|random:N -o FILE``."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from memlens.cli import arguments
from memlens.cli.say import say


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "sweep",
        help="measure what each of many forced actions would have done to the answers",
        description="Measure what each of many forced actions, one at a time, would have done to the answers.",
    )
    parser.add_argument("recording", metavar="RUN", help="folder of a recording")
    parser.add_argument(
        "--model", metavar="MODEL", required=True, help="the model it was made with: a folder or a name"
    )
    parser.add_argument(
        "--targets", metavar="FILE.json|random:N", required=True, help="a list of [segment, entry, action], or N drawn"
    )
    parser.add_argument(
        "--seed", type=arguments.seed, metavar="N", default=0, help="seed of targets that are drawn (0)"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", required=True, help="NetCDF file to write, for xarray.open_dataset"
    )
    arguments.add_threads(parser)
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Sweep, write the effects, and print the largest."""
    arguments.use_threads(args)
    from memlens import interventions
    from memlens.cli import locate, table
    from memlens.cli.progress import progress
    from memlens.errors import InterventionError

    opened = locate.opened(args.recording)
    folder = locate.model(args.model)
    if Path(args.out).exists() or not Path(args.out).parent.is_dir():
        raise InterventionError(f"'{args.out}' exists already, or its folder does not; give a new file in a folder")
    kind, colon, number = args.targets.partition(":")
    drawn = kind == "random" and colon
    if drawn and not (number.isdecimal() and int(number)):
        raise InterventionError(f"--targets is '{args.targets}'; give random:N, N a whole number above 0, or a file")
    chosen: Any = (
        interventions.random_targets(opened, int(number), seed=args.seed)
        if drawn
        else interventions.load_targets(args.targets)
    )
    from memlens.model.checkpoint import load_memory_model

    model = load_memory_model(folder, policy=opened.info.policy)
    with progress() as show:
        found = interventions.sweep(model, opened, chosen, progress=show)
    found.to_netcdf(args.out, engine="scipy")
    total = found["loss_change"].sum("question").values
    largest = sorted(range(len(total)), key=lambda i: -abs(total[i]))[:10]
    names = ("segment", "entry", "factual", "action", "executed")
    rows = [(*(found[name].values[i].item() for name in names), float(total[i])) for i in largest]
    table.show(("segment", "entry", "factual", "forced", "executed", "loss change, nat/token, all questions"), rows)
    say(f"\n{len(total)} targets, {found.sizes['question']} questions: {args.out}")
