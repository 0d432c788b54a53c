"""Recordings: write, open and look up what a memory did. Opening one needs no torch."""

from typing import TYPE_CHECKING

from memlens.lazy import attach

if TYPE_CHECKING:
    from memlens.recording.capture.options import RecordOptions as RecordOptions
    from memlens.recording.capture.record import record as record
    from memlens.recording.capture.replay import replay as replay
    from memlens.recording.capture.writer import RecordingWriter as RecordingWriter
    from memlens.recording.integrity.verification import Damage as Damage
    from memlens.recording.integrity.verification import Verification as Verification
    from memlens.recording.integrity.verify import verify as verify
    from memlens.recording.reading.recording import Recording as Recording
    from memlens.recording.reading.recording import open as open

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Damage": f"{__name__}.integrity.verification:Damage",
        "RecordOptions": f"{__name__}.capture.options:RecordOptions",
        "Recording": f"{__name__}.reading.recording:Recording",
        "RecordingWriter": f"{__name__}.capture.writer:RecordingWriter",
        "Verification": f"{__name__}.integrity.verification:Verification",
        "open": f"{__name__}.reading.recording:open",
        "record": f"{__name__}.capture.record:record",
        "replay": f"{__name__}.capture.replay:replay",
        "verify": f"{__name__}.integrity.verify:verify",
    },
)
