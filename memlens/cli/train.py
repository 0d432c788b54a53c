"""``memlens train CONFIG -o DIR``."""

from argparse import Namespace
from typing import Any

from memlens.cli.say import say


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "train", help="train a model from a config", description="Train a model from a config."
    )
    parser.add_argument("config", metavar="CONFIG", help="TOML file of the training run")
    parser.add_argument("-o", "--out", metavar="DIR", required=True, help="folder for the model and its checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in DIR")
    parser.set_defaults(run=run, interrupted="; go on from the last checkpoint with the same command and --resume")


def run(args: Namespace) -> None:
    """Train. Under torchrun the first process alone speaks."""
    from memlens import training
    from memlens.cli.progress import progress
    from memlens.training.distributed import is_first_process

    if not is_first_process():
        training.train(args.config, args.out, resume=args.resume)
        return
    with progress() as show:
        training.train(args.config, args.out, resume=args.resume, progress=show)
    say(f"model: {args.out}")
