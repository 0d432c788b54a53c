"""Symbols: words that are one token of the default tokenizer, for tasks that need no prose.

In a stream a symbol stands with a space before it, so that one symbol is one position.
"""

from functools import cache

from memlens.errors import StreamError
from memlens.streams.tokenizer import default_tokenizer

#: How many symbols are noise: no task gives them a meaning.
N_NOISE = 64


@cache
def _all() -> tuple[str, ...]:
    """Lower-case words of at least two letters that are one token with a leading space, ordered by token id."""
    tokenizer = default_tokenizer()
    tokens = [tokenizer.decode([i], skip_special_tokens=False) for i in range(tokenizer.get_vocab_size())]
    words = [token[1:] for token in tokens if token.startswith(" ") and token[1:].isascii()]
    return tuple(word for word in words if len(word) > 1 and word.isalpha() and word.islower())


def symbols(n: int) -> tuple[str, ...]:
    """List the first ``n`` symbols that are not noise.

    Raises
    ------
    StreamError
        When the tokenizer has fewer.
    """
    most = len(_all()) - N_NOISE
    if not 0 <= n <= most:
        raise StreamError(f"{n} symbols asked for; the tokenizer has {most}; ask for fewer")
    return _all()[:n]


def noise_symbols() -> tuple[str, ...]:
    """List the symbols that mean nothing in any task: they lie between those that do."""
    return _all()[-N_NOISE:]
