"""Users' own data as streams: a file by its suffix, a ``.jsonl`` stream file, or a folder of files in sorted order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from memlens.calls import checked
from memlens.errors import StreamError, closest
from memlens.streams.files import existing, read_fasta, read_text, without_blanks
from memlens.streams.stream import Stream
from memlens.user_input import parse_json


def _text(stream: Stream, path: Path) -> None:
    stream.text(read_text(path))


def _image(stream: Stream, path: Path) -> None:
    stream.image(path)


def _audio(stream: Stream, path: Path) -> None:
    stream.audio(path)


def _fasta(stream: Stream, path: Path) -> None:
    for header, letters in read_fasta(path):
        if header:
            stream.text(f" {header}: ")
        try:
            stream.dna(letters)
        except StreamError as error:
            raise StreamError(f"'{path}', record '{header}': {error}") from None


def _saved(stream: Stream, path: Path) -> None:
    stream.extend(Stream.load(path))


#: Which keys a line of a stream file may have: what it adds, and which keys may go with it.
LINES: dict[str, tuple[str, ...]] = {
    "text": (),
    "text_file": (),
    "image": (),
    "audio": (),
    "dna": (),
    "dna_file": (),
    "question": ("answer",),
}
_NAME_FILES = ("text_file", "image", "audio", "dna_file")


def _named_file(folder: Path, name: str, allow_outside: bool) -> Path:
    """The file that a stream file names; refused before it is looked for when it lies outside ``folder``."""
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise StreamError(f"'{name}' cannot be opened: {error}") from None
    if not inside and not allow_outside:
        raise StreamError(
            f"'{name}' leads outside the folder of the stream file; move the file below that folder, or allow it: "
            "load_stream(path, allow_outside=True), memlens record --allow-outside"
        )
    return path


def _line(stream: Stream, value: Any, folder: Path, allow_outside: bool) -> None:
    """Add what one object of a stream file describes."""
    if not isinstance(value, dict):
        raise StreamError(f'expected an object such as {{"text": "..."}}, got {type(value).__name__}')
    kinds = [key for key in value if key in LINES]
    if len(kinds) != 1:
        raise StreamError(f"expected exactly one of {', '.join(LINES)}; got {', '.join(map(str, value)) or 'no key'}")
    kind = kinds[0]
    allowed = {kind, "fact", *LINES[kind]}
    for key in value:
        if key not in allowed:
            raise StreamError(f"unknown key '{key}' beside '{kind}'; {closest(key, allowed)}")
    content, fact = value[kind], value.get("fact")
    if not isinstance(content, str) or not content:
        raise StreamError(f"'{kind}' is {content!r}, expected a text that is not empty")
    if kind in _NAME_FILES:
        _add_file(stream, kind, _named_file(folder, content, allow_outside), fact)
    elif kind == "question":
        stream.question(content, value.get("answer", ""), fact=fact)
    elif kind == "text":
        stream.text(content, fact=fact)
    else:
        stream.dna(content, fact=fact)


def _add_file(stream: Stream, kind: str, path: Path, fact: int | None) -> None:
    """Add what a file that a stream file names holds."""
    if kind == "text_file":
        stream.text(read_text(path), fact=fact)
    elif kind == "image":
        stream.image(path, fact=fact)
    elif kind == "audio":
        stream.audio(path, fact=fact)
    elif path.name.lower().endswith((".fasta", ".fa")):
        for _, letters in read_fasta(path):
            stream.dna(letters, fact=fact)
    else:
        stream.dna(without_blanks(read_text(path)), fact=fact)


def _object(line: str) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        raise StreamError(f"not valid JSON: {str(error).removeprefix('line 1: ')}") from None


def _jsonl(stream: Stream, path: Path, allow_outside: bool = False) -> None:
    inner = Stream()
    # not splitlines(): JSON text may hold U+2028 and its like inside a line
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            _line(inner, _object(line), path.parent, allow_outside)
        except StreamError as error:
            raise StreamError(f"'{path}' line {number}: {error}") from None
    stream.extend(inner)


READERS: dict[str, Callable[[Stream, Path], None]] = {
    ".txt": _text,
    ".md": _text,
    ".png": _image,
    ".jpg": _image,
    ".jpeg": _image,
    ".wav": _audio,
    ".fasta": _fasta,
    ".fa": _fasta,
    ".jsonl": _jsonl,
    ".npz": _saved,
}


def _folder(stream: Stream, folder: Path, allow_outside: bool) -> None:
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix.lower() in READERS]
    if not found:
        raise StreamError(f"folder '{folder}' holds no file that can be read; allowed: {', '.join(READERS)}")
    for path in found:
        _file(stream, path, allow_outside)


def _file(stream: Stream, path: Path, allow_outside: bool) -> None:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise StreamError(f"'{path}' has suffix '{path.suffix}'; allowed: {', '.join(READERS)}, or a folder of them")
    if reader is _jsonl:
        _jsonl(stream, path, allow_outside)
    else:
        reader(stream, path)


@checked()
def load_stream(path: str | Path, allow_outside: bool = False) -> Stream:
    """Read a file, or a folder of files, as a stream.

    Parameters
    ----------
    path : str or Path
        ``.txt`` and ``.md`` (UTF-8), ``.png``, ``.jpg`` and ``.jpeg``, ``.wav``, ``.fasta`` and ``.fa`` (each header as text, then its
        strand), ``.npz`` (what ``Stream.save`` wrote), or ``.jsonl``: one object per line, with one of ``{"text": ..}``,
        ``{"text_file": path}``, ``{"image": path}``, ``{"audio": path}``, ``{"dna": ..}``, ``{"dna_file": path}``,
        ``{"question": .., "answer": ..}``, each with an optional ``"fact": id``; paths are relative to that file. Of a folder, the
        files with these suffixes are read in sorted order.
    allow_outside : bool
        Whether a ``.jsonl`` may name files outside its own folder, by ``..``, from the root or through links.

    Returns
    -------
    Stream

    Raises
    ------
    StreamError
        When something is missing, of the wrong kind or damaged; for a ``.jsonl`` with the number of the line.
    """
    path = Path(path)
    stream = Stream(path.stem or "stream", config={"loaded_from": path.name})
    try:
        if path.is_dir():
            _folder(stream, path, allow_outside)
        else:
            _file(stream, existing(path, "stream"), allow_outside)
    except OSError as error:
        raise StreamError(f"'{path}' cannot be read: {error.strerror or error}") from None
    if not stream.parts:
        raise StreamError(f"'{path}' holds nothing; expected at least one piece of a stream")
    return stream
