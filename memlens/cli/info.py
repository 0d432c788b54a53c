"""``memlens info RUN_OR_MODEL``."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "info",
        help="say what a recording or a model is",
        description="Say what a recording or a model is.",
    )
    parser.add_argument(
        "what", metavar="RUN_OR_MODEL", help="folder of a recording or a model, or a trained model's name"
    )
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Print names and values."""
    from memlens.cli import locate, table

    if (Path(args.what) / "config.json").is_file() or not Path(args.what).exists():
        folder = locate.model(args.what)
        table.pairs({"model": folder.name, **_read(folder / "config.json"), **_read(folder / "metrics.json")})
    else:
        from memlens import recording

        table.pairs(recording.open(locate.recording(args.what)).attrs)


def _read(path: Path) -> dict[str, object]:
    """Entries of a JSON file, nested ones by dotted names; nothing where there is no file."""
    from memlens.errors import ModelError

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelError(f"'{path}' is no JSON: {error}") from None
    return _flat(values, "")


def _flat(values: Any, name: str) -> dict[str, object]:
    if not isinstance(values, dict):
        return {name or "value": values}
    return {key: value for k, v in values.items() for key, value in _flat(v, f"{name}.{k}" if name else str(k)).items()}
