"""memlens: look inside learned memory. Everything is imported when it is first used."""

from typing import TYPE_CHECKING

from memlens.lazy import attach

__version__ = "0.1.0"

if TYPE_CHECKING:
    from memlens import analysis as analysis
    from memlens import catalogue as catalogue
    from memlens import causes as causes
    from memlens import config as config
    from memlens import dims as dims
    from memlens import errors as errors
    from memlens import figures as figures
    from memlens import interventions as interventions
    from memlens import model as model
    from memlens import recording as recording
    from memlens import report as report
    from memlens import stats as stats
    from memlens import streams as streams
    from memlens import testing as testing
    from memlens import training as training
    from memlens.interventions.comparison import compare as compare
    from memlens.interventions.sweeps import sweep as sweep
    from memlens.model.checkpoint import load_model as load_model
    from memlens.model.checkpoint import save_model as save_model
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

_ROOMS = "analysis catalogue causes config dims errors figures interventions model recording report stats streams testing training"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        **{room: f"memlens.{room}" for room in _ROOMS.split()},
        "RecordOptions": "memlens.recording:RecordOptions",
        "Stream": "memlens.streams:Stream",
        "at": "memlens.model.hooks:at",
        "builtin_stream": "memlens.streams:builtin_stream",
        "compare": "memlens.interventions.comparison:compare",
        "evaluate": "memlens.training.evaluate:evaluate",
        "load_model": "memlens.model.checkpoint:load_model",
        "load_stream": "memlens.streams:load_stream",
        "open": "memlens.recording:open",
        "record": "memlens.recording:record",
        "replay": "memlens.recording:replay",
        "save_model": "memlens.model.checkpoint:save_model",
        "sweep": "memlens.interventions.sweeps:sweep",
        "train": "memlens.training:train",
        "verify": "memlens.recording:verify",
        "write_report": "memlens.report:write_report",
    },
)
