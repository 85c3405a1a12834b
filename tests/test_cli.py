import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.inference.tiny_bundle import ship_tiny

from plainscan import cli
from plainscan.errors import ConfigError, InternalError
from plainscan.storage import file_hash


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
    assert "Run `plainscan select` or `plainscan images` first" in " ".join(done.stderr.split())


def test_no_run_folder_exits_with_2() -> None:
    done = run("select")
    assert done.returncode == 2
    assert "no run folder" in done.stderr


def test_the_help_lists_every_command_once_under_what_a_person_is_about() -> None:
    done = run("--help")
    places = [done.stdout.find(f"─ {panel} ─") for panel in cli.PANELS]
    assert -1 not in places
    assert places == sorted(places)
    assert "─ Commands ─" not in done.stdout
    named = [command.name for command in cli.app.registered_commands]
    assert sorted(name or "" for name in named) == sorted(cli.PANEL_OF)


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


def test_ctrl_c_in_a_stage_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("plainscan.stages.select.run", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main(["select", "run"])
    assert ended.value.code == 130
    assert "Run the same command again" in capsys.readouterr().err


def test_the_run_folder_may_be_given_as_argument_option_or_table(tmp_path: Path) -> None:
    assert cli._run_folder(tmp_path, None) == cli._run_folder(None, tmp_path) == tmp_path
    table = tmp_path / "catalogue.parquet"
    for given in (table, tmp_path / "res.parquet"):
        with pytest.raises(ConfigError, match="expected a run folder"):
            cli._run_folder(given, None)
    table.touch()
    assert cli._run_folder(table, table) == cli._run_folder(table, None) == tmp_path
    with pytest.raises(ConfigError, match=r"catalogue\.parquet: a table where a folder is needed"):
        cli._run_folder(None, table)


@pytest.mark.parametrize("window", [["--window", "40/120"], ["--window=40/120"], ["--window", "40", "120"]])
def test_a_window_may_be_given_as_configuration_files_write_it(window: list[str], tmp_path: Path) -> None:
    done = run("predict", str(tmp_path / "nothing"), *window, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "nothing: no such file or folder" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["scan", "", "--out", "x"], "an empty argument"), (["scan", "a", "--out", ""], "--out: an empty argument"),
     (["scan", "a", "--out="], "--out: an empty argument")],
)  # fmt: skip
def test_an_empty_path_is_not_the_current_folder(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert named in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_scan_into_its_own_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").touch()
    done = run("scan", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "the results would lie inside the source" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.dcm"]


def test_a_message_about_the_disk_names_path_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/data/run/a.csv")

    assert cli._guard(fail) == 2
    said = capsys.readouterr().err
    assert "/data/run/a.csv: Permission denied" in said
    assert "Free some space" not in said


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN])
def test_a_share_that_does_not_answer_is_no_mistake_of_ours(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(code, os.strerror(code), "/share/a.dcm")

    assert cli._guard(fail) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Error: /share/a.dcm: {os.strerror(code)}; expected a disk or share that answers. Check ")
    assert "Traceback" not in said


def test_too_little_memory_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise MemoryError("Unable to allocate 7 EiB")

    assert cli._guard(fail) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: not enough memory (Unable to allocate 7 EiB)")
    assert "Traceback" not in said


def test_a_package_that_only_some_commands_need_is_named_with_its_extra(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy.ndimage")

    assert cli._guard(fail) == 2
    assert 'scipy.ndimage is not installed. Run: pip install "plainscan[study]"' in capsys.readouterr().err


def test_a_package_that_nobody_knows_is_our_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'nonsense'", name="nonsense")

    assert cli._guard(fail) == 1
    assert "mistake in plainscan" in capsys.readouterr().err


def test_the_word_for_the_shipped_bundle_is_told_from_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("plainscan.stages.predict.run", lambda folder, settings: asked.append(settings.model))
    monkeypatch.setattr("plainscan.stages.train.run", lambda folder, settings: asked.append(settings.init))
    for line in (
        "predict in --out o",
        "predict in --out o --model plainscan",
        "predict in --out o --model ./plainscan",
        "train o",
        "train o --init plainscan",
        "train o --init ./plainscan",
    ):
        cli.app(line.split(), standalone_mode=False)
    assert asked == ["plainscan", "plainscan", Path("plainscan"), None, "plainscan", Path("plainscan")]


def test_predicting_with_shipped_weights_that_are_altered_exits_with_2_and_names_file_and_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ship_tiny(tmp_path, monkeypatch) / "model.onnx"
    before = file_hash(model)
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(SystemExit) as caught:
        cli.main(["predict", str(tmp_path / "in"), "--out", str(tmp_path / "o")])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert f"plainscan/weights/model.onnx: SHA-256 {file_hash(model)}; expected SHA-256 {before}" in said
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("closed", ["2>&-", "1>&- 2>&-"])
def test_a_message_never_lands_among_the_results_because_its_stream_is_closed(closed: str, tmp_path: Path) -> None:
    line = f'"$0" -m plainscan scan "$1" --out "$2" {closed}'
    shell = ["bash", "-c", line, sys.executable, str(tmp_path / "missing"), str(tmp_path / "run")]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("closed", ["2>&-", "1>&- 2>&-"])
def test_work_is_done_though_the_streams_are_closed(closed: str, tmp_path: Path) -> None:
    line = f'"$0" -m plainscan phantom --patients 1 --size 256 --slices 3 3 --out "$1" {closed}'
    done = subprocess.run(["bash", "-c", line, sys.executable, str(tmp_path / "run")], capture_output=True, check=False)
    assert done.returncode == 0
    assert (tmp_path / "run" / "phantom.run.json").is_file()
