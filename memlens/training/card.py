"""What stands beside the weights: metrics.json, and a model card written from it. No figure in either is typed by hand."""

import json
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memlens.config import TrainConfig
from memlens.model.checkpoint import WEIGHTS, file_sha256
from memlens.model.controller import HEURISTICS
from memlens.model.model import MemoryModel
from memlens.provenance import git_commit
from memlens.training.evaluate import evaluate
from memlens.training.fidelity import rate_distortion

Progress = Callable[[int, int, str], None]
#: Seeds of the built-in test streams that a card reports on.
CARD_SEEDS = (0, 1, 2, 3)
CARD_TOKENS = 100_000


def measure(model: MemoryModel, progress: Progress | None = None) -> dict[str, Any]:
    """Recall on test streams under every policy, and the compressor's rate-distortion curve."""
    model.eval()
    rows = evaluate(model, n_token=CARD_TOKENS, seeds=CARD_SEEDS, policies=("learned", *HEURISTICS), progress=progress)
    return {"recall": rows, "rate_distortion": rate_distortion(model)}


def write_card(
    model: MemoryModel,
    config: TrainConfig,
    folder: Path,
    seconds: float,
    n_token: int,
    progress: Progress | None = None,
) -> None:
    """Measure, then write metrics.json, train.json and README.md into a model folder."""
    provenance = {
        "weights_sha256": file_sha256(folder / WEIGHTS),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": config.seed,
        "train_seconds": round(seconds),
        "train_tokens": n_token,
        "threads": config.threads,
        "machine": f"{platform.machine()}, CPU",
        "commit": git_commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": version("torch"), "memlens": version("memlens")},
        "card_seeds": list(CARD_SEEDS),
        "card_tokens": CARD_TOKENS,
    }
    metrics = {**provenance, **measure(model, progress)}
    (folder / "train.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(render(str(model.name), metrics), encoding="utf-8")


def render(name: str, metrics: dict[str, Any]) -> str:
    """The card, from metrics."""
    recall = metrics["recall"]
    learned = [row for row in recall if row["policy"] == "learned"]
    others = [row for row in recall if row["modality"] == "all" and row["policy"] != "learned"]
    lines = [
        f"# {name}",
        "",
        "A memory model of memlens: text, image, audio and DNA positions into one memory of context slots, working memory and a",
        "long-term store under a learned controller. For studying memory slots, not for answering questions about the world.",
        "",
        "## How it came to be",
        "",
        f"- command: `memlens train analyses/configs/{name}.toml -o trained_models/{name}` (config as run:",
        "  train.json)",
        f"- {metrics['parameters']:,} parameters; {metrics['train_tokens']:,} positions seen; {metrics['train_seconds'] / 60:.0f} minutes "
        f"on {metrics['threads']} thread(s) of a {metrics['machine']}; seed {metrics['seed']}; torch {metrics['versions']['torch']}",
        "- data: the package's own streams (memlens/streams/data/SOURCES.md): prose of numpy, scipy and scikit-learn docstrings with",
        "  planted facts; keys, digit images, voices and prose of the test streams were not trained on",
        f"- weights sha256 `{metrics['weights_sha256'][:16]}`, code at `{metrics['commit'][:12]}`, {metrics['created']}",
        *(f"- {note}" for note in metrics.get("notes", [])),
        "",
        "## What it recalls",
        "",
        f"Built-in test streams of {metrics['card_tokens']:,} positions, seeds {metrics['card_seeds']}, every fact asked for once;",
        "share answered exactly, with Wilson 95 % intervals.",
        "",
        "| asked for | n | exact | 95 % |",
        "|---|---|---|---|",
        *(f"| {r['modality']} | {r['n']} | {r['exact']:.3f} | {r['low']:.3f} to {r['high']:.3f} |" for r in learned),
        "",
        "## Against heuristic policies",
        "",
        "The same weights, streams, capacities and mechanics; only the policy differs. The last column is learned minus heuristic on",
        "the same questions, with a paired bootstrap 95 % interval.",
        "",
        "| policy | exact | learned is ahead by |",
        "|---|---|---|",
        *(
            f"| {r['policy']} | {r['exact']:.3f} | {r['behind']:+.3f} ({r['behind_low']:+.3f} to {r['behind_high']:+.3f}) |"
            for r in others
        ),
        "",
        "## Compression",
        "",
        "Slots of the test prose with facts, merged and reconstructed; cosine to the original, explained variance.",
        "",
        "| originals in one vector | cosine | explained |",
        "|---|---|---|",
        *(f"| {r['originals']} | {r['cosine']:.3f} | {r['explained']:.3f} |" for r in metrics["rate_distortion"]),
        "",
        f"Reproduce: `memlens evaluate trained_models/{name} --seeds {' '.join(map(str, metrics['card_seeds']))} --policies learned "
        "importance fifo lru reservoir random store_all`",
        "",
    ]
    return "\n".join(lines)
