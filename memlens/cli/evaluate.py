"""``memlens evaluate MODEL``."""

from argparse import Namespace
from typing import Any

from memlens.cli import arguments


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure what a model recalls",
        description="Measure what a model recalls under each policy.",
    )
    parser.add_argument("model", metavar="MODEL", help="model folder, or the name of a trained model")
    parser.add_argument("--n-token", type=arguments.count, metavar="N", default=100_000, help="stream length (100K)")
    parser.add_argument(
        "--seeds", type=arguments.seed, metavar="N", nargs="+", default=[0], help="one stream a seed (0)"
    )
    parser.add_argument(
        "--policies", metavar="NAME", nargs="+", default=["learned"], help="controller policies (learned)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Evaluate and print one row a policy and modality."""
    from memlens.cli import places, table
    from memlens.cli.progress import progress

    folder = places.model(args.model)
    from memlens.training.evaluate import evaluate

    with progress() as show:
        rows = evaluate(folder, n_token=args.n_token, seeds=args.seeds, policies=args.policies, progress=show)
    if args.json:
        import json

        print(json.dumps(rows, indent=2))
    else:
        table.show(tuple(rows[0]), [tuple(row.values()) for row in rows])
