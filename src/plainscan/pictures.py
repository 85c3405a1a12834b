"""PNG and JPEG slices with a burnt-in window, back to Hounsfield units.

A picture is a display copy: what its window cut off is gone, and nothing in the file says which window it
was. So the window is always the caller's statement, and everything that is not plainly 8-bit grey is refused.
"""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from plainscan.ct.window import Window, from_picture
from plainscan.errors import PictureError

SUFFIXES: Final = (".png", ".jpg", ".jpeg")
FORMATS: Final = ("PNG", "JPEG")
SMALLEST_SIDE_PX: Final = 32
LARGEST_PX: Final = 4096 * 4096  # CT is 512 to 1024 a side; enlarged figures reach 4096
# JPEG keeps colour as two difference channels; a grey picture stored as RGB comes back some levels off grey.
GREY_TOLERANCE: Final = {"PNG": 0, "JPEG": 12}
GREY_8BIT: Final = "an 8-bit grey PNG or JPEG slice with its window burnt in"
PNG_DEPTH_AT: Final = 24  # IHDR's bit depth (W3C PNG 11.2.1); Pillow reduces 16-bit colour without a word
ALPHA_MODES: Final = ("LA", "PA", "RGBA")
MODES: Final = ("L", "P", "RGB", *ALPHA_MODES)


def list_pictures(source: Path) -> list[Path]:
    """PNG and JPEG files by suffix, in a folder and below, or the one file itself.

    Hidden files are left out.

    Returns:
        Paths in natural order: `2.png` before `10.png`.
    """
    if source.is_file():
        return [source] if is_picture(source) else []
    return [path for path in list_files(source) if is_picture(path)]


def list_files(folder: Path) -> list[Path]:
    """All visible files in a folder and below, in natural order."""
    found = (path for path in folder.rglob("*") if path.is_file())
    visible = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(sorted(visible), key=lambda path: natural_key(path.as_posix()))


def is_picture(path: Path) -> bool:
    """Whether the suffix is one of PNG's or JPEG's."""
    return path.suffix.lower() in SUFFIXES


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that compares runs of digits as numbers.

    >>> sorted(["s10.png", "s2.png", "S1.png"], key=natural_key)
    ['S1.png', 's2.png', 's10.png']
    """
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts))


def read_picture(path: Path, window: Window) -> NDArray[np.float32]:
    """One picture in Hounsfield units.

    Args:
        path: A PNG or JPEG file.
        window: The window that was burnt in.

    Returns:
        (rows, columns), float32, HU inside the window; its ends stand for "this or beyond". An EXIF
        orientation is applied.

    Raises:
        PictureError: Not a PNG or JPEG, cut off, too large or small, 16-bit, coloured, transparent or animated.
    """
    return from_picture(read_grey(path), window)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """The grey levels of a picture: (rows, columns), uint8, 0 to 255; raises as ``read_picture`` does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata does not touch the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                _check_header(image, path)
                image.load()
                upright = ImageOps.exif_transpose(image)
                return _grey(upright, path, GREY_TOLERANCE[image.format or "PNG"])
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise _refusal(path, "no such file", "missing_file") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Warning, Image.DecompressionBombError) as error:
        raise _refusal(path, _reason(error), "unreadable_picture") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a PNG or JPEG"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {LARGEST_PX} pixels"
    return "damaged or cut off"


def _refusal(path: Path, found: str, code: str, remedy: str = "") -> PictureError:
    return PictureError(found, where=str(path), expected=GREY_8BIT, remedy=remedy, code=code)


def _check_header(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if width * height > LARGEST_PX:
        raise _refusal(path, f"{height} x {width} pixels", "picture_too_large")
    if min(width, height) < SMALLEST_SIDE_PX:
        raise _refusal(path, f"{height} x {width} pixels", "picture_too_small")
    if getattr(image, "n_frames", 1) > 1:
        raise _refusal(path, "several frames", "animated_picture")
    if image.mode.startswith(("I", "F")) or _png_depth(image, path) == 16:
        raise _refusal(
            path, "16 bits a pixel", "picture_16_bit", "If it holds Hounsfield units, give the DICOM files instead."
        )
    if image.mode not in MODES:
        raise _refusal(path, f"pixels of mode {image.mode}", "picture_mode")


def _png_depth(image: Image.Image, path: Path) -> int:
    if image.format != "PNG":
        return 8
    with path.open("rb") as stream:
        return stream.read(PNG_DEPTH_AT + 1)[PNG_DEPTH_AT]


def _grey(image: Image.Image, path: Path, tolerance: int) -> NDArray[np.uint8]:
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image, np.uint8).copy()
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = _opaque(image, path)
    colors = np.asarray(image.convert("RGB"), np.int16)
    spread = int((colors.max(axis=2) - colors.min(axis=2)).max())
    if spread > tolerance:
        raise _refusal(
            path,
            f"a color picture (channels differ by up to {spread} of 255)",
            "color_picture",
            "Export the slice in grey, without color overlays.",
        )
    return np.asarray(image.convert("RGB").convert("L"), np.uint8).copy()


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    lowest = image.convert("RGBA").getchannel("A").getextrema()[0]
    if lowest != 255:
        raise _refusal(path, "a transparent picture", "transparent_picture", "Export it without an alpha channel.")
    return image.convert("RGBA").convert("RGB")
