import subprocess
import sys
from pathlib import Path

import pytest

from plainscan import cli
from plainscan.errors import InternalError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "plainscan", *arguments], capture_output=True, text=True, check=False)


def test_an_unknown_config_key_exits_with_2_and_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('out = "o"\n[train]\nepoch = 3\n', encoding="utf-8")
    done = run("run", str(tmp_path / "x.toml"))
    assert done.returncode == 2
    assert "train.epoch: no such key" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_out_of_range_exits_with_2(tmp_path: Path) -> None:
    done = run("split", str(tmp_path), "--train", "0.9")
    assert done.returncode == 2
    assert "train + tune + test is 1.2" in done.stderr


def test_a_missing_table_exits_with_2_and_says_what_to_run_first(tmp_path: Path) -> None:
    done = run("split", str(tmp_path))
    assert done.returncode == 2
    assert "cohort.parquet: no such table" in done.stderr


def test_no_run_folder_exits_with_2() -> None:
    done = run("select")
    assert done.returncode == 2
    assert "no run folder" in done.stderr


def test_the_version_is_printed() -> None:
    assert run("--version").stdout.startswith("plainscan 0.")


@pytest.mark.parametrize(
    ("error", "code"),
    [(InternalError("x"), 1), (RuntimeError("x"), 1), (OSError(28, "No space left"), 2), (KeyboardInterrupt(), 130)],
)
def test_the_exit_code_says_whose_mistake_it_is(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert cli._guard(fail) == code
    assert capsys.readouterr().err


def test_the_run_folder_may_be_given_as_argument_option_or_table(tmp_path: Path) -> None:
    assert cli._run_folder(tmp_path, None) == cli._run_folder(None, tmp_path) == tmp_path
    assert cli._run_folder(tmp_path / "catalogue.parquet", tmp_path / "catalogue.parquet") == tmp_path
