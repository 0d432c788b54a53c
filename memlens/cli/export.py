"""``memlens export RUN -o DIR --to zarr|parquet``."""

from argparse import Namespace
from typing import Any

from memlens.cli.say import say


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "export",
        help="write a recording as plain Zarr or Parquet",
        description="Write a recording as a plain Zarr v3 store, or its tables as Parquet files.",
    )
    parser.add_argument("run_folder", metavar="RUN", help="folder of a recording")
    parser.add_argument("-o", "--out", metavar="DIR", required=True, help="folder to make")
    parser.add_argument("--to", choices=("zarr", "parquet"), required=True, help="all arrays and tables, or the tables")
    parser.set_defaults(run=run, interrupted="; nothing was written")


def run(args: Namespace) -> None:
    """Export."""
    from memlens.cli import locate

    opened = locate.opened(args.run_folder)
    (opened.to_zarr if args.to == "zarr" else opened.to_parquet)(args.out)
    say(f"exported: {args.out}")
