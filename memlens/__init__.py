"""memlens: look inside learned memory. Names are imported when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from memlens.interventions.comparison import compare as compare
    from memlens.interventions.sweeps import sweep as sweep
    from memlens.model.checkpoint import load_model as load_model
    from memlens.model.hooks import at as at
    from memlens.recording import RecordOptions as RecordOptions
    from memlens.recording import open as open
    from memlens.recording import record as record
    from memlens.recording import replay as replay
    from memlens.recording import verify as verify
    from memlens.report import write_report as write_report
    from memlens.streams import Stream as Stream
    from memlens.streams import builtin_stream as builtin_stream
    from memlens.streams import load_stream as load_stream
    from memlens.training import train as train
    from memlens.training.evaluate import evaluate as evaluate

#: Public name -> the module that has it and its name there.
_HOMES = {
    "RecordOptions": ("memlens.recording", "RecordOptions"),
    "Stream": ("memlens.streams", "Stream"),
    "at": ("memlens.model.hooks", "at"),
    "compare": ("memlens.interventions.comparison", "compare"),
    "evaluate": ("memlens.training.evaluate", "evaluate"),
    "load_model": ("memlens.model.checkpoint", "load_model"),
    "load_stream": ("memlens.streams", "load_stream"),
    "builtin_stream": ("memlens.streams", "builtin_stream"),
    "open": ("memlens.recording", "open"),
    "record": ("memlens.recording", "record"),
    "replay": ("memlens.recording", "replay"),
    "sweep": ("memlens.interventions.sweeps", "sweep"),
    "train": ("memlens.training", "train"),
    "verify": ("memlens.recording", "verify"),
    "write_report": ("memlens.report", "write_report"),
}

__all__ = [
    "RecordOptions",
    "Stream",
    "__version__",
    "at",
    "builtin_stream",
    "compare",
    "evaluate",
    "load_model",
    "load_stream",
    "open",
    "record",
    "replay",
    "sweep",
    "train",
    "verify",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'memlens' has no attribute '{name}'; it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
