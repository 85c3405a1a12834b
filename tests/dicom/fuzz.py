"""Mutated files: no crash, no hang, little memory, and no silent wrong value.

``python -m tests.dicom.fuzz COUNT [SEED]`` mutates small files of every encoding, scans and reads each, and compares
whatever is accepted with the oracle. It prints what became of them and exits 1 when something is wrong; the file that
did it is kept where it says.

JPEG 2000 is compared with Pillow's OpenJPEG, of another build than GDCM's.
"""

from __future__ import annotations

import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from tests.dicom import oracle
from tests.dicom.build import ct, encode, enhanced, head_hu
from tests.traps import make

from plainscan.dicom.files import Entry
from plainscan.dicom.read import Place, Reader
from plainscan.dicom.scan import scan_entry
from plainscan.errors import DicomError

SECONDS: Final = 5.0
MEMORY_BYTES: Final = 512 << 20
EACH: Final = 5000  # files, after which it says how far it is
SMALL: Final = head_hu(16)
STORED: Final = (SMALL + 1024).astype(np.uint16)
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
EXTREMES: Final = (b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\x01\0\0\0")


def sources(folder: Path) -> dict[str, bytes]:
    """One small file of every encoding."""

    def made(maker: make.Make, syntax: str) -> bytes:
        """The stream of another writer in a header that is always the same."""
        maker(folder)
        file = folder / "a.dcm"
        stream = next(generate_frames(pydicom.dcmread(file).PixelData, number_of_frames=1))
        make.encapsulated(stream, syntax)(folder)
        data = file.read_bytes()
        file.unlink()
        return data

    signed = ct(SMALL.astype(np.int16), BitsStored=16, RescaleIntercept=0, PixelPaddingValue=-2000)
    wrapped = ct((SMALL.astype(np.int32) % 4096).astype(np.uint16), RescaleIntercept=0)
    return {
        "explicit": encode(ct(STORED)),
        "implicit": encode(ct(STORED), make.IMPLICIT),
        "bare": encode(ct(STORED), meta=False),
        "big endian": encode(ct(STORED.astype(">u2")), make.BIG_ENDIAN),
        "deflated": encode(ct(STORED), make.DEFLATED),
        "signed": encode(signed),
        "wrapped": encode(wrapped),
        "enhanced": encode(enhanced([STORED] * 2, [-1024, -1000])),
        "RLE": made(make.rle(), "1.2.840.10008.1.2.5"),
        "JPEG": made(make.by_dcmtk("dcmcjpeg", "+e1"), "1.2.840.10008.1.2.4.70"),
        "JPEG-LS": made(make.by_dcmtk("dcmcjpls", "+el"), "1.2.840.10008.1.2.4.80"),
        "JPEG 2000": made(make.jpeg_2000(), JPEG_2000),
    }


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to four changes of a file: mostly single bytes, sometimes lengths, cuts, holes and repeats."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if len(out) > 2:
            rng.choice(_CHANGES)(out, rng.randrange(len(out)), rng)
    return bytes(out)


def _byte(out: bytearray, at: int, rng: random.Random) -> None:
    out[at] = rng.randrange(256)


def _bit(out: bytearray, at: int, rng: random.Random) -> None:
    out[at] ^= 1 << rng.randrange(8)


def _digit(out: bytearray, at: int, rng: random.Random) -> None:
    """A number of the header, where there is one near."""
    near = [i for i in range(at, min(at + 200, len(out))) if chr(out[i]) in "0123456789.-"]
    out[near[0] if near else at] = ord(rng.choice("0123456789.-eE"))


def _length(out: bytearray, at: int, rng: random.Random) -> None:
    out[at : at + 4] = rng.choice((*EXTREMES, struct.pack("<L", rng.randrange(1 << 12))))


def _cut(out: bytearray, at: int, rng: random.Random) -> None:
    del out[max(at, len(out) // 2) :]


def _hole(out: bytearray, at: int, rng: random.Random) -> None:
    del out[at : at + rng.randrange(1, 32)]


def _again(out: bytearray, at: int, rng: random.Random) -> None:
    out[at:at] = out[at : at + rng.randrange(1, 64)]


_CHANGES: Final[tuple[Callable[[bytearray, int, random.Random], None], ...]] = (
    *(_byte, _byte, _bit, _bit, _digit, _digit),
    *(_length, _cut, _hole, _again),
)


def wrong(data: bytes, folder: Path, ends: Counter[str]) -> str:
    """What is wrong with how plainscan takes a file; empty if nothing is."""
    file = folder / "f.dcm"
    file.write_bytes(data)
    scanned = scan_entry(Entry("f.dcm", len(data), file), str(folder))
    if scanned.reject:
        ends[f"rejected {scanned.reject['code']}"] += 1
    with Reader() as reader:
        for row in scanned.rows[:2]:
            try:
                found = reader.read(Place(str(folder), "f.dcm", int(str(row["frame"]))))
            except DicomError as error:
                ends[f"refused {error.code}"] += 1
                continue
            ends["read"] += 1
            try:
                expected = oracle.hu(data, int(str(row["frame"])))
            except oracle.NoAnswerError as error:
                return f"accepted, where the other reader gives none: {error}"
            if found.hu.shape != expected.shape or (found.hu != expected).any():
                return "accepted with other values"
    return ""


def run(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Mutate, read and compare ``count`` files.

    Returns:
        What became of them, and what was wrong.
    """
    rng = random.Random(seed)
    ends: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        some = list(sources(folder).items())
        for number in range(count):
            if number and number % EACH == 0:
                print(f"{number} files, {len(faults)} faults", file=sys.stderr, flush=True)
            kind, whole = some[number % len(some)]
            data = mutated(whole, rng)
            started = time.process_time()
            fault = wrong(data, folder, ends)
            if time.process_time() - started > SECONDS:
                fault = fault or "took too long"
            if fault:
                kept = Path(tempfile.gettempdir(), f"plainscan-fuzz-{seed}-{number}.dcm")
                kept.write_bytes(data)
                faults.append(f"{kind}: {fault}; kept as {kept}")
        if sorted(path.name for path in folder.iterdir()) != ["f.dcm"]:
            faults.append("something else was written")
    used = max(_highest_bytes(), 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    if used > MEMORY_BYTES:
        faults.append(f"{used >> 20} MB of memory")
    return ends, faults


def _highest_bytes() -> int:
    """The most memory that this process held; what `getrusage` says includes the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    ends, faults = run(count, seed)
    print("\n".join(f"{number:>8} {end}" for end, number in ends.most_common()))
    print("\n".join(faults[:20]) if faults else f"{count} files: nothing wrong")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
