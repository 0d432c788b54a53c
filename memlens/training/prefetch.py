"""The rows of a run's batches, made while the batches before them are learned from, by processes of their own (``workers``).

So a GPU need not wait for them. Rows follow from the seed and their place in the run alone (shards.py), so they are the same whoever
makes them; what a worker made for a stage that the run has left meanwhile is dropped.
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

#: Updates that each worker may be ahead.
_PREFETCH = 2


def episode_of(config: TrainConfig, step: int, shard: int, batch: Batch) -> Episode:
    """The rows of a shard of the batch of an update."""
    rng = row_rng(config.seed, step, shard)
    return make_episode(rng, default_tokenizer(), batch.shape, config.tasks, stage=batch.number)


class EpisodePrefetcher:
    """The episodes of a run: ``expect`` what comes, ``take`` each, ``close`` at the end. Without workers they are made when taken."""

    def __init__(self, config: TrainConfig):
        self.config = config
        self._pool: ProcessPoolExecutor | None = None
        self._made: dict[tuple[int, int, Batch], Future[bytes]] = {}

    def prefetch(self, step: int, shards: Sequence[int], curriculum: Curriculum) -> None:
        """Have the rows of this update made, and of those to come as they would be if the stage lasted. Raises as ``take``."""
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
        """The rows of a shard.

        Raises
        ------
        TrainingError
            When the tasks have nothing to ask in such rows, or a worker was killed.
        """
        made = self._made.pop((step, shard, batch), None)
        if made is None:
            return episode_of(self.config, step, shard, batch)
        with self._unbroken(step):
            return pickle.loads(made.result())

    @contextmanager
    def _unbroken(self, step: int) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            raise TrainingError(
                f"a process that makes rows has ended before its time, at step {step}: it was killed, memory ran out, or the script that "
                "trains does so when imported; go on from the last checkpoint with --resume and fewer workers than "
                f"{self.config.workers}, and train under if __name__ == '__main__'"
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
    # pickled here: torch would hand over a file for every tensor
    return pickle.dumps(episode_of(_CONFIG[0], step, shard, batch))
