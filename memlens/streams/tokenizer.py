"""The tokenizer that ships with memlens: a byte-level BPE of 1,024 tokens that can spell any bytes."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from memlens.dims import BOS, EOS, PAD
from memlens.errors import StreamError

SPECIALS = ("<pad>", "<bos>", "<eos>")
PATH = Path(__file__).parent / "data" / "tokenizer.json"


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a ``tokenizer.json``.

    Raises
    ------
    StreamError
        When the file is missing or is not a tokenizer.
    """
    path = Path(path)
    if not path.is_file():
        raise StreamError(f"no tokenizer at '{path}'; give the path of a tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise StreamError(f"'{path}' is not a tokenizer: {error}") from None
    tokenizer.encode_special_tokens = True  # "<eos>" in a user's text is text, never the end of an answer
    return tokenizer


@cache
def default_tokenizer() -> Tokenizer:
    """Load the tokenizer that ships with memlens (once; every caller gets the same object)."""
    return load_tokenizer(PATH)


def token_bytes(tokenizer: Any) -> np.ndarray:
    """How many bytes each token spells, int64 [vocab]: one per character in byte-level BPE, none for special tokens."""
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    names = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
    return np.array([0 if i in special else len(name) for i, name in enumerate(names)])


def encode_question(tokenizer: Tokenizer, question: str) -> list[int]:
    """Tokenize a question as it would appear in running text: with a leading space.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    question : str

    Returns
    -------
    list of int
    """
    return tokenizer.encode(" " + question.strip(), add_special_tokens=False).ids


def encode_answer(tokenizer: Tokenizer, answer: str) -> list[int]:
    """Tokenize an answer with a leading space, as it appears in the stream, and end it with ``<eos>``.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    answer : str

    Returns
    -------
    list of int
    """
    return [*tokenizer.encode(" " + answer.strip(), add_special_tokens=False).ids, EOS]


def decode_answer(tokenizer: Tokenizer, ids: list[int]) -> str:
    """Turn the ids of an answer into text: up to the first ``<eos>``, without surrounding space.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    ids : list of int

    Returns
    -------
    str
    """
    kept = list(ids)
    if EOS in kept:
        kept = kept[: kept.index(EOS)]
    return tokenizer.decode([i for i in kept if i not in (PAD, BOS)], skip_special_tokens=False).strip()
