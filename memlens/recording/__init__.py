"""Recordings: write, open and look up what a memory did. Opening one needs no torch."""

from typing import TYPE_CHECKING, Any

from memlens.recording.capture.writer import RecordingWriter
from memlens.recording.integrity.verification import Damage, Verification
from memlens.recording.integrity.verify import verify
from memlens.recording.reading.recording import Recording, open

if TYPE_CHECKING:
    from memlens.recording.capture.record import record as record

__all__ = ["Damage", "Recording", "RecordingWriter", "Verification", "open", "record", "verify"]


def __getattr__(name: str) -> Any:
    if name == "record":
        from memlens.recording.capture.record import record

        return record
    raise AttributeError(f"module 'memlens.recording' has no attribute '{name}'; it has {', '.join(__all__)}")
