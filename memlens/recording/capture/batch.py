"""Record many streams, each into a recording of its own, by tasks that can be repeated.

A task starts its recording where there is none, resumes one that was cut off, and leaves a complete one as it is. So nothing is lost when
a worker dies, and the whole can be started again at any time.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memlens.errors import MemlensError, RecordingError, StreamError
from memlens.recording.capture.options import RecordOptions


@dataclass(frozen=True)
class Recorded:
    """The outcome for one stream.

    Attributes
    ----------
    name : str
        Of the stream's file, without its ending, and of the recording.
    path : str
        The recording.
    n_segment : int
        Segments it has, 0 after an error.
    was_there : bool
        Whether it was complete before.
    error : str
        Why it is not complete, or "".
    """

    name: str
    path: str
    n_segment: int = 0
    was_there: bool = False
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"{self.name}: not recorded: {self.error}"
        return f"{self.name}: {'was complete' if self.was_there else 'recorded'}, {self.n_segment:,} segments"


def stream_files(folder: str | Path) -> dict[str, Path]:
    """Streams of a folder: name -> file or folder, in the order of names. Hidden ones are left out.

    Raises
    ------
    StreamError
        When the folder is missing or empty, or two streams would have recordings of one name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StreamError(f"no folder at '{folder}'; give a folder that holds a file for each stream")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        name = path.name if path.is_dir() else path.stem
        if name in found:
            raise StreamError(f"'{path}' and '{found[name]}' would both be recorded as '{name}'; rename one")
        found[name] = path
    if not found:
        raise StreamError(f"'{folder}' is empty; give a folder that holds a file for each stream")
    return found


def share(rank: int, world: int, files: Mapping[str, Path]) -> dict[str, Path]:
    """Divide streams among the ranks of torchrun.

    Parameters
    ----------
    rank, world : int
        Number of this process, and of all.
    files : dict
        Name -> stream.

    Returns
    -------
    dict
        Every ``world``-th stream, from number ``rank`` on.
    """
    return {name: files[name] for name in list(files)[rank::world]}


def record_one(model: str, policy: str | None, stream: str, path: str, options: RecordOptions) -> Recorded:
    """Make one recording complete.

    Parameters
    ----------
    model : str
        Folder of the model.
    policy : str or None
        Controller policy instead of the model's own.
    stream, path : str
        File of the stream, and folder of its recording.
    options : RecordOptions
        How it is recorded; a recording that was begun is always resumed.

    Returns
    -------
    Recorded
        It also holds an error of the input: trying again would not help, so none is raised.
    """
    name = Path(path).name
    from memlens.recording.capture.record import record
    from memlens.recording.reading.recording import open

    try:
        with _alone(Path(path)):
            was_there = Path(path).exists() and open(path).info.complete
            made = record(_model(model, policy), Path(stream), path, options.replace(resume=True))
            return Recorded(name, path, made.segments.sizes["segment"], was_there)
    except (MemlensError, OSError) as error:
        return Recorded(name, path, error=str(error))


def record_here(
    model: str, policy: str | None, files: Mapping[str, Path], out: str | Path, options: RecordOptions
) -> Iterator[Recorded]:
    """Record streams one after the other, in this process.

    Parameters
    ----------
    model : str
        Folder of the model.
    policy : str or None
        Controller policy instead of the model's own.
    files : dict
        Name -> stream.
    out : path
        Folder of the recordings.
    options : RecordOptions
        How each is recorded.

    Yields
    ------
    Recorded
        One a stream.
    """
    for name, stream in files.items():
        yield record_one(model, policy, str(stream), str(Path(out) / name), options)


def record_many(
    model: str | Path,
    files: Mapping[str, Path],
    out: str | Path,
    *,
    workers: int = 1,
    scheduler: str = "",
    policy: str | None = None,
    options: RecordOptions = RecordOptions(),  # noqa: B008 - frozen
) -> Iterator[Recorded]:
    """Record streams on Dask, each as ``out/name``.

    Parameters
    ----------
    model
        Folder of the model; workers load it themselves, so they have to see it, the streams and ``out``.
    files
        Name -> stream, such as ``stream_files`` gives.
    out
        Folder of the recordings.
    workers
        Processes of the cluster that is started on this machine.
    scheduler
        Address of a Dask scheduler to use instead, such as "tcp://host:8786".
    policy
        Controller policy instead of the model's own.
    options
        How each is recorded; all are resumed.

    Yields
    ------
    Recorded
        One a stream, in the order in which they end.

    Raises
    ------
    RecordingError
        When the scheduler cannot be reached.
    """
    from dask.distributed import as_completed

    given = (str(Path(model).resolve()), policy)
    with _client(workers, scheduler) as client:
        names = {
            client.submit(
                record_one, *given, str(stream.resolve()), str(Path(out).resolve() / name), options, pure=False,
            ): name
            for name, stream in files.items()
        }  # fmt: skip
        for future in as_completed(names):
            name = names[future]
            error = future.exception()
            if error is None:
                yield future.result()
            else:
                yield Recorded(name, str(Path(out) / name), error=f"{type(error).__name__}: {error}")


def torchrun_rank() -> tuple[int, int] | None:
    """Rank and number of ranks where torchrun started this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def failed(results: Sequence[Recorded]) -> None:
    """RecordingError that names the streams that were not recorded, if there are any."""
    lost = [one.name for one in results if one.error]
    if lost:
        raise RecordingError(
            f"{len(lost)} of {len(results)} streams were not recorded: {', '.join(lost)}; run the same command again to go on with them"
        )


# parts


@contextmanager
def _client(workers: int, scheduler: str) -> Iterator[Any]:
    """A Dask client, with a cluster of this machine where no other is named."""
    from dask.distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise RecordingError(f"no Dask scheduler at '{scheduler}': {error}") from error
        with client:
            yield client
        return
    no_dashboard: Any = None
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=no_dashboard, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process records this: a worker that was given up may still be at it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _model(folder: str, policy: str | None) -> Any:
    """The model; a worker loads it once."""
    import torch

    from memlens.model.checkpoint import load_memory_model

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    return load_memory_model(folder, policy=policy)
