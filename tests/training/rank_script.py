"""What each process of test_distributed.py runs under torchrun: ``rank_script.py FOLDER``, which holds the configs.

Writes into the folder what the test compares with one process.
"""

import json
import math
import sys
from functools import partial
from pathlib import Path

import torch

from memlens.config import TrainConfig
from memlens.errors import TrainingError
from memlens.training import card, train
from memlens.training.checkpoint import Checkpoint
from memlens.training.distributed import ProcessGroup, join
from memlens.training.fidelity import rate_distortion
from memlens.training.trainer import Trainer


def note(folder: Path, group: ProcessGroup, **said: object) -> None:
    """What this process has to say."""
    with (folder / f"rank{group.rank}.jsonl").open("a") as file:
        file.write(json.dumps(said) + "\n")


def cut_off(folder: Path, config: TrainConfig, group: ProcessGroup) -> None:
    """Three updates and a checkpoint, for one process to go on from."""
    trainer = Trainer(config, group)
    for _ in range(3):
        trainer.memory_step()
    tensors, values = trainer.snapshot()
    if group.is_first:
        Checkpoint(folder / "checkpoint").save(tensors, values)


def errors(folder: Path, config: TrainConfig, group: ProcessGroup) -> None:
    """An error on one process alone, and one that both make."""
    trainer = Trainer(config.model_copy(update={"carry": 1.0}), group)
    trainer.memory_step()
    if group.rank == 1:
        trainer.carried[2].working[0, 0, 0] = math.nan
    try:
        trainer.memory_step()
    except TrainingError as error:
        note(folder, group, one=str(error))
    try:
        Trainer(config.model_copy(update={"shards": 1}), group)
    except TrainingError as error:
        note(folder, group, uneven=str(error))


def reduced(folder: Path, group: ProcessGroup) -> None:
    """Gradients that one process has and the other lacks, and one that none has."""
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.tensor([1.0, 2.0]) * (group.rank + 1)
    if group.rank == 1:
        parameters[1].grad = torch.tensor([5.0, 7.0])
    group.sum_gradients(parameters)
    note(folder, group, gradients=[None if p.grad is None else p.grad.tolist() for p in parameters])


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    card.CARD_TOKENS, card.CARD_SEEDS, card.CARD_TASKS = 1500, (0,), (("slot_qa", 512, {}),)
    card.rate_distortion = partial(rate_distortion, n_token=1500)
    train(folder / "config.toml", folder / "out")
    config = TrainConfig.load(folder / "config.toml")
    with join("cpu") as group:
        reduced(folder, group)
        cut_off(folder, config, group)
        errors(folder, config, group)


if __name__ == "__main__":
    main()
