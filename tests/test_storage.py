import errno
import os
from pathlib import Path

import pytest

from plainscan.errors import StorageError
from plainscan.storage import file_hash, whole_file


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="no"), whole_file(path) as partial:
        partial.write_text("half", encoding="utf-8")
        raise ValueError("no")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_full_disk_is_a_storage_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(StorageError, match=r"x\.json: No space left on device"), whole_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
def test_a_really_full_device_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No space left"), whole_file(tmp_path / "x") as partial:
        partial.symlink_to("/dev/full")
        partial.write_bytes(b"x" * 100)


def test_the_hash_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "permissions"),
        (errno.EROFS, "another disk"),
        (errno.ENOTDIR, "A file lies where a folder should be"),
        (errno.ENOSPC, "Free some space"),
    ],
)
def test_each_refusal_of_the_disk_has_its_own_remedy(tmp_path: Path, number: int, remedy: str) -> None:
    with pytest.raises(StorageError, match=remedy) as caught, whole_file(tmp_path / "x.json"):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path / "x.json") in str(caught.value)
