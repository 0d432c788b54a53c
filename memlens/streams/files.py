"""Reading users' own files: text, images, sound, FASTA. Whatever is wrong with a file becomes a StreamError."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from memlens.errors import StreamError
from memlens.streams.images import check_png_rows, shown_pixels

#: Frames that are read from a sound file at a time.
_BLOCK = 2**20


def as_path(path: str | Path, what: str) -> Path:
    """Turn ``path`` into a Path.

    Parameters
    ----------
    path : str or Path
    what : str
        What the path should lead to, for the message: "image".

    Returns
    -------
    Path

    Raises
    ------
    StreamError
        When it is not a path.
    """
    if not isinstance(path, str | Path):
        raise StreamError(f"the path of the {what} is {path!r}, expected a str or Path")
    return Path(path)


def existing(path: str | Path, what: str) -> Path:
    """Check that ``path`` is a file.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file should be, for the message: "image".

    Returns
    -------
    Path

    Raises
    ------
    StreamError
        When it is missing, a folder, or not a path.
    """
    path = as_path(path, what)
    try:
        if path.is_file():
            return path
        kind = "is a folder" if path.is_dir() else "does not exist"
    except (OSError, ValueError) as error:
        kind = f"cannot be opened: {error}"
    raise StreamError(f"{what} '{path}' {kind}; give the path of a file")


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file that is not empty.

    Raises
    ------
    StreamError
        When it is missing, empty or not UTF-8.
    """
    path = existing(path, "text file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StreamError(f"'{path}' is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise StreamError(f"'{path}' cannot be read: {error.strerror}") from None
    if not text:
        raise StreamError(f"'{path}' is empty; expected some text")
    return text


def read_image(path: str | Path) -> np.ndarray:
    """Read a PNG or JPEG as uint8 [row, column, 3], as a viewer shows it.

    16 bits a channel are scaled to 8, what is transparent lies over white, the orientation in the EXIF data is applied, of an
    animation the first picture is taken. Colour profiles are ignored.

    Raises
    ------
    StreamError
        When it is missing, damaged, ends early, is of another format or mode, or has too many pixels.
    """
    from PIL import Image

    path = existing(path, "image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                pixels = shown_pixels(image, f"'{path}'")
                if image.format == "PNG":
                    check_png_rows(path)
                return pixels
    except StreamError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise StreamError(f"'{path}' is not a readable PNG or JPEG image: {error}") from None


def pixels_of(image: Any) -> Any:
    """What ``encode_image`` takes, of a path or one of Pillow's images; anything else stays as it is."""
    if isinstance(image, str | Path):
        return read_image(image)
    # a palette or a colour space would get lost in an array; who has one of Pillow's images has imported Pillow
    pillow = sys.modules.get("PIL.Image")
    return shown_pixels(image) if pillow is not None and isinstance(image, pillow.Image) else image


def without_blanks(letters: str) -> str:
    """Letters without spaces, tabs and line ends; whatever else is no letter stays, to be refused."""
    return letters.translate({ord(blank): None for blank in " \t\n"})


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a WAV (or FLAC) file as float32 [sample, channel], with its rate in samples per second.

    Raises
    ------
    StreamError
        When it is missing, damaged, empty, or ends before its header says.
    """
    import soundfile

    path = existing(path, "audio file")
    try:
        _check_wav_length(path)
        with soundfile.SoundFile(path) as file:
            # block by block: what a header claims is never allocated
            blocks = list(file.blocks(_BLOCK, dtype="float32", always_2d=True, fill_value=None))
            rate, n_frame = file.samplerate, file.frames
    except (soundfile.SoundFileError, OSError, ValueError, TypeError, MemoryError) as error:
        raise StreamError(f"'{path}' is not a readable sound file: {error}") from None
    wave = np.concatenate(blocks) if blocks else np.zeros((0, 1), dtype=np.float32)
    if len(wave) < n_frame:
        raise StreamError(f"'{path}' ends early: its header says {n_frame:,} samples, it holds {len(wave):,}")
    if not len(wave):
        raise StreamError(f"'{path}' holds no samples")
    return wave, int(rate)


def _check_wav_length(path: Path) -> None:
    """Refuse a WAV file that is shorter than its data chunk says: the library would read what is there."""
    with path.open("rb") as file:
        head = file.read(12)
        order = {b"RIFF": "little", b"RIFX": "big"}.get(head[:4])
        if order is None or head[8:] != b"WAVE":
            return
        n_byte = os.fstat(file.fileno()).st_size
        size = _data_size(file, "little" if order == "little" else "big")
        left = n_byte - file.tell()
    # a program that wrote into a pipe did not know the size
    if size is not None and size < 2**32 - 2**12 and size > left:
        raise StreamError(f"'{path}' ends early: its header says {size:,} bytes of sound, it holds {left:,}")


def _data_size(file: BinaryIO, order: Literal["little", "big"]) -> int | None:
    """Move to the sound of a WAV file, from its first chunk; return how many bytes it has by its header."""
    while len(chunk := file.read(8)) == 8:
        size = int.from_bytes(chunk[4:], order)
        if chunk[:4] == b"data":
            return size
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def read_fasta(path: str | Path) -> list[tuple[str, str]]:
    """Read a FASTA file of one or more records as (header without ">", letters).

    Raises
    ------
    StreamError
        When it is missing, or is not a FASTA file with letters under every header.
    """
    records: list[tuple[str, list[str]]] = []
    # not splitlines(), which also splits at characters that are no line ends, such as U+2028
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        bare = line.strip(" \t")
        if bare.startswith(">"):
            records.append((bare[1:].strip(" \t"), []))
        elif bare and not bare.startswith(";"):
            if not records:
                raise StreamError(f"'{path}' line {number}: expected a header that starts with '>' before any letters")
            records[-1][1].append(without_blanks(bare))
    if not records:
        raise StreamError(f"'{path}' holds no FASTA record; expected lines that start with '>'")
    for header, parts in records:
        if not parts:
            raise StreamError(f"'{path}': record '{header}' has no letters")
    return [(header, "".join(parts)) for header, parts in records]
