"""The model bundle: a folder with `model.onnx` and `card.json`, complete or refused.

The card carries everything that scores depend on: windows, input size, finding order, calibration and
operating points, and where they come from. `model.onnx` has one input, `image` (slices, channels, size,
size) float32 in [0, 1] as `ct.prepare.network_input` makes it, and two outputs: `logits` (slices,
findings) and `maps` (slices, findings, grid, grid), whose mean plus bias is the logit.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from plainscan.config import WindowPair
from plainscan.errors import BundleError
from plainscan.findings import FINDING_KEYS
from plainscan.tables import file_hash, whole_file

FORMAT: Final = 1
MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "card.json"
INTENDED_USE: Final = "Research only. Not a medical device; not for diagnosis, triage or any clinical decision."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OperatingPoint(_Part):
    """A threshold with the rule that chose it, the data it was chosen on, and what it did there."""

    level: Literal["slice", "study"]
    finding: str
    threshold: float  # on the calibrated probability
    rule: str
    chosen_on: str
    sensitivity: float
    specificity: float
    n: int


class Calibration(_Part):
    """Platt scaling: probability = sigmoid(slope * logit + intercept), fitted on `fitted_on`."""

    finding: str
    slope: float = 1.0
    intercept: float = 0.0
    fitted_on: str = "none"


class Card(_Part):
    """What a bundle says of itself."""

    format: Literal[1] = FORMAT
    name: str
    plainscan: str  # version that wrote it
    network: str
    input_size: int
    windows: tuple[WindowPair, ...]
    neighbors: int
    findings: tuple[str, ...]
    calibration: tuple[Calibration, ...]  # one per finding, in the order of `findings`
    operating_points: tuple[OperatingPoint, ...]
    study_rule: str = "mean_of_top_3"  # how slice probabilities become a study's
    provenance: dict[str, Any]
    intended_use: str = INTENDED_USE
    model_sha256: str

    def channels(self) -> int:
        """Channels of the network input."""
        return len(self.windows) * (2 * self.neighbors + 1)


def write_bundle(folder: Path, model: bytes, card: Card) -> None:
    """Put a bundle in place: the model first, the card last, so that a half-written bundle does not load."""
    (folder / CARD_FILE).unlink(missing_ok=True)
    with whole_file(folder / MODEL_FILE) as partial:
        partial.write_bytes(model)
    with whole_file(folder / CARD_FILE) as partial:
        partial.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """Read a bundle's card and verify the model file against it.

    Raises:
        BundleError: A file is missing, the card is not as declared, the hash differs, or the findings are
            not this version's.
    """
    for name in (CARD_FILE, MODEL_FILE):
        if not (folder / name).is_file():
            raise BundleError(
                f"no {name}",
                where=str(folder),
                expected=f"a folder with {MODEL_FILE} and {CARD_FILE}",
                remedy="Name the folder that `plainscan train` wrote (RUN/model).",
            )
    try:
        card = Card.model_validate_json((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise BundleError(
            str(error).splitlines()[0], where=f"{folder / CARD_FILE}", expected=f"a card of format {FORMAT}"
        ) from error
    found = file_hash(folder / MODEL_FILE)
    if found != card.model_sha256:
        raise BundleError(
            f"SHA-256 {found}",
            where=f"{folder / MODEL_FILE}",
            expected=card.model_sha256,
            remedy="The model was altered or belongs to another card; copy the bundle again.",
        )
    if card.findings != FINDING_KEYS:
        raise BundleError(f"findings {card.findings}", where=f"{folder / CARD_FILE}", expected=str(FINDING_KEYS))
    return card


def copy_bundle(source: Path, target: Path) -> None:
    """Copy a verified bundle."""
    read_card(source)
    target.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_FILE, CARD_FILE):
        shutil.copyfile(source / name, target / name)
