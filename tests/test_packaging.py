"""What is installed holds what is needed: the shipped weights above all."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.inference.tiny_bundle import tiny_bundle

from plainscan.bundle import CARD_FILE, MODEL_FILE, SUMS_FILE, write_sums

ROOT = Path(__file__).parents[1]
BUILD = "import setuptools.build_meta as build; build.build_wheel('dist'); build.build_sdist('dist')"
INSIDE = {f"plainscan/weights/{name}" for name in (CARD_FILE, MODEL_FILE, SUMS_FILE)} | {
    "plainscan/py.typed",
    "plainscan/reports/phrases/chinese.toml",
}


def test_wheel_and_source_archive_hold_the_shipped_weights(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    package = tmp_path / "src" / "plainscan"
    shutil.copytree(ROOT / "src" / "plainscan", package, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    write_sums(tiny_bundle(package / "weights"))
    (tmp_path / "dist").mkdir()
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wheel, archive = next((tmp_path / "dist").glob("*.whl")), next((tmp_path / "dist").glob("*.tar.gz"))
    assert set(zipfile.ZipFile(wheel).namelist()) >= INSIDE
    with tarfile.open(archive) as files:
        assert {name.split("/src/", 1)[-1] for name in files.getnames()} >= INSIDE
