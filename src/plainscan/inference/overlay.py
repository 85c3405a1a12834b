"""The picture a reader sees: the slice in the brain window, heat in color, a scale, and what it is not.

Nothing in the pixels, the file name or the metadata says whose slice it is.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from plainscan.ct.window import BRAIN, to_unit
from plainscan.storage import whole_file

# Dark blue over magenta to yellow: lightness rises all the way, so it reads without color vision too.
STOPS: Final = np.array(
    [(0.0, 40, 20, 150), (0.25, 135, 25, 165), (0.5, 205, 70, 120), (0.75, 248, 145, 65), (1.0, 250, 235, 60)]
)
OPACITY: Final = 0.5  # at full color; anatomy stays visible
SMALLEST_WIDTH_PX: Final = 320  # the footer needs it; smaller slices are enlarged by a whole number
FOOTER_PX: Final = 44
LINE_PX: Final = 13
STRIPES: Final = 64  # of the picture's width, every second one without color
WARNING: Final = (255, 176, 0)
RESEARCH: Final = "Research only. Not a medical device."


def colors(heat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Heat of any shape in [0, 1] to red, green, blue (..., 3), float32, [0, 255]."""
    channels = [np.interp(heat, STOPS[:, 0], STOPS[:, i]) for i in (1, 2, 3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def blend(hu: NDArray[np.floating | np.integer], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Color over grey.

    Args:
        hu: (rows, columns), HU.
        heat: (rows, columns), [0, 1]; where it is 0 the grey is untouched.

    Returns:
        (rows, columns, 3), uint8.
    """
    grey, warm = to_unit(hu, BRAIN) * 255, heat > 0
    result = np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)
    below = grey[warm][..., None]
    opacity = OPACITY * heat[warm][..., None]  # rises from nothing: weak evidence stays a tint, none is not seen
    result[warm] = np.rint(below + opacity * (colors(heat[warm]) - below))
    return result


def striped(heat: NDArray[np.floating]) -> NDArray[np.floating]:
    """Heat (rows, columns) in diagonal stripes: how a map is drawn that is not to be relied on."""
    row, column = np.indices(heat.shape)
    width = max(2, heat.shape[1] // STRIPES)
    return np.where((row + column) // width % 2 == 0, heat, 0.0)


def render(
    hu: NDArray[np.floating | np.integer],
    heat: NDArray[np.floating],
    probability: float,
    threshold: float,
    not_reliable: Sequence[str] = (),
) -> Image.Image:
    """The overlay with its footer: color scale, probability, caption.

    Args:
        hu: (rows, columns), HU.
        heat: (rows, columns), [0, 1], from ``heatmap.on_slice``.
        probability: Of any finding, calibrated.
        threshold: The slice operating point.
        not_reliable: In words, what speaks against the map; then it is striped, and a band below it says why.
    """
    picture = Image.fromarray(blend(hu, striped(heat) if not_reliable else heat))
    times = -(-SMALLEST_WIDTH_PX // picture.width)
    if times > 1:
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.BICUBIC)
    band = LINE_PX * (len(not_reliable) + 1) + 6 if not_reliable else 0
    page = Image.new("RGB", (picture.width, picture.height + band + FOOTER_PX))
    page.paste(picture)
    if not_reliable:
        _band(page, picture.height, not_reliable)
    _footer(page, picture.height + band, f"p(any finding) {probability:.2f}, operating point {threshold:.2f}")
    return page


def _band(page: Image.Image, top: int, reasons: Sequence[str]) -> None:
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    lines = ["HEAT MAP NOT RELIABLE", *reasons]
    draw.rectangle((0, top, page.width, top + 5 + LINE_PX * len(lines)), WARNING)
    for i, line in enumerate(lines):
        draw.text((8, top + 3 + LINE_PX * i), line, "black", font)


def _footer(page: Image.Image, top: int, score: str) -> None:
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(11)
    page.paste(_bar(page.width - 16), (8, top + 4))
    draw.text((8, top + 14), "at operating point", "white", font)
    draw.text((page.width - 8, top + 14), "far above", "white", font, anchor="ra")
    draw.text((8, top + 28), score, "white", font)
    if page.width >= 480:
        draw.text((page.width - 8, top + 28), RESEARCH, (170, 170, 170), font, anchor="ra")
    else:
        draw.text((page.width - 8, top + 28), "Research only", (170, 170, 170), font, anchor="ra")


@cache
def _bar(width: int) -> Image.Image:
    """The color scale over the middle of the brain window."""
    return Image.fromarray(blend(np.full((8, width), BRAIN.center_hu), np.tile(np.linspace(0, 1, width), (8, 1))))


def file_name(study_uid: str, series_uid: str, slice_index: int) -> str:
    """A name that holds no identifier: hashes of the UIDs and the slice's place.

    >>> file_name("1.2.3", "1.2.3.4", 7)
    'c47f5b18_6694_007.png'
    """
    study, series = (hashlib.sha256(uid.encode()).hexdigest() for uid in (study_uid, series_uid))
    return f"{study[:8]}_{series[:4]}_{slice_index:03d}.png"


def save(page: Image.Image, path: Path) -> None:
    """Write a PNG without metadata, whole or not at all."""
    data = io.BytesIO()  # Pillow names no cause when a disk is full; Python's own write does
    page.save(data, format="PNG", compress_level=1)  # two thirds of the time of 4, 4 % more bytes
    with whole_file(path) as partial:
        partial.write_bytes(data.getbuffer())
