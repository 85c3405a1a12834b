from pathlib import Path

import pytest

from plainscan.config import SplitSettings
from plainscan.stages.record import Counts, fingerprint, recorded, track


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


def test_a_stage_that_failed_leaves_no_record(work: Work) -> None:
    go(work)

    def fail() -> Counts:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        recorded("split", work.folder, SplitSettings(seed=9), fail, inputs=[], outputs=[work.folder / "out.txt"])
    assert not (work.folder / "split.run.json").exists()
    go(work)
    assert work.runs == 2


def test_a_record_that_is_not_json_is_no_record(work: Work) -> None:
    go(work)
    (work.folder / "split.run.json").write_text("{half", encoding="utf-8")
    go(work)
    assert work.runs == 2


def test_a_folders_fingerprint_changes_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1", encoding="utf-8")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    (tmp_path / "b").write_text("", encoding="utf-8")
    assert fingerprint(tmp_path) != before


def test_tracking_passes_every_item_through() -> None:
    assert list(track(range(5), "test")) == [0, 1, 2, 3, 4]
