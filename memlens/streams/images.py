"""The pixels of images as a viewer shows them, of every mode that PNG and JPEG allow."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from memlens.errors import StreamError

#: Larger images are refused before they are decoded.
MOST_PIXELS = 36_000_000
#: Pixels that are converted at a time.
_STRIP = 2**20
_ORIENTATION = 0x0112
#: What the least bit of a grey PNG stands for in 8 bits, by Pillow's name of its layout.
_GREY_STEP = {"1": 255, "L;2": 85, "L;4": 17}

_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


def shown_pixels(image: Any, what: str = "image") -> np.ndarray:
    """The pixels of one of Pillow's images as a viewer shows them.

    Parameters
    ----------
    image : PIL.Image.Image
        Decoded here, if it is not yet.
    what : str
        What it is, for the error.

    Returns
    -------
    uint8 [row, column, 3]
        16 bits a channel are scaled to 8, what is transparent lies over white, the orientation in the EXIF data is applied, of an
        animation the first picture is taken. Colour profiles are ignored.

    Raises
    ------
    StreamError
        When it has too many pixels, or is of a mode that has no one look.
    """
    if image.width * image.height > MOST_PIXELS:
        raise StreamError(f"{what} has {image.width} x {image.height} pixels, at most {MOST_PIXELS:,}; shrink it")
    # how a file packs its pixels, in Pillow's words; an image in memory has no tiles
    tiles = getattr(image, "tile", [])
    layout = tiles[0][3] if tiles else ""
    layout = layout if isinstance(layout, str) else str(layout[0])
    keyed = image.info.get("transparency")
    if "16" in layout and image.mode == "RGB" and keyed is not None:
        raise StreamError(f"{what} has 16 bits a channel and one transparent colour; save it with 8 bits a channel")
    image.load()
    pixels = np.empty((image.height, image.width, 3), dtype=np.uint8)
    n_row = max(1, _STRIP // max(image.width, 1))
    for top in range(0, image.height, n_row):
        bottom = min(top + n_row, image.height)
        pixels[top:bottom] = _strip_pixels(image.crop((0, top, image.width, bottom)), layout, what)
    return _oriented(pixels, image.getexif().get(_ORIENTATION, 1))


def _strip_pixels(strip: Any, layout: str, what: str) -> np.ndarray:
    """Some rows of an image, uint8 [row, column, 3] or [row, column, 1]."""
    from PIL import Image

    keyed = strip.info.get("transparency")
    if strip.mode in ("1", "L", "I;16", "I;16L", "I;16B"):
        values = np.asarray(strip.convert("L") if strip.mode == "1" else strip)
        clear = np.zeros(values.shape, dtype=bool)
        if isinstance(keyed, int):
            clear = values == keyed * _GREY_STEP.get(layout, 1)
        if strip.mode not in ("1", "L"):
            values = (values.astype(np.uint32) * 255 + 32895) >> 16
        return np.where(clear, 255, values).astype(np.uint8)[..., None]
    if strip.mode not in ("LA", "PA", "P", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"):
        raise StreamError(f"{what} has mode {strip.mode}, which has no one look; convert it to RGB or L")
    if strip.mode in ("LA", "PA", "RGBA", "RGBa") or keyed is not None:
        alone = strip.convert("RGBA")
        strip = Image.alpha_composite(Image.new("RGBA", alone.size, "white"), alone)
    return np.asarray(strip.convert("RGB"))


def _oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror an image as EXIF's orientation 1 to 8 says."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    return pixels.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else pixels


def check_png_rows(path: Path) -> None:
    """Raise ValueError when a PNG holds fewer bytes of pixels than its header says: Pillow leaves the rest black."""
    with path.open("rb") as file:
        file.seek(16)
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
        n_bit = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        # Adam7: first column and row of each pass, and the steps between them
        passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
        missing = 0
        for left, top, right, down in passes:
            columns, rows = -(-(width - left) // right), -(-(height - top) // down)
            missing += rows * (1 + -(-columns * n_bit // 8)) if columns > 0 and rows > 0 else 0
        unpack = zlib.decompressobj()
        file.seek(8)
        while len(head := file.read(8)) == 8 and missing > 0 and not unpack.eof:
            size = struct.unpack(">I", head[:4])[0]
            if head[4:] != b"IDAT":
                file.seek(size + 4, os.SEEK_CUR)
                continue
            data = file.read(size)
            while data and missing > 0 and not unpack.eof:
                missing -= len(unpack.decompress(data, _STRIP))
                data = unpack.unconsumed_tail
            file.seek(4, os.SEEK_CUR)
    if missing > 0:
        raise ValueError(f"it ends early: {missing:,} bytes of its pixels are missing")
