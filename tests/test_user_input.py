"""Users' JSON, TOML and text: what no file of memlens needs is refused at once, in little memory, with its line."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from memlens.config import ModelConfig
from memlens.errors import ConfigError, InterventionError, ModelError
from memlens.interventions.registry import read_json_list
from memlens.model.checkpoint import load_config
from memlens.user_input import check_unicode, parse_json, parse_toml

DEEP = 100_000
WRONG_JSON = {
    "deep": ("[" * DEEP + "]" * DEEP, "nested more than 64 levels"),
    "deep objects": ('{"a":' * DEEP + "1" + "}" * DEEP, "nested more than 64 levels"),
    "long int": ("9" * 5_000, "more than 400 characters"),
    "long float": ("0." + "1" * 5_000, "more than 400 characters"),
    "large int": ("9" * 30, "more than 64 bits"),
    "large float": ("1e999", "too large for a float"),
    "NaN": ("NaN", "NaN is not a number of JSON"),
    "Infinity": ("-Infinity", "-Infinity is not a number of JSON"),
    "twice": ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice in one object"),
    "cut": ('{"a": "', "Unterminated string"),
}
WRONG_TOML = {
    "deep": ("a = " + "[" * DEEP + "]" * DEEP, "line 1: nested more than 64"),
    "deep tables": ("\n\na = " + "{a = " * (DEEP // 5), "line 3: nested more than 64"),
    "dotted": ("\n" + ".".join("a" * 20_000) + " = 1", "line 2: a key has 20,000 parts, at most 16"),
    "spaced": (' . "b". '.join("a" * 10_000) + " = 1", "line 1: a key has 19,999 parts"),
    "dotted table": ("[" + ".".join("a" * 20_000) + "]", "line 1: a key has 20,000 parts"),
    "long int": ("\na = " + "9" * 5_000, "line 2: a number or word of more than 400"),
    "long float": ("a = 1." + "9" * 5_000, "line 1: a number or word of more than 400"),
    "large int": ("[t]\na = 0x" + "f" * 40, "'t.a' is a number of more than 64 bits"),
    "large float": ("a = [1.0, 1e999]", r"'a\[1\]' is inf"),
    "nan": ("a = nan", "'a' is nan; give a finite number"),
    "twice": ("a = 1\na = 2\n", "line 2"),
    "long": ("#" * 2**19, "524,288 characters, at most 262,144"),
    "quotes": ('a = "' + "\\" * 2**17, "."),
    "three quotes": ('"""' * 2**16, "."),
}


def quick(parse: Any, text: str, said: str, most: int = 2**25) -> None:
    """Refused in less than 2 seconds and 32 MiB."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(ValueError, match=said):
            parse(text)
        assert time.perf_counter() - start < 2
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", WRONG_JSON)
def test_wrong_json(case: str) -> None:
    quick(parse_json, *WRONG_JSON[case])


@pytest.mark.parametrize("case", WRONG_TOML)
def test_wrong_toml(case: str) -> None:
    quick(parse_toml, *WRONG_TOML[case])


def test_brackets_dots_and_digits_in_strings_and_comments_are_no_matter() -> None:
    value = {"a": "[" * 100 + "." * 100 + "9" * 500 + '\\"', "b": [1, 2.5, -3e4, None, True, {"c": {}}]}
    assert parse_json(json.dumps(value, indent=1)) == value
    text = f'# {"[" * 100}\na = \'{"[" * 100}\'\nb = """\n{"{" * 100}\n"""\nc.d.e = [0.5, 1.5]\n[f.g]\nh = 1e-3\n'
    assert parse_toml(text.replace("\n", "\r\n")) == {
        "a": "[" * 100, "b": "{" * 100 + "\n", "c": {"d": {"e": [0.5, 1.5]}}, "f": {"g": {"h": 1e-3}},
    }  # fmt: skip
    assert parse_json("18446744073709551615") == 2**64 - 1


def test_lone_surrogates_are_named_with_their_place() -> None:
    check_unicode("🦉\u2028", "text")
    with pytest.raises(ValueError, match=r"text cannot be .* character 2 is the lone surrogate U\+D83D; remove it"):
        check_unicode("ab\ud83d", "text")


@pytest.mark.parametrize("case", WRONG_JSON)
def test_every_json_file_of_a_user_is_read_so(case: str, tmp_path: Path) -> None:
    text, said = WRONG_JSON[case]
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InterventionError, match="is not JSON") as caught:
        read_json_list(tmp_path / "config.json", dict)
    assert str(tmp_path / "config.json") in str(caught.value) and said in str(caught.value)
    with pytest.raises(ModelError, match="is not a memlens model config"):
        load_config(tmp_path)


@pytest.mark.parametrize("case", WRONG_TOML)
def test_every_toml_file_of_a_user_is_read_so(case: str, tmp_path: Path) -> None:
    text, said = WRONG_TOML[case]
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        ModelConfig.load(tmp_path / "x.toml")
    assert str(tmp_path / "x.toml") in str(caught.value)
