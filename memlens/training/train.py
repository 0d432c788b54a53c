"""Train by a config: ``train`` into a folder, with checkpoints, resume and a log of metrics; ``fit`` in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from memlens.calls import checked
from memlens.config import TrainConfig
from memlens.errors import TrainingError
from memlens.model.baseline import StreamReader
from memlens.model.checkpoint import save_model
from memlens.model.model import MemoryModel
from memlens.training.card import write_card
from memlens.training.checkpoint import Checkpoint, MetricsLog
from memlens.training.distributed import ProcessGroup, find_device, join
from memlens.training.metrics import Metrics
from memlens.training.progress import TrainingProgress
from memlens.training.trainer import Trainer

METRICS_FILE = "metrics.jsonl"


@checked(config=TrainConfig)
def fit(
    config: TrainConfig, progress: TrainingProgress | None = None
) -> tuple[MemoryModel | StreamReader, list[Metrics]]:
    """Train a model in memory, in this process, and write nothing.

    Parameters
    ----------
    config : TrainConfig
    progress : callable, optional
        Called with updates done, updates in all, what is being done, and new metrics.

    Returns
    -------
    model : MemoryModel or StreamReader
        With the weights that ``train`` would have written, in evaluation mode.
    rows : list of dict
        The metrics that it would have logged.

    Raises
    ------
    TrainingError
        When a value is not finite.
    """
    rows: list[Metrics] = []
    trainer = Trainer(config, ProcessGroup(device=find_device(config.device)))
    with _threads(config.threads):
        trainer.run(rows.append, progress=progress)
    return trainer.model, rows


@checked()
def train(
    config_path: str | Path, out: str | Path, *, resume: bool = False, progress: TrainingProgress | None = None
) -> Path:
    """Train a model by a TOML config into a folder.

    Checkpoints are kept under ``out/checkpoint`` until the end. Under torchrun the processes share the shards of each batch, and the first
    one alone writes.

    Parameters
    ----------
    config_path : str or Path
    out : str or Path
        New or empty, unless ``resume``.
    resume : bool
        Go on from the last checkpoint of a run that was cut off; on the CPU the result is the same bit for bit.
    progress : callable, optional
        Called with updates done, updates in all, what is being done, and new metrics.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ConfigError, TrainingError
        For a bad config; a folder that is a file, holds a run already (without ``resume``) or none (with it); processes that cannot
        share the shards evenly; a value that is not finite.
    """
    config = TrainConfig.load(config_path)
    out = Path(out)
    checkpoint, log = Checkpoint(out / "checkpoint"), MetricsLog(out / METRICS_FILE)
    with _threads(config.threads), join(config.device) as group:
        trainer = Trainer(config, group)
        group.run_on_first(lambda: _check_folder(out, checkpoint, resume))
        if resume:
            tensors, values = checkpoint.load()
            trainer.restore(tensors, values)
            group.run_on_first(lambda: log.cut(values["logged"]))

        def keep(row: Metrics) -> None:
            if group.is_first:
                log.append(row)

        def save() -> None:
            tensors, values = trainer.snapshot()
            if group.is_first:
                checkpoint.save(tensors, {**values, "logged": log.size()})

        trainer.run(keep, save, progress if group.is_first else None)
    if group.is_first:
        save_model(trainer.model, out)
        write_card(trainer.model, config, out, trainer.seconds, trainer.n_token, progress)
        checkpoint.remove()
    return out


def _check_folder(out: Path, checkpoint: Checkpoint, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise TrainingError(f"'{out}' is a file; give a folder for the run")
    if resume and not checkpoint.exists():
        raise TrainingError(
            f"nothing to resume in '{out}': no checkpoint there; train without --resume, or give the folder of a run that was cut off"
        )
    if not resume and out.exists() and any(out.iterdir()):
        raise TrainingError(
            f"'{out}' exists and is not empty; give another folder (-o), or continue its run with --resume"
        )
    out.mkdir(parents=True, exist_ok=True)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Compute with ``n`` threads within this context."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
