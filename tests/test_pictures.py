from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from plainscan.ct.window import Window
from plainscan.errors import PictureError
from plainscan.pictures import list_pictures, natural_key, read_grey, read_picture

WINDOW = Window(40, 120)


def ramp(size: int = 64) -> np.ndarray:
    return np.tile(np.linspace(0, 255, size).round().astype(np.uint8), (size, 1))


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def stored_mode(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


def refused(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(path, WINDOW)
    assert str(path) in str(caught.value)
    return caught.value.code


def test_grey_png_gives_exact_hu(tmp_path: Path) -> None:
    hu = read_picture(saved(Image.fromarray(ramp()), tmp_path / "a.png"), WINDOW)
    assert hu.dtype == np.float32
    assert (hu[0, 0], hu[0, -1]) == (-20.0, 100.0)
    np.testing.assert_allclose(hu, -20 + ramp().astype(float) * 120 / 255, atol=1e-4)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_any_8_bit_mode_is_the_same_grey(tmp_path: Path, mode: str) -> None:
    path = saved(Image.fromarray(ramp()).convert(mode), tmp_path / "a.png")
    assert stored_mode(path) == mode
    np.testing.assert_array_equal(read_grey(path), ramp())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_close_to_the_grey_it_was_made_from(tmp_path: Path, mode: str) -> None:
    path = saved(Image.fromarray(ramp()).convert(mode), tmp_path / "a.jpg", quality=90)
    assert np.abs(read_grey(path).astype(int) - ramp()).max() <= 6


def test_color_photograph_is_refused_as_png_and_jpeg(tmp_path: Path) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    assert refused(saved(photo, tmp_path / "a.png")) == "color_picture"
    assert refused(saved(photo, tmp_path / "a.jpg")) == "color_picture"


def test_grey_picture_with_a_small_color_overlay_is_refused(tmp_path: Path) -> None:
    pixels = np.repeat(ramp()[..., None], 3, axis=-1)
    pixels[5:9, 5:9] = (255, 0, 0)
    assert refused(saved(Image.fromarray(pixels), tmp_path / "a.png")) == "color_picture"


def test_16_bit_grey_is_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(ramp().astype(np.uint16) * 257), tmp_path / "a.png")
    assert refused(path) == "picture_16_bit"


def test_16_bit_color_is_refused_although_pillow_would_reduce_it(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(64 * 6) for _ in range(64))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert stored_mode(path) == "RGB"
    assert refused(path) == "picture_16_bit"


def test_transparency_is_refused(tmp_path: Path) -> None:
    image = Image.fromarray(ramp()).convert("LA")
    image.putalpha(Image.new("L", image.size, 128))
    assert refused(saved(image, tmp_path / "a.png")) == "transparent_picture"


def test_black_and_white_is_refused(tmp_path: Path) -> None:
    assert refused(saved(Image.fromarray(ramp()).convert("1"), tmp_path / "a.png")) == "picture_mode"


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    path = saved(Image.fromarray(ramp()), tmp_path / "a.jpg", exif=exif, quality=95)
    assert np.abs(read_grey(path).astype(int) - np.rot90(ramp(), -1)).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cut_off_file_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    path = saved(noise, tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refused(path) == "unreadable_picture"


def test_text_by_another_name_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert refused(path) == "missing_file"
    path.write_text("not a picture")
    assert refused(path) == "unreadable_picture"


def test_gif_by_the_name_of_png_is_refused(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "a.png", format="GIF")
    assert refused(tmp_path / "a.png") == "unreadable_picture"


def test_animated_png_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((64, 64), level, np.uint8)) for level in (0, 90, 180)]
    path = saved(frames[0], tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert refused(path) == "animated_picture"


@pytest.mark.parametrize(
    ("side", "code"), [(8, "picture_too_small"), (4100, "picture_too_large"), (10_000, "unreadable_picture")]
)
def test_absurd_sizes_are_refused_before_decoding(tmp_path: Path, side: int, code: str) -> None:
    assert refused(saved(Image.new("L", (side, side)), tmp_path / "a.png")) == code


@settings(max_examples=60, deadline=None)
@given(at=st.integers(8, 400), byte=st.integers(0, 255), jpeg=st.booleans())
def test_a_changed_byte_never_raises_anything_but_a_picture_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, jpeg: bool
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(ramp()).save(buffer, format="JPEG" if jpeg else "PNG")
    data = bytearray(buffer.getvalue())
    data[at % len(data)] = byte
    path = tmp_path_factory.getbasetemp() / "changed.png"
    path.write_bytes(bytes(data))
    try:
        hu = read_picture(path, WINDOW)
    except PictureError:
        return
    assert hu.min() >= -20
    assert hu.max() <= 100


def test_pictures_are_listed_in_natural_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("s10.png", "s2.PNG", "b/s1.jpeg", ".hidden.png", ".trash/s0.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in list_pictures(tmp_path)] == ["b/s1.jpeg", "s2.PNG", "s10.png"]
    assert list_pictures(tmp_path / "notes.txt") == []


@given(st.text("ab-", max_size=3), st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_in_names_are_compared_as_numbers(stem: str, one: int, two: int) -> None:
    assert (natural_key(f"{stem}{one}.png") < natural_key(f"{stem}{two}.png")) == (one < two)


def test_real_ct_pictures_read_as_brain(real_data: Path) -> None:
    hu = read_picture(real_data / "ctich-dev" / "images" / "053_25.jpg", WINDOW)
    brain = hu[200:400, 200:400]
    assert hu.shape == (650, 650)
    assert 25 < np.median(brain) < 40
