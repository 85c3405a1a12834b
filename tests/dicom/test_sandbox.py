"""A stream that ends the decoder costs one slice, not the program."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from tests.dicom.build import ct, head_hu, save

from plainscan.dicom import decode, sandbox
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


@pytest.fixture
def wild(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A decoding process with the real limits, whose decoder does what the stream tells it."""
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, str(Path(__file__).parent / "wild_decoder.py")))
    own = Sandbox()
    yield own
    own.close()


@pytest.mark.parametrize(
    ("stream", "said", "survives"),
    [
        (b"abort", "the decoder ended", False),
        (b"spin", "the decoder ended", False),
        (b"eat", "MemoryError", True),
        (b"connect", "OSError", True),
        (b"open", "OSError", True),
        (b"print", "", True),
        (b"complain", "DecodeFailedError", True),
        (b"complain and fail", "ValueError", True),
    ],
)
def test_a_decoder_out_of_hand_costs_one_slice(wild: Sandbox, stream: bytes, said: str, survives: bool) -> None:
    wild.decode(b"behave", ct(), "any")
    assert wild._process is not None
    first = wild._process.pid
    if said:
        with pytest.raises(DecodeFailedError, match=said):
            wild.decode(stream, ct(), "any")
    else:
        wild.decode(stream, ct(), "any")
    assert wild.decode(b"behave", ct(), "any").tolist() == [[1, 2]]
    assert (wild._process.pid == first) is survives


def test_a_decoder_that_sleeps_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch, wild: Sandbox) -> None:
    wild.decode(b"behave", ct(), "any")
    monkeypatch.setattr(sandbox, "SECONDS", 0.2)
    with pytest.raises(DecodeFailedError, match="the decoder ended"):
        wild.decode(b"sleep", ct(), "any")
    monkeypatch.undo()


def test_a_decoder_that_never_starts_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(sandbox, "START_SECONDS", 0.2)
    own = Sandbox()
    with pytest.raises(DecodeFailedError, match="the decoder ended"):
        own.decode(b"", ct(), "any")
    assert own._process is None


def test_every_compressed_frame_goes_through_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise DecodeFailedError("closed")

    monkeypatch.setattr(sandbox, "decode", closed)
    for syntax in (decode.RLE, *decode.GDCM):
        with pytest.raises(DicomError, match="closed"):
            decode.decode_frame(ct(PixelData=encapsulate([bytes(64)])), syntax, 0)


def test_a_missing_stream_is_a_refusal() -> None:
    with pytest.raises(DicomError) as caught:
        decode_frame(ct(PixelData=b""), "1.2.840.10008.1.2.4.70", 0)
    assert caught.value.code == "undecodable"


@pytest.mark.parametrize(
    ("stream", "whole"),
    [
        (b"\xff\xd8\xff\xda\0\x08", True),
        (b"\xff\xd8\xff\xfe\0\x04ab\xff\xff\xda\0\x08", True),
        (b"\xff\xd8\xff\xda\0\x76", False),
        (b"\xff\xd8\xff\xfe\0\x05ab\xff\xda\0\x08", False),
        (b"\xff\xd8\0", False),
    ],
)
def test_segments_must_lead_to_a_scan_of_one_component(stream: bytes, whole: bool) -> None:
    assert sandbox._leads_to_scan(stream) is whole
