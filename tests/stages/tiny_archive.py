"""A small archive for tests of stages: a head series, a bone twin, a localizer, a text file."""

from __future__ import annotations

from pathlib import Path

from tests.dicom.build import ct, save, save_series


def archive(folder: Path) -> Path:
    save_series(folder, 12, PixelSpacing=[7.0, 7.0])
    save_series(folder, 3, series=2, ConvolutionKernel="H70h")
    save(folder, "scout.dcm", ct(series=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    (folder / "readme.txt").write_text("x")
    return folder
