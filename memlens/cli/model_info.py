"""What a model's folder holds, without torch: as data, and in words."""

import math
import shlex
from pathlib import Path
from typing import Any

from memlens.errors import ModelError
from memlens.user_input import parse_json

_MODALITIES = ("text", "image", "audio", "dna")


def facts(folder: Path) -> dict[str, Any]:
    """All that the files of a model's folder say.

    Parameters
    ----------
    folder : Path
        Holds config.json; metrics.json and model.safetensors may be missing.

    Returns
    -------
    dict
        ``kind`` ("model" or "baseline"), ``name``, ``folder``, ``config``, ``metrics`` (empty where nothing was measured), ``n_weight``
        and ``n_byte`` of model.safetensors (None where there is none).

    Raises
    ------
    ModelError
        When config.json is no model's.
    """
    config, metrics = _read(folder / "config.json"), _read(folder / "metrics.json")
    kind = next((kind for kind in ("model", "baseline") if isinstance(config.get(kind), dict)), None)
    if kind is None:
        raise ModelError(f"'{folder / 'config.json'}' is not of a memlens model: it has neither 'model' nor 'baseline'")
    weights = folder / "model.safetensors"
    return {
        "kind": kind,
        "name": str(config.get("name", folder.name)),
        "folder": str(folder),
        "config": config[kind],
        "n_weight": _n_weight(weights) if weights.is_file() else None,
        "n_byte": weights.stat().st_size if weights.is_file() else None,
        "metrics": metrics,
    }


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file."""
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelError(f"'{path}' is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ModelError(f"'{path}' holds {type(values).__name__}, expected a JSON object")
    return values


def _n_weight(path: Path) -> int:
    """Numbers in a safetensors file, from its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"'{path}' is damaged or not a safetensors file: {error}") from None


def reading(facts: dict[str, Any], named: str) -> tuple[str, dict[str, str], dict[str, object]]:
    """The facts in words.

    Parameters
    ----------
    facts : dict
        As ``facts`` gives them.
    named : str
        What the user called the model: commands to go on with take it.

    Returns
    -------
    tuple
        A title; the rows, label -> text; what to do next -> the command.
    """
    baseline, metrics = facts["kind"] == "baseline", facts["metrics"]
    what = (
        f"a baseline ({facts['config'].get('kind', 'of unknown kind')}), which has no memory"
        if baseline
        else "a memory model"
    )
    rows = {"folder": facts["folder"], "sizes": _sizes(facts)}
    if not baseline:
        rows["memory"] = _memory(facts["config"])
    if metrics:
        rows["trained"] = _training(metrics)
        rows |= _recall(metrics)
    else:
        rows["measured"] = "nothing: there is no metrics.json"
    if (Path(facts["folder"]) / "README.md").is_file():
        rows["card"] = str(Path(facts["folder"]) / "README.md")
    name = shlex.quote(named)
    commands: dict[str, object] = {"measure what it recalls": f"memlens evaluate {name} --task needle"}
    if not baseline:
        commands["record what its memory does"] = (
            f"memlens record {name} builtin --length 20K -o runs/{shlex.quote(facts['name'])}"
        )
        commands["list its hook points"] = f"memlens points {name}"
    return f"{facts['name']}: {what}", rows, commands


def _sizes(facts: dict[str, Any]) -> str:
    config, n = facts["config"], facts["metrics"].get("parameters", facts["n_weight"])
    weights = "no weights: model.safetensors is missing" if n is None else f"{n:,} parameters"
    size = "" if facts["n_byte"] is None else f" ({facts['n_byte'] / 2**20:.1f} MiB)"
    return (
        f"{weights}{size}, width {config.get('d_model')}, {config.get('n_layers')} layers, segments of "
        f"{config.get('segment_length')} positions"
    )


def _memory(config: dict[str, Any]) -> str:
    capacities = " + ".join(map(str, config.get("capacities", ())))
    return (
        f"{config.get('n_slots')} context slots a segment, {config.get('working_slots')} working slots, a long-term store of "
        f"{capacities} entries; policy '{config.get('policy')}'"
    )


def _training(metrics: dict[str, Any]) -> str:
    versions = metrics.get("versions", {})
    return (
        f"on {metrics.get('train_tokens', 0):,} positions in {metrics.get('train_seconds', 0) / 60:,.0f} minutes on "
        f"{metrics.get('machine', 'an unknown machine')}; seed {metrics.get('seed')}, torch {versions.get('torch')}, "
        f"{str(metrics.get('created', ''))[:10]}"
    )


def _recall(metrics: dict[str, Any]) -> dict[str, str]:
    """Share answered exactly: of the model's own policy by modality, and of the other policies."""
    recall = metrics.get("recall") or []
    if not recall:
        return {}
    own = {row["modality"]: row for row in recall if row["policy"] == recall[0]["policy"]}
    over, parts = own["all"], [f"{name} {own[name]['exact']:.3f}" for name in _MODALITIES if name in own]
    rows = {
        "recalls": f"{over['exact']:.3f} of {over['n']:,} answers exactly (95 %: {over['low']:.3f} to {over['high']:.3f}), in test "
        f"streams of {metrics.get('card_tokens', 0):,} positions: {', '.join(parts)}"
    }
    others = [row for row in recall if row["modality"] == "all" and row is not over]
    if others:
        rows["other policies"] = ", ".join(f"{row['policy']} {row['exact']:.3f}" for row in others)
    return rows
