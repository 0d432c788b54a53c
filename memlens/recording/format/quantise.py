"""Floats as eight-bit codes: one scale a vector, along the last axis.

A code of -126 to 126 times the scale is the value; 127 and -127 are infinite, -128 is NaN.
"""

import numpy as np

LARGEST, INFINITE, NAN = 126, 127, -128
#: Name of the variable that holds the scales of another.
SCALE = ".scale"


def quantise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes int8 [..., feature] of floats, and scales float32 [...]."""
    values = np.asarray(values, np.float32)
    finite = np.isfinite(values)
    scale = np.abs(np.where(finite, values, 0)).max(-1, initial=0) / np.float32(LARGEST)
    unit = np.where(scale > 0, scale, 1)[..., None]
    codes = np.rint(np.where(finite, values, 0) / unit).clip(-LARGEST, LARGEST).astype(np.int8)
    if not finite.all():
        codes[np.isnan(values)] = NAN
        codes[np.isposinf(values)] = INFINITE
        codes[np.isneginf(values)] = -INFINITE
    return codes, scale


def dequantise(codes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Floats of codes.

    Parameters
    ----------
    codes : int8 [..., feature]
    scale : float32
        It is broadcast against the codes.

    Returns
    -------
    float32 [..., feature]
    """
    values = codes.astype(np.float32) * scale
    values[codes == NAN] = np.nan
    values[codes == INFINITE] = np.inf
    values[codes == -INFINITE] = -np.inf
    return values
