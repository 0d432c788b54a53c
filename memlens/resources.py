"""What travels inside the package: the trained models and the dashboard, in a checkout and in an installed wheel alike."""

from importlib.resources import files
from pathlib import Path

from memlens.errors import ModelError, closest


def _inside(*parts: str) -> Path:
    """A path inside the package ``memlens``, which is always installed as files."""
    return Path(str(files("memlens").joinpath(*parts)))


def shipped_models() -> dict[str, Path]:
    """Folders of the trained models that come with memlens, by name."""
    return {path.parent.name: path.parent for path in sorted(_inside("models").glob("*/config.json"))}


def shipped_model(name: str) -> Path:
    """Folder of the trained model called ``name``; ModelError with the closest names where there is none."""
    models = shipped_models()
    if name not in models:
        raise ModelError(f"no trained model is called '{name}'; {closest(name, models)}")
    return models[name]


def model_folder(given: str | Path) -> Path:
    """Folder of a model, given by its path or by the name of a trained model that comes with memlens; ModelError where there is none."""
    if Path(given).exists():
        return Path(given)
    try:
        return shipped_model(str(given))
    except ModelError as error:
        raise ModelError(f"no model folder at '{given}', and {error}") from None


def dashboard_app() -> Path:
    """The script that Streamlit runs."""
    return _inside("dashboard", "app.py")
