from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.cohort.heads import study
from tests.inference.tiny_bundle import tiny_bundle

from plainscan import tables
from plainscan.config import EvaluateSettings, LeakSettings, SplitSettings, TrainSettings
from plainscan.errors import LeakError, SourceError, TableError
from plainscan.evaluation.bootstrap import Figure
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.stages import evaluate, leak, split, train
from plainscan.stages.leak_meter import METER_FILE, METER_PICTURE, memory_words, meter_plot

PEOPLE, SLICES = 30, 8
SECRETS = ("Wang^Li", "QQ", "1.2.840.77.")


def build(
    folder: Path,
    *,
    person: dict[int, int] | None = None,
    again: dict[int, int] | None = None,
    patient: dict[int, str] | None = None,
) -> Path:
    """A run folder with cohort, labels, catalogue and pixels; person i has study 2i and 2i + 1.

    Args:
        folder: Where.
        person: Study -> number of its name and birth date.
        again: Study -> study whose pixels it has.
        patient: Person -> patient identifier.
    """
    rows, pixels = [], []
    for number in range(2 * PEOPLE):
        pixels.append(study(1000 + (again or {}).get(number, number), SLICES))
        rows += [
            {
                "patient_id": (patient or {}).get(number // 2, f"Wang^Li{number // 2:02d}"),
                "study_uid": f"1.2.840.77.{number:03d}",
                "series_uid": f"s{number:03d}",
                "instance_uid": f"QQ{number:03d}.{i}",
                "frame": 0,
                "kind": "dicom",
                "source": "archive",
                "path": f"{number}/{i}",
                "slice_height": i / SLICES,
                "manufacturer": "ABCD"[number // 2 % 4],
                "patient_sex": "F",
                "study_date": f"2019{1 + number % 12:02d}{1 + number // 4:02d}",
                "person": (person or {}).get(number, 100 + number // 2),
                **dict.fromkeys(FINDING_KEYS, int((number // 2 % 2) == 1 and i < 5)),
            }
            for i in range(SLICES)
        ]
    for table in (tables.CATALOGUE, tables.COHORT, tables.LABELS):
        kept = [{key: row[key] for key in row if key in table.columns} for row in rows]
        tables.write(tables.from_rows(kept, table), folder, table)
    (folder / tables.SHARD_FOLDER).mkdir(exist_ok=True)
    np.save(folder / tables.SHARD_FOLDER / "shard-0000.npy", np.concatenate(pixels)[:, None])
    return folder


def prepare(folder: Path, **settings: object) -> Path:
    """Split, and put the pixels beside the manifest as `prepare` would."""
    split.run(folder, SplitSettings(**settings))  # type: ignore[arg-type]
    manifest = tables.read(folder, tables.MANIFEST).sort("study_uid", "instance_uid")
    rows = manifest.with_columns(
        pl.lit("shard-0000.npy").alias("shard"),
        pl.Series("row", range(manifest.height), pl.Int32),
        *(pl.lit(0.0).alias(name) for name in ("box_top_px", "box_left_px", "box_side_px")),
    )
    tables.write(rows, folder, tables.PREPARED)
    return folder


def look(folder: Path, **settings: object) -> dict[str, int | float | str]:
    return leak.run(folder, LeakSettings(**{"slices": 0, **settings}))  # type: ignore[arg-type]


def test_people_without_a_leak_pass_and_the_record_says_so(tmp_path: Path) -> None:
    counts = look(prepare(build(tmp_path)))
    assert counts == {"studies": 60, "pairs": 0, "across splits": 0, "accepted": 0}
    assert json.loads((tmp_path / "leak.run.json").read_text(encoding="utf-8"))["counts"] == counts
    leak.refuse_leaks(tmp_path)


def crossing(folder: Path) -> tuple[int, int]:
    """Two studies of different patients in train and test."""
    where = tables.read(folder, tables.PREPARED).group_by("study_uid", maintain_order=True).agg(pl.col("split").first())
    number = {name: i for i, name in reversed([*enumerate(where["split"])])}
    return number["train"], number["test"]


def apart(folder: Path) -> None:
    """Split until the studies of the first two people are on two sides, and prepare."""
    for seed in range(20):
        prepare(folder, seed=seed)
        splits = (
            tables.read(folder, tables.PREPARED).sort("study_uid").group_by("study_uid", maintain_order=True).first()
        )
        if splits["split"][0] != splits["split"][2]:
            return
    pytest.fail("always on one side")


@pytest.mark.parametrize("kind", ["same_person", "same_pixels"])
def test_a_pair_across_splits_stops_until_it_is_kept_together(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = crossing(prepare(build(tmp_path)))
    one = {"person": {a: 5000, b: 5000}} if kind == "same_person" else {"again": {b: a}}
    prepare(build(tmp_path, **one))
    for stop in (lambda: look(tmp_path), lambda: leak.refuse_leaks(tmp_path), lambda: look(tmp_path)):
        with pytest.raises(LeakError, match=f"1 pair of studies on two .* 1 {kind}") as caught:
            stop()
        assert "split RUN --joined RUN/joins.csv" in str(caught.value)
        assert not [secret for secret in SECRETS if secret in str(caught.value)]
    (row,) = tables.read(tmp_path, tables.LEAKS).to_dicts()
    assert {row["split"], row["other_split"]} == {"train", "test"}
    joins = (tmp_path / leak.JOINS_FILE).read_text(encoding="utf-8")

    prepare(tmp_path, joined=tmp_path / leak.JOINS_FILE)
    assert tables.read(tmp_path, tables.PREPARED)["patient_id"].n_unique() == PEOPLE - 1
    assert look(tmp_path)["across splits"] == 0
    assert (tmp_path / leak.JOINS_FILE).read_text(encoding="utf-8") == joins, "joins are not forgotten once joined"
    said = capsys.readouterr()
    assert not [secret for secret in SECRETS if secret in said.err + said.out]


def test_an_identifier_written_in_two_ways_stops_until_it_is_kept_together_and_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apart(build(tmp_path, patient={1: "ｗａｎｇ^LI 00"}))
    with pytest.raises(LeakError, match=r"1 same_identifier \(one patient identifier, written in two ways\)") as caught:
        look(tmp_path)
    said = capsys.readouterr()
    assert not [secret for secret in (*SECRETS, "ｗａｎｇ") if secret in said.err + said.out + str(caught.value)]
    (row,) = tables.read(tmp_path, tables.LEAKS).to_dicts()
    assert (row["kind"], row["slices"], row["crosses"]) == ("same_identifier", 0, True)
    prepare(tmp_path, joined=tmp_path / leak.JOINS_FILE)
    assert look(tmp_path)["across splits"] == 0


def test_leading_zeros_are_a_hint_that_stops_nothing_until_a_person_says_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apart(build(tmp_path, patient={0: "770", 1: "0000770"}))
    tables.CATALOGUE.path(tmp_path).unlink()  # no names that would speak against it
    assert look(tmp_path) == {"studies": 60, "pairs": 1, "across splits": 0, "accepted": 0}
    said = capsys.readouterr()
    assert (
        "1 same_digits (patient identifiers that differ in leading zeros alone): a hint that stops nothing" in said.err
    )
    assert "770" not in said.err + said.out
    (row,) = tables.read(tmp_path, tables.LEAKS).to_dicts()
    assert (row["kind"], row["strength"], row["crosses"]) == ("same_digits", 0.5, False)
    assert (tmp_path / leak.JOINS_FILE).read_text(encoding="utf-8") == "patient_id,same_as\n"
    with pytest.raises(LeakError, match="1 same_identifier"):
        look(tmp_path, drop_zeros=True)
    assert (tmp_path / leak.JOINS_FILE).read_text(encoding="utf-8") == "patient_id,same_as\n770,0000770\n"
    accepted = tmp_path / "accepted.csv"
    accepted.write_text(f"pair,who,why\n{row['pair']},Dr. Chen,of two ranges\n", encoding="utf-8")
    assert look(tmp_path, accepted=accepted)["accepted"] == 1


def test_neither_training_nor_judging_goes_on_while_a_pair_crosses(tmp_path: Path) -> None:
    a, b = crossing(prepare(build(tmp_path)))
    prepare(build(tmp_path, again={b: a}))
    with pytest.raises(LeakError):
        look(tmp_path)
    for stage, settings in ((train, TrainSettings()), (evaluate, EvaluateSettings())):
        with pytest.raises(LeakError, match="two sides of the split"):
            stage.run(tmp_path, settings)  # type: ignore[arg-type]


def test_a_search_that_did_not_end_stops_training_for_its_table_is_of_an_earlier_split(tmp_path: Path) -> None:
    look(prepare(build(tmp_path)))
    (tmp_path / "leak.run.json").unlink()  # a stage takes its record away when it begins
    for stage, settings in ((train, TrainSettings()), (evaluate, EvaluateSettings())):
        with pytest.raises(TableError, match="did not end"):
            stage.run(tmp_path, settings)  # type: ignore[arg-type]


def test_joins_of_which_nobody_is_here_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path)
    joins = tmp_path / "joins.csv"
    joins.write_text("patient_id,same_as\nQQ1,QQ2\n", encoding="utf-8")
    with pytest.raises(SourceError, match="none of its 2 patient identifiers is in the cohort") as caught:
        prepare(tmp_path, joined=joins)
    assert "QQ" not in str(caught.value)
    joins.write_text("patient_id,same_as\nQQ1,Wang^Li00\nWang^Li01,Wang^Li00\n", encoding="utf-8")
    prepare(tmp_path, joined=joins)
    assert "1 of 3 identifiers in joins.csv not in the cohort" in capsys.readouterr().err


def test_a_pair_is_accepted_by_name_and_the_record_says_by_whom(tmp_path: Path) -> None:
    a, b = crossing(prepare(build(tmp_path)))
    prepare(build(tmp_path, person={a: 5000, b: 5000}))
    with pytest.raises(LeakError):
        look(tmp_path)
    name = tables.read(tmp_path, tables.LEAKS)["pair"].item()
    accepted = tmp_path / "accepted.csv"
    accepted.write_text(f"pair,who,why\n{name},Dr. Chen,twins by birth\nLgone,Dr. Chen,old\n", encoding="utf-8")
    counts = look(tmp_path, accepted=accepted)
    assert (counts["across splits"], counts["accepted"]) == (0, 1)
    assert counts["accepted_pairs"] == f"{name} by Dr. Chen: twins by birth"
    leak.refuse_leaks(tmp_path)
    (note,) = leak.accepted_note(tmp_path)
    assert f"{name} (one name and birth date" in note
    assert "by Dr. Chen: twins by birth" in note
    assert (tmp_path / leak.JOINS_FILE).read_text(encoding="utf-8") == "patient_id,same_as\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pair,who\nL1,me\n", "no column why"),
        ("pair,who,why\nL1,me,\n", "row 2: empty why"),
        ("", "no column pair, who, why"),
    ],
)
def test_an_acceptance_without_a_reason_is_none(tmp_path: Path, text: str, found: str) -> None:
    prepare(build(tmp_path))
    (tmp_path / "accepted.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=found):
        look(tmp_path, accepted=tmp_path / "accepted.csv")


def test_a_study_under_two_uids_of_one_patient_is_told_and_stops_nothing(tmp_path: Path) -> None:
    counts = look(prepare(build(tmp_path, again={7: 6})))
    assert (counts["pairs"], counts["across splits"]) == (1, 0)


def test_a_split_by_image_is_said_and_not_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = look(prepare(build(tmp_path, again={9: 2}), unit="image"))
    assert (counts["pairs"], counts["across splits"]) == (1, 0)
    assert "split by image" in capsys.readouterr().err


def test_a_study_that_comes_again_upside_down_is_found(tmp_path: Path) -> None:
    shard = build(tmp_path) / tables.SHARD_FOLDER / "shard-0000.npy"
    pixels = np.load(shard)
    pixels[9 * SLICES : 10 * SLICES] = pixels[2 * SLICES : 3 * SLICES, :, ::-1]
    np.save(shard, pixels)
    look(prepare(tmp_path, unit="image"))
    (row,) = tables.read(tmp_path, tables.LEAKS).to_dicts()
    assert (row["kind"], row["study_uid"][-3:], row["other_study_uid"][-3:]) == ("mirrored", "002", "009")


def test_a_split_by_image_stops_nothing_where_each_picture_is_a_study_of_its_own(tmp_path: Path) -> None:
    build(tmp_path, again={9: 2})
    for table in (tables.CATALOGUE, tables.COHORT, tables.LABELS):
        alone = tables.read(tmp_path, table).with_columns(
            pl.format("{}.{}", "study_uid", "instance_uid").alias("study_uid")
        )
        tables.write(alone, tmp_path, table)
    prepare(tmp_path, unit="image")
    assert look(tmp_path)["across splits"] == 0
    leaks = tables.read(tmp_path, tables.LEAKS)
    assert (leaks["split"] != leaks["other_split"]).any(), "some lie on two sides"


def test_a_run_without_headers_says_that_they_were_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(build(tmp_path))
    tables.CATALOGUE.path(tmp_path).unlink()
    look(tmp_path)
    assert "no headers to compare" in capsys.readouterr().err


def test_a_split_made_after_the_look_asks_for_another(tmp_path: Path) -> None:
    from plainscan.stages.chain import check_fresh

    look(prepare(build(tmp_path)))
    prepare(tmp_path, seed=3)
    with pytest.raises(TableError, match="plainscan leak"):
        check_fresh(tmp_path, "train")


def test_a_leak_meter_that_cannot_be_made_says_what_its_labels_lack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(build(tmp_path))
    rows = tables.read(tmp_path, tables.PREPARED).with_columns(pl.lit(0, pl.Int8).alias(key) for key in FINDING_KEYS)
    tables.write(rows, tmp_path, tables.PREPARED)
    look(tmp_path, slices=4, model=tiny_bundle(tmp_path / "tiny"), resamples=20)
    assert "no leak meter: 30 patients with known labels, 0 of 240 slices with a finding" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.11, "of the AUC by image 0.110 (0.100 to 0.120) is not there by patient"),
        (0.0, "the probe does no better by image than by patient: 0.000 (-0.010 to 0.010)"),
        (-0.11, "the probe does no better by image than by patient: -0.110 (-0.120 to -0.100)"),
        (None, "how much of the AUC by image is not there by patient: not estimable"),
    ],
)
def test_a_difference_that_is_no_memory_is_not_called_so(value: float | None, said: str) -> None:
    low, high = (None, None) if value is None else (value - 0.01, value + 0.01)
    figure = Figure("auc_image_above_patient", ANY_FINDING, "slice", value, low, high, 9, 4, 3, 10, "")
    assert memory_words(figure) == said


def test_the_leak_meter_is_a_figure_with_what_cannot_be_made_in_words(tmp_path: Path) -> None:
    prepare(build(tmp_path))
    look(tmp_path, slices=4, model=tiny_bundle(tmp_path / "tiny"), resamples=20)
    said = json.loads((tmp_path / METER_FILE).read_text(encoding="utf-8"))
    known = {figure["figure"]: figure for figure in said["figures"]}
    assert known["coin_auc_patient"]["low"] is not None
    assert known["auc_image"]["clusters"] == PEOPLE
    svg = (tmp_path / METER_PICTURE).read_text(encoding="utf-8")
    assert svg.startswith("<?xml")
    plot = meter_plot(tmp_path)
    assert plot is not None
    assert plot[2] == svg
    assert not [secret for secret in SECRETS if secret in svg + json.dumps(said)]
    prepare(tmp_path, seed=3)
    assert meter_plot(tmp_path) is None, "a figure of another split"
