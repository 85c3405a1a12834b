"""A stream that ends the decoder costs one slice, not the program."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.dicom.build import ct, head_hu, save

from plainscan.dicom import sandbox
from plainscan.dicom.decode import decode_frame
from plainscan.dicom.read import read_hu
from plainscan.dicom.sandbox import DecodeFailedError, Sandbox
from plainscan.errors import DicomError

pytest.importorskip("gdcm", reason="python-gdcm is an extra")


@pytest.mark.parametrize(("tool", "options"), [("dcmcjpeg", ["+e1"]), ("dcmcjpls", ["+el"])])
def test_damaged_streams_are_refused_and_the_next_slice_is_read(
    tmp_path: Path, needs_tool: Callable[[str], str], tool: str, options: list[str]
) -> None:
    plain = save(tmp_path, "plain.dcm", ct((head_hu(64) + 1024).astype(np.uint16)))
    subprocess.run([needs_tool(tool), *options, plain, tmp_path / "whole.dcm"], check=True)
    whole = (tmp_path / "whole.dcm").read_bytes()
    start = whole.index(b"\xe0\x7f\x10\x00") + 12
    rng = random.Random(3)
    ends: Counter[str] = Counter()
    for number in range(40):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(start, len(data))] = rng.randrange(256)
        (tmp_path / f"{number}.dcm").write_bytes(data)
        try:
            ends["read"] += read_hu(str(tmp_path), f"{number}.dcm").hu.size > 0
        except DicomError as error:
            ends[error.code] += 1
    assert ends["undecodable"] > 0
    assert ends.total() == 40
    np.testing.assert_array_equal(read_hu(str(tmp_path), "whole.dcm").hu, head_hu(64))


def test_a_process_that_was_killed_is_started_again(tmp_path: Path, needs_tool: Callable[[str], str]) -> None:
    plain = save(tmp_path, "plain.dcm", ct())
    subprocess.run([needs_tool("dcmcjpeg"), "+e1", plain, tmp_path / "a.dcm"], check=True)
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    own = Sandbox()
    try:
        data = next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
        first = own.decode(data, ds, "1.2.840.10008.1.2.4.70")
        assert own._process is not None
        own._process.kill()
        own._process.wait()
        np.testing.assert_array_equal(own.decode(data, ds, "1.2.840.10008.1.2.4.70"), first)
        with pytest.raises(DecodeFailedError):
            own.decode(b"\xff\xd8", ds, "1.2.840.10008.1.2.4.70")
    finally:
        own.close()
    assert own._process is None


def test_a_decoder_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 0.0)
    own = Sandbox()
    with pytest.raises(DecodeFailedError, match="the decoder ended"):
        own.decode(b"\xff\xd8", ct(), "1.2.840.10008.1.2.4.70")
    own.close()


def test_a_missing_stream_is_a_refusal() -> None:
    with pytest.raises(DicomError) as caught:
        decode_frame(ct(PixelData=b""), "1.2.840.10008.1.2.4.70", 0)
    assert caught.value.code == "undecodable"
