"""The processes of a training run, as torchrun starts them; a run without torchrun is one process.

A batch is cut into shards, groups of rows with a loss of their own. Every process holds all weights and takes an equal share of the
shards; gradients are summed and metrics gathered, so that every process makes the same update and the same step in the curriculum.
``DistributedDataParallel`` is not used: it wraps ``forward``, and a loss here goes through a model's methods, many times a step.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from memlens.errors import MemlensError, TrainingError

T = TypeVar("T")
#: How long a process waits for the others. Q phases run on the first one alone; torchrun ends all when one of them dies.
TIMEOUT = timedelta(days=7)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, as this one sees them. The first one writes files and shows progress.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    world_size : int
        Number of processes.
    device : torch.device
        Where the tensors of this process are.
    """

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def own_shards(self, n_shard: int) -> range:
        """The shards that this process computes.

        Raises
        ------
        TrainingError
            When the shards cannot be shared out evenly.
        """
        if n_shard % self.world_size:
            raise TrainingError(
                f"{self.world_size} processes cannot share {n_shard} shards evenly; set shards in the config to a multiple of "
                f"{self.world_size}, or start fewer processes"
            )
        share = n_shard // self.world_size
        return range(self.rank * share, (self.rank + 1) * share)

    def all_gather(self, values: Sequence[T]) -> list[T]:
        """The values of all processes, in the order of their ranks, on all of them."""
        if self.world_size == 1:
            return list(values)
        parts: list[Any] = [None] * self.world_size
        dist.all_gather_object(parts, list(values))
        return [value for part in parts for value in part]

    def run_on_first(self, function: Callable[[], T]) -> T:
        """Call ``function`` on the first process; all get what it returns, or the MemlensError that it raises."""
        if self.world_size == 1:
            return function()
        box: list[Any] = [None, None]
        if self.is_first:
            try:
                box[0] = function()
            except MemlensError as error:
                box[1] = error
        dist.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        return box[0]

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite the tensors of all processes with those of the first one."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over the processes, in one message. A parameter that has none on any process still has none afterwards."""
        if self.world_size == 1:
            return
        there = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([there, *(g.flatten() for g in grads)])
        dist.all_reduce(flat)
        summed = flat[len(parameters) :].split([p.numel() for p in parameters])
        for p, one, total in zip(parameters, flat[: len(parameters)].tolist(), summed, strict=True):
            p.grad = total.view_as(p).clone() if one else None


#: Counts the groups that this process has been in.
_JOINED = count()
#: One process, on the CPU.
ALONE = ProcessGroup()


def is_first_process() -> bool:
    """Whether this process is the first, or the only one; works before it has joined the others."""
    return os.environ.get("RANK", "0") == "0"


def find_device(name: str) -> torch.device:
    """The device of this process: with "cuda" a GPU of its own.

    Raises
    ------
    TrainingError
        When there is no GPU for this process.
    """
    if name == "cpu":
        return torch.device(name)
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.device_count() <= place:
        raise TrainingError(
            f"device is '{name}' and process {place} of this machine needs a GPU of its own; torch sees "
            f"{torch.cuda.device_count()}; start fewer processes, or set device to 'cpu'"
        )
    torch.cuda.set_device(place)
    return torch.device(name, place)


@contextmanager
def join(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started: over gloo on the CPU, over NCCL between GPUs. TrainingError as ``find_device``."""
    here = find_device(device)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ProcessGroup(device=here)
        return
    # torchrun's store outlives a group: without a prefix, names of an earlier group would be found there
    shared, rank, world = next(rendezvous("env://", timeout=TIMEOUT))
    store = dist.PrefixStore(f"memlens{next(_JOINED)}", shared)  # pyright: ignore[reportPrivateImportUsage]
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=TIMEOUT)
    try:
        yield ProcessGroup(rank, world, here)
    finally:
        dist.destroy_process_group()
