from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.inference.tiny_bundle import ship_tiny, tiny_bundle
from tests.learning.toy import write_run

from plainscan.bundle import read_card
from plainscan.config import TrainSettings
from plainscan.errors import BundleError, ConfigError, LeakError
from plainscan.stages.lineage import (
    PARTIAL,
    PATIENTS,
    check_init,
    known_as,
    names_all,
    origin,
    pseudonyms,
    say_if_unknown,
    start_note,
    starts_unnamed,
    training_patients,
)
from plainscan.storage import file_hash
from plainscan.tables import COHORT, PREPARED, empty, read, write


def settings(init: object, network: str = "resnet18", **more: object) -> TrainSettings:
    return TrainSettings.model_validate({"init": init, "network": network, **more})


def test_the_shipped_weights_leak_nobody_and_add_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship_tiny(tmp_path, monkeypatch, network="resnet18")
    frame = write_run(tmp_path / "run")
    check_init(frame, settings("plainscan"))
    assert capsys.readouterr().err == ""
    assert (
        training_patients(frame, "plainscan") == training_patients(frame, None) == pseudonyms(f"p{i}" for i in range(6))
    )


def test_a_training_names_what_it_started_from_by_hash_and_by_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = ship_tiny(tmp_path, monkeypatch, name="ours")
    digest = file_hash(shipped / "model.onnx")
    assert origin("plainscan") == {"name": "plainscan", "bundle": "ours", "hash": digest, "world": "world-0"}
    mine = tiny_bundle(tmp_path / "mine" / "model")
    assert origin(mine) == {"name": "model", "bundle": "tiny", "hash": digest}
    (tmp_path / "w.pth").write_bytes(b"1")
    assert origin(tmp_path / "w.pth") == {"name": "w.pth", "hash": file_hash(tmp_path / "w.pth")}


@pytest.mark.parametrize(
    ("network", "of_bundle"),
    [("resnet18", "resnet50-fine"), ("resnet18-fine", "resnet50-fine"), ("resnet50", "resnet18")],
)
def test_a_bundle_of_another_network_is_refused_and_both_are_named(
    network: str, of_bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_tiny(tmp_path, monkeypatch, network=of_bundle)
    frame = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=f"{network}, but the weights to start from are of {of_bundle}") as caught:
        check_init(frame, settings("plainscan", network))
    assert "train.init: plainscan" in str(caught.value)
    assert f'Set network = "{of_bundle}"' in str(caught.value)


@pytest.mark.parametrize("network", ["resnet50", "resnet50-fine"])
def test_another_head_on_the_same_trunk_may_start_and_is_said_to_be_random(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship_tiny(tmp_path, monkeypatch, network="resnet50-fine")
    check_init(write_run(tmp_path / "run"), settings("plainscan", network))
    said = capsys.readouterr().err
    assert ("the head of a resnet50 starts from random weights" in said) == (network == "resnet50")
    assert ("--network resnet50-fine" in said) == (network == "resnet50")


def test_other_windows_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship_tiny(tmp_path, monkeypatch, network="resnet18")
    check_init(write_run(tmp_path / "run"), settings("plainscan", windows="40/80"))
    assert "plainscan saw windows 40/80, 80/200, 600/2800; this training has 40/80" in capsys.readouterr().err


def test_a_file_does_not_say_whom_it_has_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_init(write_run(tmp_path / "run"), settings(tmp_path / "w.pth"))
    assert "does not say which patients it was trained on" in capsys.readouterr().err


def test_a_list_of_patients_is_whole_only_where_that_of_the_start_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship_tiny(tmp_path, monkeypatch, network="resnet18")
    (tmp_path / "w.pth").write_bytes(b"weights")
    whole = tiny_bundle(tmp_path / "whole", network="resnet18", provenance={PATIENTS: pseudonyms(["p99"])})
    silent = tiny_bundle(tmp_path / "silent", network="resnet18", provenance={"seed": 1})
    child = tiny_bundle(tmp_path / "child", network="resnet18", provenance={PATIENTS: ["a"], PARTIAL: True})
    assert [starts_unnamed(init) for init in (None, "plainscan", whole)] == [False] * 3
    assert [starts_unnamed(init) for init in (tmp_path / "w.pth", silent, child)] == [True] * 3
    assert [names_all(read_card(path)) for path in (whole, silent, child)] == [True, False, False]
    say_if_unknown(read_card(child), "score")
    check_init(write_run(tmp_path / "run"), settings(child))
    assert capsys.readouterr().err.count("does not say which patients it was trained on") == 2


def test_a_bundle_that_has_seen_a_patient_of_tune_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    bundle = tiny_bundle(tmp_path / "seen", network="resnet18", provenance={PATIENTS: pseudonyms(["p7"])})
    with pytest.raises(LeakError, match="1 of 3 patient identifiers"):
        check_init(read(tmp_path / "run", PREPARED), settings(bundle))


def test_a_patient_who_was_joined_is_known_by_every_identifier_that_the_archive_has(tmp_path: Path) -> None:
    """Else a bundle trained on Z, joined to p0, would be judged on Z in another run."""
    prepared = write_run(tmp_path / "run")
    assert known_as(tmp_path / "run", prepared).height == prepared["patient_id"].n_unique()
    own = pl.col("patient_id").replace({"p1": "Z"})
    write(
        pl.concat([empty(COHORT), prepared.with_columns(own)], how="diagonal")[list(COHORT.columns)],
        tmp_path / "run",
        COHORT,
    )
    people = known_as(tmp_path / "run", prepared)
    assert set(people["patient_id"]) == {*prepared["patient_id"], "Z"}
    assert set(pseudonyms(["p1", "Z"])) <= set(training_patients(people, None))
    assert set(pseudonyms(["p1"])) <= set(training_patients(prepared, None))


def test_shipped_weights_that_are_altered_start_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = ship_tiny(tmp_path, monkeypatch)
    (shipped / "card.json").write_text("{}")
    with pytest.raises(BundleError, match=r"plainscan/weights/card\.json: SHA-256"):
        check_init(write_run(tmp_path / "run"), settings("plainscan"))


@pytest.mark.parametrize(
    ("start", "synthetic", "words"),
    [
        ({}, True, []),
        ({"init": None}, True, []),
        ({"init": {"name": "weights.pth"}}, True, ["weights.pth"]),
        ({"init": {"name": "plainscan"}}, False, ["plainscan"]),
        ({"init": {"name": "plainscan"}}, True, ["plainscan", "flatter"]),
    ],
)
def test_a_reader_is_told_what_the_training_started_from(
    tmp_path: Path, start: dict[str, object], synthetic: bool, words: list[str]
) -> None:
    card = read_card(tiny_bundle(tmp_path)).model_copy(update={"provenance": {"settings": start}})
    said = start_note(card, synthetic, external=False)
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)


@pytest.mark.parametrize(
    ("external", "begins"), [(False, "This training started from"), (True, "The bundle's training started from")]
)
def test_the_training_of_a_bundle_from_elsewhere_is_not_called_this_one(
    tmp_path: Path, external: bool, begins: str
) -> None:
    start = {"settings": {"init": {"name": "plainscan"}}}
    card = read_card(tiny_bundle(tmp_path)).model_copy(update={"provenance": start})
    (said,) = start_note(card, synthetic=False, external=external)
    assert said.startswith(f"{begins} the weights “plainscan”")
