"""Reading users' own files: text, images, sound, FASTA. Whatever is wrong with a file becomes a StreamError."""

from pathlib import Path

import numpy as np

from memlens.errors import StreamError

#: Larger images are refused before they are decoded.
MOST_PIXELS = 100_000_000


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
    """Read a PNG or JPEG as uint8 [row, column, 3].

    Raises
    ------
    StreamError
        When it is missing, damaged, of another format, or has more than ``MOST_PIXELS`` pixels.
    """
    import warnings

    from PIL import Image

    path = existing(path, "image")
    try:
        with warnings.catch_warnings(), Image.open(path, formats=("PNG", "JPEG")) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > MOST_PIXELS:
                raise StreamError(
                    f"'{path}' has {image.width} x {image.height} pixels, at most {MOST_PIXELS}; shrink it"
                )
            return np.asarray(image.convert("RGB"))
    except StreamError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise StreamError(f"'{path}' is not a readable PNG or JPEG image: {error}") from None


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a WAV (or FLAC) file as float32 [sample, channel], with its rate in samples per second.

    Raises
    ------
    StreamError
        When it is missing, damaged or empty.
    """
    import soundfile

    path = existing(path, "audio file")
    try:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        raise StreamError(f"'{path}' is not a readable sound file: {error}") from None
    if not len(wave):
        raise StreamError(f"'{path}' holds no samples")
    return wave, int(rate)


def read_fasta(path: str | Path) -> list[tuple[str, str]]:
    """Read a FASTA file of one or more records as (header without ">", letters).

    Raises
    ------
    StreamError
        When it is missing, or is not a FASTA file with letters under every header.
    """
    records: list[tuple[str, list[str]]] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        bare = line.strip()
        if bare.startswith(">"):
            records.append((bare[1:].strip(), []))
        elif bare and not bare.startswith(";"):
            if not records:
                raise StreamError(f"'{path}' line {number}: expected a header that starts with '>' before any letters")
            records[-1][1].append("".join(bare.split()))
    if not records:
        raise StreamError(f"'{path}' holds no FASTA record; expected lines that start with '>'")
    for header, parts in records:
        if not parts:
            raise StreamError(f"'{path}': record '{header}' has no letters")
    return [(header, "".join(parts)) for header, parts in records]
