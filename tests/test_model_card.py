"""The model card says what card.json says, whoever's bundle it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from docs.model_card import page
from tests.inference.tiny_bundle import tiny_bundle, tiny_card, tiny_model

from plainscan.bundle import Card, Measured
from plainscan.findings import FINDING_KEYS

SECTIONS = [
    *("What it is", "What it is for, and what not", "What it learned from", "How good it is", "Operating points"),
    *("Calibration", "Where it fails", "Hashes"),
]
FIGURE = Measured(
    data="200 single slices", figure="auc", level="slice", finding="hemorrhage", value=0.951, low=0.912, high=0.974,
    n=200, n_positive=100, clusters=199,
)  # fmt: skip


def shipped_card() -> Card:
    counts = {"patients": 30, "studies": 60, "slices": 960, "any_finding": 400, "no_finding": 560}
    return tiny_card(
        tiny_model(),
        world="world-1",
        recipe={"units": [], "world": {"patients": 30, "size": 64}, "train": {"network": "tiny", "augment": "wide"}},
        figures=(FIGURE,),
        known_failures=("Thin blood beside bone.",),
        provenance={
            "splits": {"train": counts, "tune": counts | {"slices": 32}, "test": counts | {"slices": 0}},
            "settings": {"init": None},
            "tune": {"tune_auc": 0.987, "tune_slices": 32},
            "trained_as": "ab" * 32,
            "stored_as_float16": {
                "slices": 32.0, "largest_logit_change": 0.002, "auc_change": 0.0, "decisions_changed": 0.0,
            },
            "best_epoch": 7,
        },
    )  # fmt: skip


def titles(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


@pytest.mark.parametrize("card", [shipped_card(), tiny_card(tiny_model())], ids=["shipped", "own"])
def test_every_section_stands_and_the_intended_use_comes_first(card: Card) -> None:
    text = page(card)
    assert titles(text) == SECTIONS
    assert text.index(card.intended_use) < text.index("## ")
    assert card.model_sha256 in text


def test_the_shipped_weights_say_what_they_learned_from_and_what_they_reach() -> None:
    text = page(shipped_card())
    assert "Synthetic studies alone" in text
    assert "`world-1`" in text
    assert "| 200 single slices | auc | slice | hemorrhage | 0.951 (0.912 to 0.974) | 200 | 100 | 199 |" in text
    assert "| train | 30 | 60 | 960 | 400 | 560 |" in text
    assert "| test |" not in text
    assert '[train]\nnetwork = "tiny"\naugment = "wide"\n```' in text
    assert "- Thin blood beside bone." in text
    assert "random weights. Best epoch: 7" in text
    assert "on 32 tuning slices changed a logit by at most 0.0020, the AUC by 0.00000 and 0.00 % of the dec" in text
    assert "another sensitivity" in text


def test_a_bundle_of_ones_own_leaves_open_what_its_card_does_not_know() -> None:
    text = page(tiny_card(tiny_model()))
    assert "Synthetic" not in text
    assert "Consent or waiver, ethics committee, license of data and weights: not known" in text
    assert "no figure on slices beyond its own tuning split" in text
    assert "## Where it fails\n\n- Not known" in text


def test_every_operating_point_and_calibration_is_a_row() -> None:
    text = page(shipped_card())
    assert "| slice | any finding | 0.6000 | 0.950 | 0.800 | 100 | tune |" in text
    assert text.count("| 1.000 | +0.000 | tune |") == len(FINDING_KEYS)


def test_the_script_prints_the_card_of_any_bundle(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "docs" / "model_card.py"
    command = [sys.executable, str(script), str(tiny_bundle(tmp_path / "model"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert titles(done.stdout) == SECTIONS


def test_thresholds_that_were_chosen_anew_say_on_whom() -> None:
    chosen = {"bundle": "old", "patients": 9, "slices": 99, "any_finding": 44, "target_sensitivity": 0.85}
    card = shipped_card()
    by_world, by_patients = (
        page(card.model_copy(update={"provenance": {**card.provenance, "calibrated": chosen | more}}))
        for more in ({"world": "world-2"}, {})
    )
    told = "on 99 slices of 9 {}, 44 of the slices with a finding; sensitivity asked for 0.85. Before that it was old."
    assert told.format("synthetic patients (version `world-2`)") in by_world
    assert told.format("patients") in by_patients
    for said in ("set its thresholds or calibrated it", "when no `--model` is given", "thresholds come from synthetic"):
        assert said in by_world
        assert said not in by_patients
    assert "No slice of a patient has trained it" in by_patients
