"""Model folders: model.safetensors, config.json, tokenizer.json. Nothing is unpickled."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from memlens.calls import checked
from memlens.config import BaselineConfig, ModelConfig
from memlens.errors import ConfigError, ModelError
from memlens.model.baseline import StreamReader
from memlens.model.model import MemoryModel
from memlens.provenance import file_sha256
from memlens.resources import model_folder
from memlens.user_input import parse_json

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


def save_model(model: MemoryModel | StreamReader, folder: str | Path) -> None:
    """Write weights, config and tokenizer, each by rename, so a reader never meets half a file.

    Parameters
    ----------
    model : MemoryModel or StreamReader
        Its tokenizer is written where it has one.
    folder : str or Path
        Made where there is none.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{WEIGHTS}.partial"
    save_file({k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}, partial)
    partial.replace(folder / WEIGHTS)
    kind = "baseline" if isinstance(model, StreamReader) else "model"
    texts = {CONFIG: json.dumps({"name": model.name, kind: model.cfg.model_dump()}, indent=2) + "\n"}
    if model.tokenizer is not None:
        texts[TOKENIZER] = model.tokenizer.to_str()
    for name, text in texts.items():
        partial = folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)


def _read_config(folder: Path) -> tuple[ModelConfig | BaselineConfig, str]:
    try:
        written = parse_json((folder / CONFIG).read_text(encoding="utf-8"))
        owner, kind = (BaselineConfig, "baseline") if "baseline" in written else (ModelConfig, "model")
        values, name = dict(written[kind]), str(written.get("name", folder.name))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"'{folder / CONFIG}' is not a memlens model config: {error!r}") from None
    try:
        return owner.parse(values, where=str(folder / CONFIG)), name
    except ConfigError as error:
        raise ModelError(str(error)) from None


def load_config(model: str | Path) -> ModelConfig:
    """The configuration of a memory model, by folder or name; ModelError as ``load_memory_model``."""
    folder = model_folder(model)
    cfg, _ = _read_config(folder)
    if isinstance(cfg, BaselineConfig):
        raise _no_memory(folder)
    return cfg


def _no_memory(folder: str | Path) -> ModelError:
    return ModelError(
        f"the model in '{folder}' is a baseline; it has no memory to record, hook or control: give a memory model"
    )


def load_memory_model(model: str | Path, policy: str | None = None, device: str | torch.device = "cpu") -> MemoryModel:
    """``load_model`` where a baseline will not do.

    Parameters
    ----------
    model, policy, device
        As ``load_model``.

    Returns
    -------
    MemoryModel
        In evaluation mode.

    Raises
    ------
    ModelError
        As ``load_model``, and when the model is a baseline.
    """
    loaded = load_model(model, policy, device)
    if isinstance(loaded, StreamReader):
        raise _no_memory(model)
    return loaded


@checked()
def load_model(
    model: str | Path, policy: str | None = None, device: str | torch.device = "cpu"
) -> MemoryModel | StreamReader:
    """Read a model: a memory model or a baseline.

    Parameters
    ----------
    model : str or Path
        A folder that holds model.safetensors, config.json and tokenizer.json, as ``save_model`` or ``memlens train`` write them, or
        the name of a trained model that comes with memlens, such as "nano".
    policy : str, optional
        Decide by this policy instead of the config's: "learned" or a heuristic (``memlens.model.controller.HEURISTICS``).
    device : str or torch.device
        Where the weights are to be.

    Returns
    -------
    MemoryModel or StreamReader
        In evaluation mode.

    Raises
    ------
    ModelError
        If there is no such model, if a file is missing, damaged or foreign, if a weight is not finite, or if a policy is asked of a
        baseline; the message says which.
    """
    folder = model_folder(model)
    if not folder.is_dir():
        raise ModelError(f"'{folder}' is a file; expected a folder with {WEIGHTS}, {CONFIG} and {TOKENIZER}")
    for name in (WEIGHTS, CONFIG, TOKENIZER):
        if not (folder / name).is_file():
            raise ModelError(f"'{folder}' has no {name}; expected {WEIGHTS}, {CONFIG} and {TOKENIZER}")
    cfg, name = _read_config(folder)
    if policy is not None and isinstance(cfg, BaselineConfig):
        raise _no_memory(folder)
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"'{folder / TOKENIZER}' cannot be read as a tokenizer: {error}") from None
    tokenizer.encode_special_tokens = True  # a literal "<eos>" in a user's text is text
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"'{folder / WEIGHTS}' is damaged or no safetensors file: {error}") from None
    if isinstance(cfg, BaselineConfig):
        loaded = StreamReader(cfg, tokenizer, name)
    else:
        loaded = MemoryModel(cfg if policy is None else cfg.model_copy(update={"policy": policy}), tokenizer, name)
    _check_weights(loaded, weights, folder)
    loaded.load_state_dict(weights)
    loaded.sha256 = file_sha256(folder / WEIGHTS)
    try:
        return loaded.to(device).eval()
    except RuntimeError as error:
        raise ModelError(f"device is '{device}', on which torch cannot put the model: {error}") from None


def _check_weights(model: MemoryModel | StreamReader, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Names, shapes and finiteness of the weights, with one clear error."""
    expected = model.state_dict()
    missing, foreign = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
    if missing or foreign:
        raise ModelError(
            f"'{folder / WEIGHTS}' does not fit its config: {len(missing)} weights missing (first: "
            f"{missing[0] if missing else 'none'}), {len(foreign)} foreign (first: {foreign[0] if foreign else 'none'})"
        )
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape:
            raise ModelError(
                f"'{folder / WEIGHTS}': {name} has shape {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            )
        if not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise ModelError(
                f"'{folder / WEIGHTS}': {name} holds {bad} values that are not finite; train or copy it again"
            )
