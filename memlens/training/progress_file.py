"""Checkpoints of a training run (safetensors and JSON, nothing pickled) and its log of metrics (JSON lines)."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from memlens.errors import TrainingError


def append_metrics(path: Path, row: dict[str, float]) -> None:
    """Add one line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: float(f"{v:.6g}") for k, v in row.items()}) + "\n")


class Checkpoint:
    """A folder with all that a Trainer carries; replaced as a whole, so that a kill leaves the last one intact."""

    SCALARS = ("step", "stage", "stage_step", "alternation", "accuracy", "n_token", "seconds")

    def __init__(self, folder: Path):
        self.folder = folder

    def exists(self) -> bool:
        """Whether there is one. A kill in the middle of a swap leaves it under its old name, which is put right here."""
        old = self.folder.with_name(self.folder.name + ".old")
        if not self.folder.exists() and old.exists():
            old.rename(self.folder)
        return (self.folder / "state.json").is_file()

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self, trainer: Any) -> None:
        """Write beside the old one, then swap."""
        fresh = self.folder.with_name(self.folder.name + ".partial")
        old = self.folder.with_name(self.folder.name + ".old")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        tensors = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
        for number, state in trainer.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{k}": v for k, v in state.items()}
        tensors["generator"] = trainer.generator.get_state()
        tensors["global_generator"] = torch.get_rng_state()
        if trainer.carried is not None:
            tensors |= {f"carried.{k}": v for k, v in trainer.carried.flat().items()}
        save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, fresh / "tensors.safetensors")
        values = {name: getattr(trainer, name) for name in self.SCALARS}
        values["numpy_generator"] = trainer.rng.bit_generator.state
        values["config"] = trainer.config.model_dump()
        (fresh / "state.json").write_text(json.dumps(values), encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        fresh.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def load(self, trainer: Any) -> None:
        """Put everything back. Raises TrainingError when damaged or made with another config."""
        try:
            tensors = load_file(self.folder / "tensors.safetensors")
            values = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        except (SafetensorError, OSError, ValueError) as error:
            raise TrainingError(
                f"the checkpoint '{self.folder}' is damaged: {error}; train again without --resume"
            ) from None
        if values["config"] != json.loads(json.dumps(trainer.config.model_dump())):
            raise TrainingError(
                f"the checkpoint '{self.folder}' was made with another config; give the config it began with"
            )

        def under(prefix: str) -> dict[str, torch.Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        trainer.model.load_state_dict(under("model."))
        state = trainer.optimiser.state_dict()
        for name, tensor in under("optimiser.").items():
            number, key = name.split(".", 1)
            state["state"].setdefault(int(number), {})[key] = tensor
        trainer.optimiser.load_state_dict(state)
        trainer.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["global_generator"])
        trainer.rng.bit_generator.state = values["numpy_generator"]
        carried = under("carried.")
        if carried:
            trainer.carried = trainer.model.initial_state(carried["position"].shape[0]).filled(carried)
        for name in self.SCALARS:
            setattr(trainer, name, values[name])
