"""Recordings: write, open and look up what a memory did. Opening one needs no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memlens.recording.capture.options import RecordOptions
from memlens.recording.capture.writer import RecordingWriter
from memlens.recording.integrity.verification import Damage, Verification
from memlens.recording.integrity.verify import verify
from memlens.recording.reading.recording import Recording, open

if TYPE_CHECKING:
    from memlens.recording.capture.record import record as record
    from memlens.recording.capture.replay import replay as replay

__all__ = [
    "Damage",
    "RecordOptions",
    "Recording",
    "RecordingWriter",
    "Verification",
    "open",
    "record",
    "replay",
    "verify",
]
#: Names whose modules import torch; they are imported when they are first used.
_LAZY = {"record": "memlens.recording.capture.record", "replay": "memlens.recording.capture.replay"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'memlens.recording' has no attribute '{name}'; it has {', '.join(__all__)}")
