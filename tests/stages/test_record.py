import errno
import os
import threading
from pathlib import Path

import pytest
from rich.console import Console

from plainscan.config import ScanSettings, SplitSettings
from plainscan.errors import StorageError
from plainscan.stages import record
from plainscan.stages.record import Counts, fingerprint, recorded, refuse_inside, say, track, unended


class Work:
    """Counts its runs and writes one output."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0

    def __call__(self) -> Counts:
        self.runs += 1
        (self.folder / "out.txt").write_text("made", encoding="utf-8")
        return {"things": self.runs}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    (tmp_path / "in.txt").write_text("1", encoding="utf-8")
    return Work(tmp_path)


def go(work: Work, settings: SplitSettings | None = None) -> Counts:
    inputs, outputs = [work.folder / "in.txt"], [work.folder / "out.txt"]
    return recorded("split", work.folder, settings or SplitSettings(), work, inputs=inputs, outputs=outputs)


def test_a_stage_with_nothing_changed_is_skipped_and_says_so(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(work) == go(work) == {"things": 1}
    assert work.runs == 1
    assert "split: unchanged, skipped" in capsys.readouterr().err


def test_a_changed_input_setting_or_output_runs_it_again(work: Work) -> None:
    go(work)
    (work.folder / "in.txt").write_text("2", encoding="utf-8")
    go(work)
    go(work, SplitSettings(seed=1))
    (work.folder / "out.txt").write_text("touched", encoding="utf-8")
    go(work, SplitSettings(seed=1))
    (work.folder / "out.txt").unlink()
    go(work, SplitSettings(seed=1))
    assert work.runs == 5


def test_a_change_in_either_of_two_inputs_of_one_name_runs_it_again(work: Work) -> None:
    inputs = [work.folder / parent / "model" for parent in "ab"]
    for path in inputs:
        path.mkdir(parents=True)
    for changed in (None, *inputs, None):
        if changed:
            (changed / "file").write_text("", encoding="utf-8")
        recorded("split", work.folder, SplitSettings(), work, inputs=inputs, outputs=[])
    assert work.runs == 3


def test_other_rules_run_it_again(work: Work) -> None:
    for rules in ("a", "a", "b"):
        recorded("prepare", work.folder, SplitSettings(), work, inputs=[], outputs=[], rules=rules)
    assert work.runs == 2


def test_a_stage_that_failed_after_it_touched_its_output_leaves_no_record_but_a_mark(work: Work) -> None:
    go(work)

    def fail() -> Counts:
        (work.folder / "out.txt").write_text("half", encoding="utf-8")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        recorded("split", work.folder, SplitSettings(seed=9), fail, inputs=[], outputs=[work.folder / "out.txt"])
    assert not (work.folder / "split.run.json").exists()
    assert unended(work.folder, "split") == ["out.txt"]
    go(work)
    assert work.runs == 2
    assert unended(work.folder, "split") == []
    assert not (work.folder / "split.begun.json").exists()


def test_a_stage_that_failed_before_it_touched_an_output_leaves_its_record_as_it_was(work: Work) -> None:
    go(work)
    before = (work.folder / "split.run.json").read_bytes()

    def fail() -> Counts:
        assert not (work.folder / "split.run.json").exists()
        assert unended(work.folder, "split") == ["out.txt"]
        raise RuntimeError("a typo in a table")

    with pytest.raises(RuntimeError):
        recorded("split", work.folder, SplitSettings(seed=9), fail, inputs=[], outputs=[work.folder / "out.txt"])
    assert (work.folder / "split.run.json").read_bytes() == before
    assert not (work.folder / "split.begun.json").exists()
    go(work)
    assert work.runs == 1


def test_a_stage_that_was_stopped_has_not_ended_until_it_succeeds(work: Work) -> None:
    go(work)

    def stop() -> Counts:
        raise KeyboardInterrupt

    def fail() -> Counts:
        raise RuntimeError("a typo in a table")

    for ending, error in ((stop, KeyboardInterrupt), (fail, RuntimeError)):
        with pytest.raises(error):
            recorded("split", work.folder, SplitSettings(seed=9), ending, inputs=[], outputs=[work.folder / "out.txt"])
        assert not (work.folder / "split.run.json").exists()
        assert unended(work.folder, "split") == ["out.txt"]
    go(work)
    assert work.runs == 2
    assert unended(work.folder, "split") == []


def test_a_record_that_is_not_json_is_no_record(work: Work) -> None:
    go(work)
    (work.folder / "split.run.json").write_text("{half", encoding="utf-8")
    go(work)
    assert work.runs == 2


def test_a_look_at_a_folder_that_takes_long_says_how_many_files_it_has_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/1", "b/2", "b/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    quick = fingerprint(tmp_path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(record, "QUIET_S", 0.0)
    assert fingerprint(tmp_path) == quick
    assert capsys.readouterr().err.splitlines()[-1] == f"files seen in {tmp_path.name}: 2"


def test_a_folders_fingerprint_changes_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1", encoding="utf-8")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    (tmp_path / "b").write_text("", encoding="utf-8")
    assert fingerprint(tmp_path) != before


def test_tracking_passes_every_item_through() -> None:
    assert list(track(range(5), "test")) == [0, 1, 2, 3, 4]


def test_without_a_terminal_a_line_says_how_far_it_is_and_nothing_else_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(track(range(5), "test")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(record, "QUIET_S", 0.0)
    assert list(track(range(2), "test")) == [0, 1]
    assert list(track(iter("a"), "test")) == ["a"]
    assert capsys.readouterr().err == "test: 0 of 2\ntest: 1 of 2\ntest: 0\n"


def test_two_commands_never_work_in_one_folder_at_once(work: Work) -> None:
    def meanwhile() -> Counts:
        with pytest.raises(StorageError, match="another plainscan command is at work") as caught:
            go(work)
        assert caught.value.exit_code == 2
        assert str(work.folder) in str(caught.value)
        return {}

    recorded("scan", work.folder, SplitSettings(), meanwhile, inputs=[], outputs=[])
    assert work.runs == 0
    assert go(work) == {"things": 1}
    assert not list(work.folder.glob(".*"))


def test_a_command_that_fails_leaves_the_folder_free_and_no_empty_one(work: Work) -> None:
    def fail() -> Counts:
        raise RuntimeError("no")

    new = work.folder / "new"
    for _ in range(2):
        with pytest.raises(RuntimeError):
            recorded("split", new, SplitSettings(), fail, inputs=[], outputs=[])
    assert not new.exists()


def test_a_full_disk_inside_the_work_names_the_folder(work: Work) -> None:
    def fill() -> Counts:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="No space left") as caught:
        recorded("split", work.folder, SplitSettings(), fill, inputs=[], outputs=[])
    assert str(work.folder) in str(caught.value)


def test_a_file_in_the_folders_place_is_named_with_the_right_remedy(work: Work) -> None:
    with pytest.raises(StorageError, match=r"in\.txt: .*A file lies where a folder should be"):
        recorded("split", work.folder / "in.txt", SplitSettings(), work, inputs=[], outputs=[])


def test_a_name_that_is_not_utf8_is_said_fingerprinted_and_recorded(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = work.folder / os.fsdecode(b"in\xff")
    folder.mkdir()
    (folder / os.fsdecode(b"\xd5\xc5.dcm")).touch()
    say(f"read {folder}")
    assert "in\\udcff" in capsys.readouterr().err
    settings = ScanSettings(source=folder)
    for _ in range(2):
        recorded("scan", folder, settings, work, inputs=[folder / os.fsdecode(b"\xd5\xc5.dcm")], outputs=[])
    assert "unchanged, skipped" in capsys.readouterr().err
    assert len(fingerprint(folder)) == 64


def test_a_folder_in_its_source_is_refused_and_its_parent_is_not(tmp_path: Path) -> None:
    source = tmp_path / "run" / "dicom"
    source.mkdir(parents=True)
    (tmp_path / "link").symlink_to(source)
    refuse_inside(tmp_path / "run", source)
    refuse_inside(tmp_path / "run" / "dicom2", source)
    for folder in (source, source / "out", tmp_path / "link" / "out", source / ".." / "dicom" / "x"):
        with pytest.raises(StorageError, match="inside the source"):
            refuse_inside(folder, source)
    with pytest.raises(StorageError, match="inside the source"):
        refuse_inside(source / "out", tmp_path / "link")


def test_an_error_takes_the_progress_bar_down_even_while_somebody_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "console", Console(stderr=True, force_terminal=True))
    bars = [track([1, 2, 3], "held")]
    before = threading.active_count()

    def fails() -> Counts:
        next(bars[0])
        assert threading.active_count() > before  # one draws the bar, one counts
        raise StorageError("no", where="x", expected="y", remedy="z")

    with pytest.raises(StorageError):
        recorded("split", tmp_path, SplitSettings(), fails, inputs=[], outputs=[])
    for thread in threading.enumerate()[before:]:
        thread.join(timeout=5)
    assert threading.active_count() == before
