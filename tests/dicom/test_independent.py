"""Every compressed transfer syntax, bit for bit against a reader with another decoder.

For JPEG 2000 that reader is OpenJPEG of another build; ``test_jpeg_2000`` compares with a decoder that is not OpenJPEG.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.dicom import oracle
from tests.dicom.build import ct, save
from tests.traps import make

from plainscan.dicom.decode import GDCM, RLE
from plainscan.dicom.read import read_hu

SYNTAX = "1.2.840.10008.1.2.4."
NOISE = np.random.default_rng(2).integers(0, 4096, (40, 56)).astype(np.uint16)
STORED: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "12 bits unsigned": (NOISE, {}),
    "16 bits unsigned": (NOISE * np.uint16(15), {"BitsStored": 16}),
    "16 bits signed": ((NOISE.astype(np.int16) - 1024), {"BitsStored": 16, "RescaleIntercept": 0}),
}
BY_DCMTK = {
    RLE: ["dcmcrle"],
    f"{SYNTAX}57": ["dcmcjpeg", "+el"],
    f"{SYNTAX}70": ["dcmcjpeg", "+e1"],
    f"{SYNTAX}80": ["dcmcjpls", "+el"],
    f"{SYNTAX}81": ["dcmcjpls", "+en", "+md", "2"],
}


def same_as_the_other_reader(folder: Path) -> bool:
    data = (folder / "a.dcm").read_bytes()
    return bool((read_hu(str(folder), "a.dcm").hu == oracle.hu(data, 0)).all())


PAIRS = [
    (syntax, how)
    for syntax in BY_DCMTK
    for how in STORED
    if not (syntax.endswith(".81") and how.split()[-1] == "signed")
]


@pytest.mark.parametrize(("syntax", "how"), PAIRS)  # DCMTK writes near-lossless of unsigned words only
def test_what_dcmtk_wrote_and_dcmtk_reads(
    tmp_path: Path, needs_tool: Callable[[str], str], syntax: str, how: str
) -> None:
    if syntax in GDCM:
        pytest.importorskip("gdcm", reason="python-gdcm is an extra")
    stored, tags = STORED[how]
    plain = save(tmp_path, "plain", ct(stored, **tags))
    tool, *options = BY_DCMTK[syntax]
    make.program(needs_tool(tool), *options, str(plain), str(tmp_path / "a.dcm"))
    assert same_as_the_other_reader(tmp_path)


@pytest.mark.parametrize("lossless", [True, False])
def test_what_gdcm_wrote_in_jpeg_2000_and_pillow_reads(tmp_path: Path, lossless: bool) -> None:
    make.jpeg_2000(lossless=lossless)(tmp_path)
    assert same_as_the_other_reader(tmp_path)


@pytest.mark.parametrize(("number", "order"), [("201", "LRCP"), ("202", "RPCL"), ("203", "RPCL")])
def test_what_openjph_wrote_and_openjph_reads(
    tmp_path: Path, needs_tool: Callable[[str], str], number: str, order: str
) -> None:
    pytest.importorskip("gdcm", reason="python-gdcm is an extra")
    needs_tool("ojph_expand")
    make.high_throughput(SYNTAX + number, order)(tmp_path)
    assert same_as_the_other_reader(tmp_path)


def test_no_compressed_syntax_that_is_read_is_left_out() -> None:
    assert set(oracle.DECODERS) == {RLE, *GDCM}
