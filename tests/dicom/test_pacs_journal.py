from pathlib import Path

from plainscan.dicom.pacs_journal import NAME, Journal


def test_a_journal_knows_again_what_was_found_and_what_was_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "q")
    journal.note("a", "b")
    journal.note("a", state="complete", instances=4, told="9")
    again = Journal(tmp_path, "q")
    assert again.found == ["a", "b"]
    assert (again.whole("a"), again.whole("b")) == ((4, "9"), None)


def test_a_line_that_was_cut_off_is_skipped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    Journal(tmp_path, "q").note("a", state="complete", instances=4)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes() + b'{"study": "b", "que')
    Journal(tmp_path, "q").note("c", state="complete", instances=1)
    again = Journal(tmp_path, "q")
    assert again.found == ["a", "c"]
    assert again.whole("c") == (1, "")


def test_another_query_finds_its_own_studies(tmp_path: Path) -> None:
    Journal(tmp_path, "q").note("a", state="complete", instances=4)
    other = Journal(tmp_path, "other")
    assert other.found == []
    assert other.whole("a") is None


def test_a_study_that_was_whole_and_is_no_longer_is_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "q")
    journal.note("a", state="complete", instances=4)
    journal.note("a", state="partial", instances=3)
    assert Journal(tmp_path, "q").whole("a") is None
