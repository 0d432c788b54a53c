"""Recordings: write, open and look up what a memory did. Opening one needs no torch."""

from typing import TYPE_CHECKING, Any

from memlens.recording.reader import Recording, open
from memlens.recording.verification import Damage, Verification
from memlens.recording.verify import verify
from memlens.recording.writer import RecordingWriter

if TYPE_CHECKING:
    from memlens.recording.recorder import record as record

__all__ = ["Damage", "Recording", "RecordingWriter", "Verification", "open", "record", "verify"]


def __getattr__(name: str) -> Any:
    if name == "record":
        from memlens.recording.recorder import record

        return record
    raise AttributeError(f"module 'memlens.recording' has no attribute '{name}'; it has {', '.join(__all__)}")
