"""From things to positions: each codec turns text, an image, a sound or a strand into columns of equal length.

Axes: position (one place in the stream), payload (``PAYLOAD_WIDTH`` numbers, padded with zeros).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import gcd

import numpy as np
from tokenizers import Tokenizer

from memlens.dims import PAYLOAD, PAYLOAD_WIDTH, Modality
from memlens.errors import StreamError
from memlens.streams.parts import refuse_surrogates

PATCH = 8
LARGEST_IMAGE = 64
AUDIO_RATE, WINDOW, HOP, N_FFT, N_MEL, STACK = 8000, 200, 80, 256, 16, 8
#: Mean and spread of log-mel energies over the shipped training voices (measured once, then fixed).
MEL_MEAN, MEL_STD, MEL_FLOOR = -1.1, 3.9, 1e-5
BASES, BASE_WINDOW = "ACGTN", 8
#: How much red, green and blue add to grey (ITU-R BT.601).
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
#: Pixels that are turned grey at a time.
_STRIP = 2**20
#: Characters of a text that is encoded once only.
SHORT_TEXT = 32


@dataclass(frozen=True, eq=False)
class Encoding:
    """What ``n`` consecutive positions carry.

    Attributes
    ----------
    modality : int8 [position]
    token : int32 [position]
        Token id for text, base code (A 0, C 1, G 2, T 3, N 4) for DNA, else 0.
    payload : float32 [position, payload]
        Zeros for text.
    """

    modality: np.ndarray
    token: np.ndarray
    payload: np.ndarray

    def __len__(self) -> int:
        return len(self.token)

    def __repr__(self) -> str:
        kinds = ", ".join(Modality(int(m)).name.lower() for m in np.unique(self.modality))
        return f"<Encoding: {len(self):,} positions ({kinds or 'nothing'})>"


def _encoding(modality: Modality, token: np.ndarray | None, payload: np.ndarray | None, n: int) -> Encoding:
    padded = np.zeros((n, PAYLOAD_WIDTH), dtype=np.float32)
    if payload is not None:
        padded[:, : PAYLOAD[modality]] = payload
    tokens = np.zeros(n, dtype=np.int32) if token is None else token
    return Encoding(np.full(n, int(modality), dtype=np.int8), tokens, padded)


def concatenate(parts: Sequence[Encoding]) -> Encoding:
    """Join encodings in order."""
    return Encoding(
        np.concatenate([part.modality for part in parts]),
        np.concatenate([part.token for part in parts]),
        np.concatenate([part.payload for part in parts]),
    )


def text_ids(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """Tokenize ``text``.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    text : str

    Returns
    -------
    int32 [position]
        Token ids, without special tokens.

    Raises
    ------
    StreamError
        When ``text`` is not a string, or cannot be written as UTF-8 (it holds lone surrogates).
    """
    if not isinstance(text, str):
        raise StreamError(f"text is a {type(text).__name__}, expected a str")
    refuse_surrogates(text, "text")
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int32)


def encode_text(tokenizer: Tokenizer, text: str) -> Encoding:
    """Encode ``text`` with a byte-level tokenizer; one token is one position.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    text : str

    Returns
    -------
    Encoding
        Its arrays may be shared between calls: those of a short text cannot be written to.

    Raises
    ------
    StreamError
        As ``text_ids``.
    """
    if isinstance(text, str) and len(text) <= SHORT_TEXT:
        return _short_text(tokenizer, text)
    ids = text_ids(tokenizer, text)
    return _encoding(Modality.TEXT, ids, None, len(ids))


@lru_cache(maxsize=2**14)
def _short_text(tokenizer: Tokenizer, text: str) -> Encoding:
    """Encode a short text once: streams of symbols repeat the same few words. Shared arrays cannot be written to."""
    ids = text_ids(tokenizer, text)
    columns = _encoding(Modality.TEXT, ids, None, len(ids))
    for array in (columns.modality, columns.token, columns.payload):
        array.flags.writeable = False
    return columns


def _array(values: object, what: str) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise StreamError(f"{what} has masked values; fill them first")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise StreamError(f"{what} is no array: {error}; give rows of equal length") from None
    except (TypeError, RuntimeError) as error:  # tensors that need gradients, or lie on another device
        raise StreamError(f"{what} is no array: {error}") from None


def _checked_image(image: object) -> np.ndarray:
    """Check an image; uint8, or float in [0, 1]; [row, column] or [row, column, 3]."""
    array = _array(image, "image")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or 0 in array.shape:
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3):
            hint = "; its channels stand first: move them to the end"
        elif array.ndim == 4:
            hint = "; add the images of a batch one by one"
        raise StreamError(
            f"image has shape {array.shape}, expected (height, width) or (height, width, 3), none of them 0{hint}"
        )
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise StreamError(f"image has dtype {array.dtype}, expected uint8 (0 to 255) or float (0 to 1)")
    least, most = array.min(), array.max()
    if not (np.isfinite(least) and np.isfinite(most)):
        raise StreamError("image holds NaN or infinite values; replace them")
    # what arithmetic in this dtype leaves of 0 and 1
    rounding = max(1e-6, 4 * float(np.finfo(array.dtype).eps))
    if least < -rounding or most > 1 + rounding:
        span = " to ".join(str(value).removesuffix(".0") for value in (least, most))
        raise StreamError(f"float image spans {span}, expected 0 to 1; scale it")
    return np.clip(array, 0, 1) if least < 0 or most > 1 else array


def _grey(image: object) -> np.ndarray:
    """Check an image and return its grey values in [0, 1], float32 [row, column]."""
    array = _checked_image(image)
    grey = np.empty(array.shape[:2], dtype=np.float32)
    n_row = max(1, _STRIP // array.shape[1])
    # some rows at a time, so that a large photograph takes little memory
    for top in range(0, len(array), n_row):
        strip = array[top : top + n_row].astype(np.float32)
        if array.dtype == np.uint8:
            strip /= 255.0
        grey[top : top + n_row] = strip @ _GREY_WEIGHTS if array.ndim == 3 else strip
    return grey


def _shrink(grey: np.ndarray) -> np.ndarray:
    height, width = grey.shape
    if max(height, width) <= LARGEST_IMAGE:
        return grey
    from PIL import Image

    scale = LARGEST_IMAGE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))


def encode_image(image: np.ndarray) -> Encoding:
    """Encode an image as grey 8 x 8 patches, row by row; one patch is one position.

    An image larger than 64 x 64 is shrunk, its aspect kept; its sides are padded with black to a multiple of 8.

    Parameters
    ----------
    image : uint8 (0 to 255) or float (0 to 1), [row, column] or [row, column, 3]
        A rounding error below 0 or above 1 is cut off.

    Returns
    -------
    Encoding
        Payload: 64 numbers in [-1, 1], -1 is black.

    Raises
    ------
    StreamError
        For another shape, dtype or range, or values that are not finite.
    """
    grey = _shrink(_grey(image))
    rows, columns = (-(-side // PATCH) for side in grey.shape)
    canvas = np.zeros((rows * PATCH, columns * PATCH), dtype=np.float32)
    canvas[: grey.shape[0], : grey.shape[1]] = grey
    patches = canvas.reshape(rows, PATCH, columns, PATCH).swapaxes(1, 2).reshape(-1, PATCH * PATCH)
    return _encoding(Modality.IMAGE, None, np.clip(patches * 2 - 1, -1, 1), rows * columns)


@cache
def _mel_bank() -> np.ndarray:
    """Triangular mel filters (Stevens, Volkmann and Newman's scale as in HTK), [frequency, mel]."""
    frequencies = np.linspace(0, AUDIO_RATE / 2, N_FFT // 2 + 1)
    top = 2595 * np.log10(1 + AUDIO_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, N_MEL + 2) / 2595) - 1)
    up = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(up, down))


def _wave(wave: np.ndarray, rate: int) -> np.ndarray:
    """Check a wave and return it as mono at 8 kHz, float64 [sample]."""
    array = _array(wave, "audio")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise StreamError(
            f"audio has shape {array.shape}, expected (sample,) or (sample, channel) with at least 1 sample"
        )
    if array.ndim == 2 and array.shape[1] > array.shape[0]:
        raise StreamError(
            f"audio has shape {array.shape}, expected (sample, channel); its channels stand first: give its transpose"
        )
    if not isinstance(rate, int | np.integer) or not 100 <= rate <= 1_000_000:
        raise StreamError(f"audio rate is {rate!r}, expected samples a second as a whole number from 100 to 1000000")
    if array.dtype == np.int16:
        array = array / 32768.0
    elif not np.issubdtype(array.dtype, np.floating):
        raise StreamError(f"audio has dtype {array.dtype}, expected int16 or float (-1 to 1)")
    elif not np.isfinite(array).all():
        raise StreamError("audio holds NaN or infinite values; replace them")
    elif np.abs(array).max() > 8:
        raise StreamError(f"float audio peaks at {np.abs(array).max():g}, expected -1 to 1; scale it")
    mono = array.astype(np.float64) if array.ndim == 1 else array.mean(axis=1, dtype=np.float64)
    if rate == AUDIO_RATE:
        return mono
    from scipy.signal import resample_poly

    common = gcd(AUDIO_RATE, int(rate))
    return resample_poly(mono, AUDIO_RATE // common, int(rate) // common)


def log_mel(wave: np.ndarray) -> np.ndarray:
    """Log-mel energies of an 8 kHz wave [sample], normalised, float64 [frame, mel].

    16 mel bins, a Hann window of 25 ms, a hop of 10 ms.
    """
    n_frame = max(1, -(-(len(wave) - WINDOW) // HOP) + 1)
    padded = np.zeros((n_frame - 1) * HOP + WINDOW)
    padded[: min(len(wave), len(padded))] = wave[: len(padded)]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window = np.hanning(WINDOW)
    energies = [
        np.abs(np.fft.rfft(frames[i : i + 4096] * window, N_FFT)) ** 2 @ _mel_bank() for i in range(0, n_frame, 4096)
    ]
    return (np.log(np.concatenate(energies) + MEL_FLOOR) - MEL_MEAN) / MEL_STD


def encode_audio(wave: np.ndarray, rate: int) -> Encoding:
    """Encode a sound as stacks of 8 log-mel frames; one position is 80 ms.

    Parameters
    ----------
    wave : int16 or float (-1 to 1), [sample] or [sample, channel]
        Channels are averaged.
    rate : int
        Samples per second; anything but 8,000 is resampled.

    Returns
    -------
    Encoding
        Payload: 128 numbers, frame by frame (8 frames of 16 mel bins); the last position is padded with silence.

    Raises
    ------
    StreamError
        For another shape, dtype or rate, or values that are not finite.
    """
    mel = log_mel(_wave(wave, rate))
    n = -(-len(mel) // STACK)
    stacked = np.full((n * STACK, N_MEL), (np.log(MEL_FLOOR) - MEL_MEAN) / MEL_STD, dtype=np.float32)
    stacked[: len(mel)] = mel
    return _encoding(Modality.AUDIO, None, stacked.reshape(n, STACK * N_MEL), n)


def check_dna(letters: str) -> str:
    """Return the letters in upper case; raise StreamError at the first that is not A, C, G, T or N."""
    if not isinstance(letters, str) or not letters:
        raise StreamError(f"DNA is {letters!r}, expected a text of the letters {', '.join(BASES)}")
    upper = letters.upper()
    if upper.strip(BASES):
        index = next(i for i, letter in enumerate(letters) if letter.upper() not in BASES)
        raise StreamError(f"DNA letter {letters[index]!r} at index {index} is not allowed; allowed: {', '.join(BASES)}")
    return upper


_CODE = np.full(128, len(BASES) - 1, dtype=np.int32)
_CODE[[ord(base) for base in BASES]] = range(len(BASES))
_ONE_HOT = np.eye(len(BASES), len(BASES) - 1, dtype=np.float32)


def encode_dna(letters: str) -> Encoding:
    """Encode a strand; one base is one position.

    Returns
    -------
    Encoding
        Token: A 0, C 1, G 2, T 3, N 4. Payload: one-hot of the last 8 bases of this strand, oldest first (8 x 4 numbers); zeros before
        its start and for N.

    Raises
    ------
    StreamError
        For the first letter that is not A, C, G, T or N, with its index.
    """
    codes = _CODE[np.frombuffer(check_dna(letters).encode("ascii"), dtype=np.uint8)]
    hot = np.zeros((len(codes) + BASE_WINDOW - 1, 4), dtype=np.float32)
    hot[BASE_WINDOW - 1 :] = _ONE_HOT[codes]
    windows = np.lib.stride_tricks.sliding_window_view(hot, BASE_WINDOW, axis=0)  # position, base, place
    return _encoding(Modality.DNA, codes, windows.swapaxes(1, 2).reshape(len(codes), -1), len(codes))
