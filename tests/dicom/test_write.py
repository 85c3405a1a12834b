from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from plainscan.dicom.write import HABITS, PADDING, Exam, Habits, Person, Series, uid, write_series

EXAM = Exam(uid("study"), uid("frame"), "20200102", "101112", "056Y", "P00011")
PERSON = Person("P0001", "Phantom^0001", "19640102", "F")
SERIES = Series(
    uid("series"),
    2,
    "HEAD",
    "STD",
    ("ORIGINAL", "PRIMARY", "AXIAL"),
    (1.0, 0.0, 0.0, 0.0, 0.9483, -0.3173),
    np.array([[-110.0, -105.0, 5.0 * i] for i in range(3)]),
    np.full(3, 5.0),
    0.46875,
    18.5,
)
HU = np.random.default_rng(0).integers(-1000, 1500, (3, 16, 16)).astype(np.int16)
OUTSIDE = np.zeros((16, 16), np.bool_)
OUTSIDE[0, 0] = True


@pytest.mark.parametrize("habits", HABITS, ids=lambda habits: habits.manufacturer)
def test_every_vendor_s_files_give_back_the_hounsfield_values(habits: Habits, tmp_path: Path) -> None:
    uids = write_series(tmp_path, HU, OUTSIDE, SERIES, EXAM, PERSON, habits)
    files = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, sorted(tmp_path.iterdir()))}
    assert list(files) == (uids[::-1] if habits.descending else uids)
    for plane, instance in zip(HU, uids, strict=True):
        ds = files[instance]
        hu = ds.pixel_array.astype(int) * int(ds.RescaleSlope) + int(ds.RescaleIntercept)
        assert np.array_equal(hu[~OUTSIDE], plane[~OUTSIDE])
        assert (ds.pixel_array[0, 0] == PADDING) == habits.padding
    assert [float(files[i].ImagePositionPatient[2]) for i in uids] == [0.0, 5.0, 10.0]


@pytest.mark.parametrize("habits", HABITS, ids=lambda habits: habits.manufacturer)
def test_files_pass_dciodvfy_without_an_error(habits: Habits, tmp_path: Path, needs_tool: Callable[[str], str]) -> None:
    program = needs_tool("dciodvfy")
    write_series(tmp_path, HU[:1], OUTSIDE, SERIES, EXAM, PERSON, habits)
    done = subprocess.run([program, str(tmp_path / "IM0001.dcm")], capture_output=True, text=True, check=False)
    assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_series(tmp_path / name, HU, OUTSIDE, SERIES, EXAM, PERSON, HABITS[3])
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_uids_are_valid_and_short_enough() -> None:
    for i in range(50):
        value = uid("x", i)
        assert value.is_valid
        assert len(value) <= 64


def test_the_habits_differ_in_what_traps_readers() -> None:
    assert {(h.signed, h.intercept) for h in HABITS} >= {(True, 0), (False, -1024), (False, -1000)}
    assert any(h.padding for h in HABITS)
    assert {h.bits_stored for h in HABITS} == {12, 16}
    assert {h.descending for h in HABITS} == {True, False}
