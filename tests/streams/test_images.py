"""Images arrive as a viewer shows them, or are refused; nothing changes on the way in without a word."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from memlens.errors import StreamError
from memlens.streams import Stream
from memlens.streams.codecs import encode_image
from memlens.streams.files import read_image
from memlens.streams.images import shown_pixels


@pytest.fixture
def read(tmp_path):
    """Save one of Pillow's images and read it."""

    def read(image, name="x.png", **options):
        image.save(tmp_path / name, **options)
        return read_image(tmp_path / name)

    return read


def png(width, height, depth, colour, rows, chunks=(), interlaced=0):
    """Write a PNG by hand: layouts that Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*one) for one in chunks) + body + chunk(b"IEND", b"")


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_sixteen_bits_are_scaled_to_eight(read):
    wide = np.linspace(0, 65535, 64 * 64).round().astype(np.uint16).reshape(64, 64)
    got = read(Image.fromarray(wide))
    np.testing.assert_array_equal(got[..., 0], np.round(wide / 257).astype(np.uint8))
    assert (got[..., 0] == got[..., 2]).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes_without_transparency_keep_their_colours(read, mode):
    image = Image.fromarray(np.stack([GREY, GREY.T, GREY], -1)).convert(mode)
    np.testing.assert_array_equal(read(image), np.asarray(image.convert("RGB")))


def test_what_is_transparent_lies_over_white(read):
    colours = np.zeros((8, 8, 4), np.uint8)
    colours[:, 4:, 3] = 255
    white_and_black = np.where(colours[..., 3:] == 255, 0, 255).repeat(3, -1)
    image = Image.fromarray(colours)
    np.testing.assert_array_equal(read(image), white_and_black)
    np.testing.assert_array_equal(read(image.convert("LA")), white_and_black)
    keyed = Image.fromarray(colours[..., 3])
    np.testing.assert_array_equal(read(keyed, transparency=0), 255 * np.ones((8, 8, 3)))
    coloured = Image.fromarray(colours[..., [3, 3, 3]])
    np.testing.assert_array_equal(read(coloured, transparency=(0, 0, 0)), 255 * np.ones((8, 8, 3)))
    np.testing.assert_array_equal(read(coloured.convert("P", palette=Image.Palette.ADAPTIVE)), colours[..., [3, 3, 3]])
    palette = keyed.convert("P")
    assert (read(palette, transparency=int(np.asarray(palette)[0, 0])) == 255).all()
    half = np.full((8, 8, 4), (0, 0, 0, 128), np.uint8)
    assert set(read(Image.fromarray(half)).ravel()) == {127}


@pytest.mark.parametrize(("depth", "key"), [(1, 1), (2, 2), (4, 3), (8, 3), (16, 300)])
def test_the_transparent_grey_of_every_depth(tmp_path, depth, key):
    values = [0, key]  # black, and what is transparent
    packed = int("".join(f"{value:0{depth}b}" for value in values).ljust(-(-2 * depth // 8) * 8, "0"), 2)
    row = packed.to_bytes(-(-2 * depth // 8), "big")
    (tmp_path / "x.png").write_bytes(png(2, 1, depth, 0, [row], [(b"tRNS", struct.pack(">H", key))]))
    assert read_image(tmp_path / "x.png").tolist() == [[[0] * 3, [255] * 3]]


def test_sixteen_bit_colours(tmp_path):
    row = struct.pack(">6H", 0, 0x80FF, 0xFFFF, 0x1234, 0, 0)
    (tmp_path / "x.png").write_bytes(png(2, 1, 16, 2, [row]))
    assert read_image(tmp_path / "x.png").tolist() == [[[0, 0x80, 255], [0x12, 0, 0]]]
    (tmp_path / "y.png").write_bytes(png(2, 1, 16, 2, [row], [(b"tRNS", struct.pack(">3H", 0, 0, 0))]))
    with pytest.raises(StreamError, match="16 bits a channel and one transparent colour"):
        read_image(tmp_path / "y.png")


def test_cmyk_is_not_a_negative(read):
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    got = read(red, "x.jpg", quality=95)
    assert got[8, 8, 0] > 245 and got[8, 8, 1:].max() < 10


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_the_orientation_of_a_photograph(read, orientation, name):
    corner = np.zeros((16, 32, 3), np.uint8)
    corner[:8, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = read(Image.fromarray(corner), name, exif=exif) > 127
    assert got.shape[:2] == ((16, 32) if orientation < 5 else (32, 16))
    lit = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    rows, columns = (side // 2 for side in got.shape[:2])
    assert got[lit[0] * rows : (lit[0] + 1) * rows, lit[1] * columns : (lit[1] + 1) * columns].mean() > 0.95
    assert got.mean() < 0.3


def test_an_animation_shows_its_first_picture(tmp_path):
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    first.save(tmp_path / "x.png", save_all=True, append_images=[second])
    assert (read_image(tmp_path / "x.png") == 10).all()


def test_files_that_end_early_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("x.png", "x.jpg"):
        image = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(image, "PNG" if "png" in name else "JPEG")
        for share in (0.1, 0.5, 0.9):
            (tmp_path / name).write_bytes(image.getvalue()[: int(len(image.getvalue()) * share)])
            with pytest.raises(StreamError, match="not a readable PNG or JPEG"):
                read_image(tmp_path / name)
    (tmp_path / "y.png").write_bytes(png(8, 8, 8, 0, [b"\x80" * 8] * 4))  # whole chunks, half of the rows
    with pytest.raises(StreamError, match="ends early: 36 bytes of its pixels are missing"):
        read_image(tmp_path / "y.png")
    # Adam7: passes of 1, 1, 1, 2, 2, 4 and 4 rows of 1, 1, 2, 2, 4, 4 and 8 pixels
    passes = [b"\x80" * n for rows, n in ((1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8)) for _ in range(rows)]
    (tmp_path / "z.png").write_bytes(png(8, 8, 8, 0, passes, interlaced=1))
    assert (read_image(tmp_path / "z.png") == 128).all()
    (tmp_path / "z.png").write_bytes(png(8, 8, 8, 0, passes[:-1], interlaced=1))
    with pytest.raises(StreamError, match="9 bytes of its pixels are missing"):
        read_image(tmp_path / "z.png")


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    (tmp_path / "x.png").write_bytes(png(10_000, 10_000, 8, 2, []))
    with pytest.raises(StreamError, match=r"10000 x 10000 pixels, at most 36,000,000"):
        read_image(tmp_path / "x.png")


@pytest.mark.slow
def test_the_largest_image_takes_little_memory(tmp_path):
    Image.new("RGBA", (6000, 6000), (10, 20, 30, 128)).save(tmp_path / "x.png", compress_level=1)
    code = (
        "import resource, sys, memlens; memlens.Stream().image(sys.argv[1]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.png"], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 700_000  # KiB, of which the imports take 220,000


def test_pillows_images_are_taken_as_they_look():
    colours = Image.fromarray(np.stack([GREY, GREY.T, GREY[::-1]], -1))
    for mode in ("P", "YCbCr", "CMYK", "RGBA", "L"):
        image = colours.convert(mode)
        assert (Stream().image(image).parts[0].payload == encode_image(image.convert("RGB")).payload).all()
    with pytest.raises(StreamError, match="mode F, which has no one look"):
        shown_pixels(Image.new("F", (8, 8)))


def test_rounding_errors_are_cut_off_and_no_more():
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    for dtype in (np.float16, np.float32, np.float64):
        over = ramp.astype(dtype)
        over[0, 0], over[-1, -1] = -np.finfo(dtype).eps, np.nextafter(dtype(1), dtype(2))
        np.testing.assert_array_equal(encode_image(over).payload, encode_image(over.clip(0, 1)).payload)
    with pytest.raises(StreamError, match=r"spans 0 to 1\.00001, expected 0 to 1"):
        encode_image(np.array([[0.0, 1.00001]]))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 8, 8)), "channels stand first: move them to the end"),
        (np.zeros((1, 8, 8), np.uint8), "channels stand first"),
        (np.zeros((2, 8, 8, 3)), "one by one"),
        (np.full((8, 8), 300, np.int64), "dtype int64, expected uint8"),
        (np.full((8, 8), 300, np.uint16), "dtype uint16, expected uint8"),
        (np.full((8, 8), -0.5), "spans -0.5 to -0.5"),
        (np.full((8, 8), np.nan), "NaN"),
        (np.ma.masked_greater(np.ones((8, 8)), 0.5), "masked values; fill them"),
    ],
)
def test_arrays_of_another_layout_are_refused(image, said):
    with pytest.raises(StreamError, match=said):
        Stream().image(image)


def test_strips_give_what_the_whole_gives(monkeypatch):
    import memlens.streams.codecs as codecs
    import memlens.streams.images as images

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (90, 70, 4), dtype=np.uint8)
    whole = encode_image(shown_pixels(Image.fromarray(pixels))).payload
    monkeypatch.setattr(codecs, "_STRIP", 100)
    monkeypatch.setattr(images, "_STRIP", 100)
    np.testing.assert_array_equal(encode_image(shown_pixels(Image.fromarray(pixels))).payload, whole)
