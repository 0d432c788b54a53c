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
from memlens.training.distributed import Ranks, join
from memlens.training.fidelity import rate_distortion
from memlens.training.trainer import Trainer


def note(folder: Path, ranks: Ranks, **said: object) -> None:
    """What this process has to say."""
    with (folder / f"rank{ranks.rank}.jsonl").open("a") as file:
        file.write(json.dumps(said) + "\n")


def cut_off(folder: Path, config: TrainConfig, ranks: Ranks) -> None:
    """Three updates and a checkpoint, for one process to go on from."""
    trainer = Trainer(config, ranks)
    for _ in range(3):
        trainer.memory_step()
    tensors, values = trainer.snapshot()
    if ranks.leads:
        Checkpoint(folder / "checkpoint").save(tensors, values)


def errors(folder: Path, config: TrainConfig, ranks: Ranks) -> None:
    """An error on one process alone, and one that both make."""
    trainer = Trainer(config.model_copy(update={"carry": 1.0}), ranks)
    trainer.memory_step()
    if ranks.rank == 1:
        trainer.carried[2].working[0, 0, 0] = math.nan
    try:
        trainer.memory_step()
    except TrainingError as error:
        note(folder, ranks, one=str(error))
    try:
        Trainer(config.model_copy(update={"shards": 1}), ranks)
    except TrainingError as error:
        note(folder, ranks, uneven=str(error))


def reduced(folder: Path, ranks: Ranks) -> None:
    """Gradients that one process has and the other lacks, and one that none has."""
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.tensor([1.0, 2.0]) * (ranks.rank + 1)
    if ranks.rank == 1:
        parameters[1].grad = torch.tensor([5.0, 7.0])
    ranks.sum_gradients(parameters)
    note(folder, ranks, gradients=[None if p.grad is None else p.grad.tolist() for p in parameters])


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    card.CARD_TOKENS, card.CARD_SEEDS, card.CARD_TASKS = 1500, (0,), (("slot_qa", 512, {}),)
    card.rate_distortion = partial(rate_distortion, n_token=1500)
    train(folder / "config.toml", folder / "out")
    config = TrainConfig.load(folder / "config.toml")
    with join("cpu") as ranks:
        reduced(folder, ranks)
        cut_off(folder, config, ranks)
        errors(folder, config, ranks)


if __name__ == "__main__":
    main()
