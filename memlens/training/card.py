"""The files beside the weights: metrics.json, and a model card that is written from it. No number in either is typed by hand."""

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memlens.config import TrainConfig
from memlens.model.baseline import StreamReader
from memlens.model.checkpoint import WEIGHTS
from memlens.model.controller import HEURISTICS
from memlens.model.model import MemoryModel
from memlens.provenance import file_sha256, git_commit
from memlens.training.evaluate import Evaluation, evaluate
from memlens.training.fidelity import rate_distortion
from memlens.training.progress import Progress

#: Seeds of the built-in test streams that a card reports on.
CARD_SEEDS = tuple(range(8))
CARD_TOKENS = 100_000
#: Tasks of a card: name, positions, options that differ from the defaults. Streams have the seeds ``CARD_SEEDS``.
CARD_TASKS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("slot_qa", 512, {}),
    ("needle", 8_192, {}),
    ("needle", 100_000, {}),
    ("needle", 100_000, {"near": 0.5}),
    ("needle", 100_000, {"held": True}),
    ("rewrite", 100_000, {"n_fact": 64}),
    ("entity", 0, {"hops": 1}),
    ("entity", 8_192, {"hops": 1}),
    ("entity", 8_192, {"hops": 2}),
    ("entity", 8_192, {"hops": 3}),
    ("cross", 16_384, {}),
    ("digits", 16_384, {"scale": 1}),
    ("digits", 16_384, {"scale": 8}),
    ("spoken", 16_384, {}),
    ("motif", 16_384, {}),
    ("budget", 16_384, {}),
)
_MEMORY = (
    "A memory model of memlens: text, image, audio and DNA positions into one memory of context slots, working memory and a",
    "long-term store under a learned controller. For studying memory slots, not for answering questions about the world.",
)
_BASELINE = (
    "A baseline of memlens: a language model of text, image, audio and DNA positions without slots, store or controller. For",
    "comparing memory models with, not for answering questions about the world.",
)


def _measure(model: MemoryModel | StreamReader, progress: Progress | None = None) -> dict[str, Any]:
    """Recall on test streams, under every policy of a memory model, and the rate-distortion curve of its compressor."""
    model.eval()
    has_memory = isinstance(model, MemoryModel)
    policies = ("learned", *HEURISTICS) if has_memory else None
    measured = evaluate(model, n_token=CARD_TOKENS, seeds=CARD_SEEDS, policies=policies, progress=progress)
    return {
        "recall": recall_rows(measured),
        "tasks": _task_rows(model, progress),
        "rate_distortion": rate_distortion(model) if has_memory else [],
    }


def _task_rows(model: MemoryModel | StreamReader, progress: Progress | None = None) -> list[dict[str, Any]]:
    """For each of ``CARD_TASKS``: n, exact share with its bootstrap and Wilson 95 % intervals, macro F1, loss."""
    rows = []
    for name, n_token, options in CARD_TASKS:
        measured = evaluate(model, name, n_token=n_token, seeds=CARD_SEEDS, options=options, progress=progress)
        overall = measured.results[0]["overall"]
        kept = ("accuracy", "low", "high", "wilson_low", "wilson_high", "f1", "loss")
        figures = {key: round(overall[key], 4) for key in kept}
        rows.append({"task": name, "n_token": n_token, "options": options, "n": overall["n"], **figures})
    return rows


def command(row: dict[str, Any]) -> str:
    """Arguments of ``memlens evaluate``, after the name of the model, that measure a row of tasks again."""
    given = " ".join(f"{key}={str(value).lower()}" for key, value in row["options"].items())
    return f"--task {row['task']} --length {row['n_token']}" + (f" --set {given}" if given else "")


def recall_rows(measured: Evaluation) -> list[dict[str, Any]]:
    """For each policy and modality ("all": over all): n, exact share, its Wilson 95 % interval, loss.

    The rows of "all" also have ``behind``, ``behind_low`` and ``behind_high``: how much less than the first policy it recalled.
    """
    rows = []
    for entry in measured.results:
        behind = entry["behind"] or {"accuracy": 0.0, "low": 0.0, "high": 0.0}
        paired = {"behind": behind["accuracy"], "behind_low": behind["low"], "behind_high": behind["high"]}
        slices = {"all": entry["overall"], **{row["modality"]: row for row in entry["by_modality"]}}
        for name, row in slices.items():
            share = {
                "exact": row["accuracy"],
                "low": row["wilson_low"],
                "high": row["wilson_high"],
                "loss": row["loss"],
            }
            figures = {key: round(value, 4) for key, value in (share | paired).items()}
            blank = {} if name == "all" else dict.fromkeys(paired, "")
            rows.append({"policy": entry["policy"], "modality": name, "n": row["n"], **figures, **blank})
    return rows


def write_card(
    model: MemoryModel | StreamReader,
    config: TrainConfig,
    folder: Path,
    seconds: float,
    n_token: int,
    progress: Progress | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Measure a model, then write metrics.json, train.json and README.md into its folder.

    Parameters
    ----------
    model : MemoryModel or StreamReader
    config : TrainConfig
        Config that it was trained with.
    folder : Path
        Holds the weights.
    seconds : float
        How long training took.
    n_token : int
        Positions seen in training.
    progress : callable, optional
        Called with what is done, what is to be done in all, and what is being done.
    notes : sequence of str
        What else the card says of the run.
    """
    provenance = {
        "weights_sha256": file_sha256(folder / WEIGHTS),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": config.seed,
        "train_seconds": round(seconds),
        "train_tokens": n_token,
        "threads": config.threads,
        "machine": f"{platform.machine()}, {config.device.upper()}",
        "commit": git_commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": version("torch"), "memlens": version("memlens")},
        "card_seeds": list(CARD_SEEDS),
        "card_tokens": CARD_TOKENS,
        "notes": list(notes),
    }
    metrics = {**provenance, **_measure(model, progress)}
    (folder / "train.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(render(str(model.name), metrics), encoding="utf-8")


def render(name: str, metrics: dict[str, Any]) -> str:
    """Write the model card from its metrics.

    Parameters
    ----------
    name : str
        Name of the model.
    metrics : dict
        Contents of metrics.json.

    Returns
    -------
    str
        Markdown.
    """
    recall = metrics["recall"]
    first = recall[0]["policy"]
    own = [row for row in recall if row["policy"] == first]
    others = [row for row in recall if row["modality"] == "all" and row["policy"] != first]
    lines = [
        f"# {name}",
        "",
        *(_MEMORY if metrics["rate_distortion"] else _BASELINE),
        "",
        "## How it came to be",
        "",
        f"- command: `memlens train analyses/configs/{name}.toml -o trained_models/{name}` (config as run:",
        "  train.json)",
        f"- {metrics['parameters']:,} parameters; {metrics['train_tokens']:,} positions seen; {metrics['train_seconds'] / 60:.0f} minutes "
        f"on {metrics['threads']} thread(s) of a {metrics['machine']}; seed {metrics['seed']}",
        "- data: the package's own streams (memlens/streams/data/SOURCES.md): prose of numpy, scipy and scikit-learn docstrings with",
        "  planted facts; keys, digit images, voices and prose of the test streams were not trained on",
        f"- weights sha256 `{metrics['weights_sha256'][:16]}`, measured with torch {metrics['versions']['torch']} at "
        f"`{metrics['commit'][:12]}`, {metrics['created']}",
        *(f"- {note}" for note in metrics.get("notes", [])),
        "",
        "## What it recalls",
        "",
        f"Built-in test streams of {metrics['card_tokens']:,} positions, seeds {metrics['card_seeds']}, every fact asked for once;",
        "share answered exactly, with Wilson 95 % intervals.",
        "",
        "| asked for | n | exact | 95 % |",
        "|---|---|---|---|",
        *(f"| {r['modality']} | {r['n']} | {r['exact']:.3f} | {r['low']:.3f} to {r['high']:.3f} |" for r in own),
        "",
        "## By task",
        "",
        "Test streams of the same seeds, questions at their end; exact share with a bootstrap 95 % interval over streams and questions,",
        f"macro F1, nats per answer token. Each row again: `memlens evaluate trained_models/{name} --seeds "
        f"{' '.join(map(str, metrics['card_seeds']))}` and what stands in the row. What a task is: docs/tasks.md.",
        "",
        "| measured by | n | exact | 95 % | F1 | loss |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{command(r)}` | {r['n']} | {r['accuracy']:.3f} | {r['low']:.3f} to {r['high']:.3f} | {r['f1']:.3f} | {r['loss']:.3f} |"
            for r in metrics["tasks"]
        ),
        "",
        *(_memory_sections(others, metrics["rate_distortion"]) if metrics["rate_distortion"] else ()),
        f"Reproduce: `memlens evaluate trained_models/{name} --seeds {' '.join(map(str, metrics['card_seeds']))}"
        + (" --policies learned importance fifo lru reservoir random store_all`" if others else "`"),
        "",
    ]
    return "\n".join(lines)


def _memory_sections(others: list[dict[str, Any]], curve: list[dict[str, Any]]) -> list[str]:
    """Sections of a card on policies and on compression."""
    return [
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
        *(f"| {r['originals']} | {r['cosine']:.3f} | {r['explained']:.3f} |" for r in curve),
        "",
    ]
