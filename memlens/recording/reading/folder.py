"""Which recordings a folder holds: by id, and none that lies elsewhere."""

from pathlib import Path

from memlens.errors import RecordingError
from memlens.recording.format.repository import is_repository
from memlens.recording.reading.recording import open as open_recording

#: Name of the recording inside the folder of a demo.
_INSIDE = "recording"


def recordings_in(folder: Path) -> dict[str, Path]:
    """Find the recordings of a folder: itself, the one that a demo puts into it, or those that lie directly in it.

    Links that lead out of the folder are not followed, and folders whose recording cannot be opened are left out.

    Parameters
    ----------
    folder : Path
        One folder.

    Returns
    -------
    dict[str, Path]
        Id -> resolved path, in the order of the names; of copies that have one id, the first.
    """
    root = folder.resolve()
    found = _recording_at(root, root)
    if found is not None:
        return {open_recording(found).id: found}
    below = [_recording_at(child, root) for child in sorted(root.iterdir())] if root.is_dir() else []
    recordings: dict[str, Path] = {}
    for path in below:
        if path is not None:
            try:
                recordings.setdefault(open_recording(path).id, path)
            except RecordingError:
                continue
    return recordings


def _recording_at(place: Path, root: Path) -> Path | None:
    """The recording at a place or right inside it, if it lies under ``root``."""
    for path in (place, place / _INSIDE):
        real = path.resolve()
        if real.is_relative_to(root) and is_repository(real):
            return real
    return None
