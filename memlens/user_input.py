"""What users hand over as text, JSON and TOML, checked before it is parsed: at once, and in little memory.

Every function raises ValueError; who calls it knows the file, and makes its own typed error of it.
"""

import json
import math
import re
import tomllib
from typing import Any

#: Brackets inside brackets.
DEEPEST = 64
#: Parts of a dotted key of TOML.
MOST_PARTS = 16
#: Characters of a number or a bare word.
LONGEST_WORD = 400
#: Characters of a TOML file.
LONGEST_TOML = 2**18
_JSON_STRINGS = re.compile(r'"(?:\\.|[^"\\])*+"', re.DOTALL)
_TOML_STRINGS = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*+"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)
_LONG_WORD = re.compile(rf"[\w+-]{{{LONGEST_WORD + 1}}}")


def check_unicode(text: str, what: str) -> None:
    """Refuse lone surrogates, which UTF-8 cannot write.

    Parameters
    ----------
    text : str
        Checked.
    what : str
        What it is, for the error.

    Raises
    ------
    ValueError
        With the place of the first one.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X}"
        raise ValueError(
            f"{what} cannot be written as UTF-8: character {error.start} is the lone surrogate {found}; remove it"
        ) from None


def parse_json(text: str) -> Any:
    """Parse JSON of at most 64 levels, without duplicate keys, NaN, or numbers that a float or 64 bits cannot hold.

    Raises
    ------
    ValueError
        With the line where the text is not that; for a duplicate key with the key.
    """
    _check_nesting(_JSON_STRINGS.sub(_blank, text))
    return json.loads(
        text,
        object_pairs_hook=_without_duplicates,
        parse_constant=_no_constant,
        parse_float=_finite,
        parse_int=_small,
    )


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML of at most 64 levels and 256 KiB, without nan, inf, or numbers that a float or 64 bits cannot hold.

    Raises
    ------
    ValueError
        With the line where the text is not that; for a number with its key.
    """
    if len(text) > LONGEST_TOML:
        raise ValueError(f"it has {len(text):,} characters, at most {LONGEST_TOML:,}")
    bare = _TOML_STRINGS.sub(_blank, text)
    _check_nesting(bare)
    for number, line in enumerate(bare.split("\n"), start=1):
        deepest = max(key.count(".") for key in re.split(r"[=,\[\]{}]", line))
        if deepest >= MOST_PARTS:
            raise ValueError(f"line {number}: a key has {deepest + 1:,} parts, at most {MOST_PARTS}")
    values = tomllib.loads(text.replace("\r\n", "\n"))
    _check_numbers(values, "")
    return values


def _blank(found: re.Match[str]) -> str:
    """What stands for a string or a comment: nothing but its line ends, so that lines keep their numbers."""
    return '""' + "\n" * found.group().count("\n")


def _check_nesting(bare: str) -> None:
    """Refuse too many levels and too long numbers, in a text without its strings."""
    depth = 0
    for found in re.finditer(r"[\[\]{}]", bare):
        depth += 1 if found.group() in "[{" else -1
        if depth > DEEPEST:
            raise ValueError(f"line {_line(bare, found.start())}: nested more than {DEEPEST} levels deep; flatten it")
    if found := _LONG_WORD.search(bare):
        raise ValueError(
            f"line {_line(bare, found.start())}: a number or word of more than {LONGEST_WORD} characters; shorten it"
        )


def _line(text: str, start: int) -> int:
    return text.count("\n", 0, start) + 1


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"key '{twice}' stands twice in one object; remove one")
    return values


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number of JSON; give a finite number")


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"the number {word[:40]} is too large for a float; give a smaller one")
    return value


def _small(word: str) -> int:
    value = int(word)
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"the number {word[:40]} has more than 64 bits; give a smaller one")
    return value


def _check_numbers(value: Any, key: str) -> None:
    """Refuse numbers in parsed TOML that a float or 64 bits cannot hold."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_numbers(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _check_numbers(inner, f"{key}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"'{key}' is {value}; give a finite number that a float can hold")
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError(f"'{key}' is a number of more than 64 bits; give a smaller one")
