"""``memlens record MODEL STREAM -o RUN``, and ``memlens record MODEL --streams DIR -o RUNS``."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memlens.cli import arguments
from memlens.cli.say import say

if TYPE_CHECKING:
    from memlens.recording import RecordOptions


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "record",
        help="stream through a model and keep what its memory did",
        description="Stream through a model and keep what its memory did.",
    )
    parser.add_argument("model", metavar="MODEL", help="model folder, or the name of a trained model")
    parser.add_argument(
        "stream", metavar="STREAM", nargs="?", help="name of a built-in stream, or a file or folder of your own"
    )
    parser.add_argument(
        "-o", "--out", metavar="RUN", required=True, help="folder of the new recording; of --streams, of all of them"
    )
    parser.add_argument("--streams", metavar="DIR", help="record every stream of a folder, each by itself")
    parser.add_argument("--workers", type=arguments.count, metavar="N", help="processes that record --streams (1)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler that --streams are recorded on instead")
    parser.add_argument(
        "--points",
        metavar="POINT",
        nargs="+",
        default=["default"],
        help="hook points to keep: names, globs, groups, 'default' or 'all'; @START:STOP:STEP after one says in which segments",
    )
    parser.add_argument("--policy", metavar="NAME", help="controller policy instead of the model's own")
    parser.add_argument(
        "--length", type=arguments.length, metavar="N", help="length of a built-in stream, such as 100K"
    )
    parser.add_argument("--seed", type=arguments.seed, metavar="N", help="seed of a built-in stream")
    parser.add_argument(
        "--allow-outside", action="store_true", help="let a stream file (.jsonl) name files outside its own folder"
    )
    parser.add_argument("--commit-every", type=arguments.count, metavar="N", default=128, help="segments a commit")
    parser.add_argument(
        "--states-every",
        type=arguments.length,
        metavar="N",
        default=16,
        help="keep the memory's state every N segments, to go on from; 0 for none",
    )
    parser.add_argument(
        "--dtype", choices=("float16", "float32", "int8"), default="float16", help="how floats are kept"
    )
    parser.add_argument(
        "--attention-top",
        type=arguments.count,
        metavar="K",
        default=0,
        help="keep the K largest attention weights and where they are",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a recording that was cut off")
    arguments.add_threads(parser)
    parser.set_defaults(run=run, interrupted="; what was committed is kept and opens; --resume goes on from there")


def run(args: Namespace) -> None:
    """Record."""
    arguments.use_threads(args)
    from memlens import recording
    from memlens.cli import locate
    from memlens.cli.progress import progress
    from memlens.errors import RecordingError

    if (args.stream is None) == (args.streams is None):
        raise RecordingError("give one of STREAM and --streams DIR")
    folder = locate.model(args.model)
    options = recording.RecordOptions(
        points=tuple(args.points), dtype=args.dtype, attention_top=args.attention_top,
        states_every=args.states_every, commit_every=args.commit_every, resume=args.resume,
    )  # fmt: skip
    if args.streams is not None:
        return _streams(args, folder, options)
    if args.workers or args.scheduler:
        raise RecordingError("--workers and --scheduler are for --streams")
    stream = locate.stream(args.stream, args.length, args.seed, args.allow_outside)
    if Path(args.out).exists() and not args.resume:
        raise RecordingError(f"'{args.out}' exists already; a recording is never overwritten: choose another folder")
    from memlens.model.checkpoint import load_memory_model

    model = load_memory_model(folder, policy=args.policy)
    with progress() as show:
        recording.record(model, stream, args.out, options.replace(progress=show))
    say(f"recording: {args.out}")
    say(f"look at it: memlens info {args.out}, memlens open {args.out}")


def _streams(args: Namespace, folder: Path, options: "RecordOptions") -> None:
    """Record every stream of a folder; under torchrun, this rank's share of them."""
    from memlens.cli.progress import progress
    from memlens.errors import RecordingError
    from memlens.recording.capture import batch

    if args.length is not None or args.seed is not None:
        raise RecordingError("--length and --seed are for built-in streams, not for --streams")
    if args.allow_outside:
        raise RecordingError("--allow-outside is for one STREAM, not for --streams")
    files, rank = batch.stream_files(args.streams), batch.torchrun_rank()
    if rank is not None and (args.workers or args.scheduler):
        raise RecordingError("torchrun starts the processes; leave out --workers and --scheduler")
    if rank is not None:
        files = batch.share(*rank, files)
        results = batch.record_here(str(folder), args.policy, files, args.out, options)
    else:
        results = batch.record_many(
            folder, files, args.out, workers=args.workers or 1, scheduler=args.scheduler or "", policy=args.policy,
            options=options,
        )  # fmt: skip
    done: list[batch.Recorded] = []
    with progress() as show:
        for one in results:
            done.append(one)
            say(one, flush=True)
            show(len(done), len(files), "streams recorded")
    batch.failed(done)
