"""Model folders: model.safetensors, config.json, tokenizer.json. Nothing is unpickled."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from memlens.config import BaselineConfig, ModelConfig
from memlens.errors import ConfigError, ModelError
from memlens.model.baseline import StreamReader
from memlens.model.model import MemoryModel

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_model(model: MemoryModel | StreamReader, folder: str | Path) -> None:
    """Write weights, config and tokenizer, each by rename, so a reader never meets half a file."""
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
        written = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        owner, kind = (BaselineConfig, "baseline") if "baseline" in written else (ModelConfig, "model")
        values, name = dict(written[kind]), str(written.get("name", folder.name))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"'{folder / CONFIG}' is not a memlens model config: {error!r}") from None
    try:
        return owner.parse(values, where=str(folder / CONFIG)), name
    except ConfigError as error:
        raise ModelError(str(error)) from None


def load_config(folder: str | Path) -> ModelConfig:
    """The configuration of a memory model's folder; ModelError as ``load_memory_model``."""
    cfg, _ = _read_config(Path(folder))
    if isinstance(cfg, BaselineConfig):
        raise _no_memory(folder)
    return cfg


def _no_memory(folder: str | Path) -> ModelError:
    return ModelError(
        f"the model in '{folder}' is a baseline; it has no memory to record, hook or control: give a memory model"
    )


def load_memory_model(folder: str | Path, policy: str | None = None, device: str | torch.device = "cpu") -> MemoryModel:
    """``load_model`` where a baseline will not do: that is a ModelError as well."""
    model = load_model(folder, policy, device)
    if isinstance(model, StreamReader):
        raise _no_memory(folder)
    return model


def load_model(
    folder: str | Path, policy: str | None = None, device: str | torch.device = "cpu"
) -> MemoryModel | StreamReader:
    """Read a model folder: a memory model's or a baseline's.

    Parameters
    ----------
    folder
        Holds model.safetensors, config.json and tokenizer.json, as ``save_model`` or ``memlens train`` write them.
    policy
        Decide by this policy instead of the config's: "learned" or a heuristic (``memlens.model.controller.HEURISTICS``).

    Raises
    ------
    ModelError
        If the folder or a file is missing, damaged, foreign, or a weight is not finite, or a policy is asked of a baseline; the
        message says which.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"no model folder at '{folder}'; give a folder with {WEIGHTS}, {CONFIG} and {TOKENIZER}")
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
        model = StreamReader(cfg, tokenizer, name)
    else:
        model = MemoryModel(cfg if policy is None else cfg.model_copy(update={"policy": policy}), tokenizer, name)
    _check(model, weights, folder)
    model.load_state_dict(weights)
    model.sha256 = file_sha256(folder / WEIGHTS)
    return model.to(device).eval()


def _check(model: MemoryModel | StreamReader, weights: dict[str, torch.Tensor], folder: Path) -> None:
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
