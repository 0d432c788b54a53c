"""Measure a trained model again and write its card: metrics.json and README.md beside its weights.

    python -m analyses.publish.card trained_models/nano

How it was trained (seconds, positions, notes) is taken over from the metrics.json that ``memlens train`` wrote.
"""

import argparse
import json
from pathlib import Path

import torch

from memlens.config import TrainConfig
from memlens.model import load_model
from memlens.training.card import write_card


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    trained = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    config = TrainConfig.parse(json.loads((folder / "train.json").read_text(encoding="utf-8")), str(folder))
    torch.set_num_threads(1)

    def show(done: int, total: int, what: str) -> None:
        print(f"{what}: {done:,} of {total:,}", flush=True)

    seconds, n_token, notes = trained["train_seconds"], trained["train_tokens"], trained.get("notes", [])
    write_card(load_model(folder), config, folder, seconds, n_token, show, notes)
    print(f"written: {folder / 'README.md'}")


if __name__ == "__main__":
    main()
