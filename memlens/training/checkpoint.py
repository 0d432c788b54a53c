"""Checkpoints of a training run (safetensors and JSON, nothing pickled) and its log of metrics (JSON lines)."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from memlens.errors import TrainingError

_TENSORS, _VALUES = "tensors.safetensors", "state.json"


class MetricsLog:
    """A file of JSON lines, one row of metrics each."""

    def __init__(self, path: Path):
        self.path = path

    def append(self, row: Mapping[str, float]) -> None:
        """Add one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: float(f"{v:.6g}") for k, v in row.items()}) + "\n")

    def size(self) -> int:
        """Bytes written."""
        return self.path.stat().st_size if self.path.exists() else 0

    def cut(self, size: int) -> None:
        """Drop what came after the first ``size`` bytes: a resumed run repeats, and logs again, what followed its last checkpoint."""
        if self.size() > size:
            os.truncate(self.path, size)


class Checkpoint:
    """A folder with everything that a run carries; replaced as a whole, so that a kill leaves the last one intact."""

    def __init__(self, folder: Path):
        self.folder = folder

    def exists(self) -> bool:
        """Whether there is one. A kill during a swap leaves it under its old name, which is put right here."""
        old = self.folder.with_name(self.folder.name + ".old")
        if not self.folder.exists() and old.exists():
            old.rename(self.folder)
        return (self.folder / _VALUES).is_file()

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write a checkpoint beside the old one, then replace that.

        Parameters
        ----------
        tensors : mapping of str to Tensor
        values : mapping of str to object
            What JSON can hold.
        """
        fresh = self.folder.with_name(self.folder.name + ".partial")
        old = self.folder.with_name(self.folder.name + ".old")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, fresh / _TENSORS)
        (fresh / _VALUES).write_text(json.dumps(values), encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        fresh.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Read what was saved.

        Raises
        ------
        TrainingError
            When it is damaged.
        """
        try:
            return load_file(self.folder / _TENSORS), json.loads((self.folder / _VALUES).read_text(encoding="utf-8"))
        except (SafetensorError, OSError, ValueError) as error:
            raise TrainingError(
                f"the checkpoint '{self.folder}' is damaged: {error}; train again without --resume"
            ) from None
