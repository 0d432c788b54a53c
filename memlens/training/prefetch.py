"""Rows of the next batches, made by other processes (``workers``) while the model learns from this one, so that a GPU need not wait.

Rows depend only on the seed and their place in the run (shards.py): they are the same whichever process makes them. Rows that a
worker made for a stage that the run has left by then are dropped.
"""

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import torch

from memlens.config import TrainConfig
from memlens.errors import TrainingError
from memlens.processes import pool
from memlens.streams import default_tokenizer
from memlens.training.curriculum import Batch, Curriculum
from memlens.training.episodes import Episode, make_episode
from memlens.training.shards import batch_rng, row_rng

#: Updates whose rows each worker makes in advance.
_PREFETCH = 2


def _make_episode(config: TrainConfig, step: int, shard: int, batch: Batch) -> Episode:
    """The rows of one shard of the batch of an update."""
    rng = row_rng(config.seed, step, shard)
    return make_episode(rng, default_tokenizer(), batch.shape, config.tasks, stage=batch.number)


class EpisodePrefetcher:
    """Makes the episodes of a run: ``prefetch`` those to come, ``take`` each, ``close`` at the end.

    Without workers they are made when taken.
    """

    def __init__(self, config: TrainConfig):
        self.config = config
        self._pool: ProcessPoolExecutor | None = None
        self._made: dict[tuple[int, int, Batch], Future[bytes]] = {}

    def prefetch(self, step: int, shards: Sequence[int], curriculum: Curriculum) -> None:
        """Start to make the rows of this update, and those of the next ones as they will be if the stage lasts.

        Parameters
        ----------
        step : int
            Number of the update.
        shards : sequence of int
            Shards of this process.
        curriculum : Curriculum

        Raises
        ------
        TrainingError
            When a worker was killed.
        """
        c = self.config
        if not c.workers:
            return
        if self._pool is None:
            self._pool = pool(c.workers, _begin, c)
        ahead = range(step, min(step + _PREFETCH * c.workers, c.steps))
        wanted = [(s, shard, curriculum.draw(batch_rng(c.seed, s))) for s in ahead for shard in shards]
        for key in [key for key in self._made if key not in wanted]:
            self._made.pop(key).cancel()
        with self._unbroken(step):
            for key in wanted:
                if key not in self._made:
                    self._made[key] = self._pool.submit(_make, *key)

    def take(self, step: int, shard: int, batch: Batch) -> Episode:
        """Wait for the rows of a shard.

        Parameters
        ----------
        step : int
            Number of the update.
        shard : int
        batch : Batch

        Returns
        -------
        Episode

        Raises
        ------
        TrainingError
            When the tasks have nothing to ask in such rows, or a worker was killed.
        """
        made = self._made.pop((step, shard, batch), None)
        if made is None:
            return _make_episode(self.config, step, shard, batch)
        with self._unbroken(step):
            return pickle.loads(made.result())

    @contextmanager
    def _unbroken(self, step: int) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            raise TrainingError(
                f"a process that makes rows has died at step {step}: it was killed, memory ran out, or the script starts training when "
                f"it is imported; continue from the last checkpoint with --resume and fewer workers than {self.config.workers}, and call "
                "train under if __name__ == '__main__'"
            ) from None

    def close(self) -> None:
        """End the workers."""
        self._made.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


# in a worker

_CONFIG: list[TrainConfig] = []


def _begin(config: TrainConfig) -> None:
    torch.set_num_threads(1)
    _CONFIG[:] = [config]


def _make(step: int, shard: int, batch: Batch) -> bytes:
    # pickled here: torch would pass every tensor as a file of its own
    return pickle.dumps(_make_episode(_CONFIG[0], step, shard, batch))
