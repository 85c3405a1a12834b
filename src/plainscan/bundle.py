"""The model bundle: a folder with `model.onnx` and `card.json`, complete or refused.

The card carries everything that scores depend on: windows, input size, finding order, calibration and
operating points, and where they come from. `model.onnx` has one input, `image` (slices, channels, size,
size) float32 in [0, 1] as `ct.prepare.network_input` makes it, and two outputs: `logits` (slices,
findings) and `maps` (slices, findings, grid, grid), whose mean plus bias is the logit.

The card's file also holds `card_sha256`, the hash of its other fields: a threshold that was edited, or damaged
on a disk, does not load.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plainscan.config import Positive, Share, WindowPair, explain
from plainscan.ct.prepare import PREPARATION
from plainscan.errors import BundleError
from plainscan.findings import FINDING_KEYS
from plainscan.tables import file_hash, whole_file

FORMAT: Final = 1
MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "card.json"
SEAL: Final = "card_sha256"
INTENDED_USE: Final = "Research only. Not a medical device; not for diagnosis, triage or any clinical decision."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OperatingPoint(_Part):
    """A threshold with the rule that chose it, the data it was chosen on, and what it did there."""

    level: Literal["slice", "study"]
    finding: str
    threshold: Share  # on the calibrated probability
    rule: str
    chosen_on: str
    sensitivity: Share
    specificity: Share
    n: Annotated[int, Field(ge=0)]


class Calibration(_Part):
    """Platt scaling: probability = sigmoid(slope * logit + intercept), fitted on `fitted_on`."""

    finding: str
    slope: Annotated[float, Field(gt=0)] = 1.0  # 0 or less would turn the ranking round
    intercept: float = 0.0
    fitted_on: str = "none"


class Card(_Part):
    """What a bundle says of itself."""

    format: Literal[1] = FORMAT
    name: str
    plainscan: str  # version that wrote it
    network: str
    preparation: str = PREPARATION  # the rules of `ct.prepare` that its input was made by
    input_size: Positive
    windows: Annotated[tuple[WindowPair, ...], Field(min_length=1)]
    neighbors: Annotated[int, Field(ge=0)]
    findings: tuple[str, ...]
    calibration: tuple[Calibration, ...]  # one per finding, in the order of `findings`
    operating_points: tuple[OperatingPoint, ...]
    study_rule: str = "mean_of_top_3"  # how slice probabilities become a study's
    provenance: dict[str, Any]
    intended_use: str = INTENDED_USE
    model_sha256: str

    @model_validator(mode="after")
    def _one_calibration_per_finding(self) -> Card:
        if tuple(item.finding for item in self.calibration) != self.findings:
            raise ValueError("calibration is not one per finding, in their order")
        return self

    def channels(self) -> int:
        """Channels of the network input."""
        return len(self.windows) * (2 * self.neighbors + 1)


def write_bundle(folder: Path, model: bytes, card: Card) -> None:
    """Put a bundle in place: the model first, the card last, so that a half-written bundle does not load.

    Raises:
        BundleError: A field of the card is out of range.
    """
    _card(card.model_dump(), folder / CARD_FILE)
    (folder / CARD_FILE).unlink(missing_ok=True)
    with whole_file(folder / MODEL_FILE) as partial:
        partial.write_bytes(model)
    with whole_file(folder / CARD_FILE) as partial:
        fields = json.loads(card.model_dump_json())
        sealed = {SEAL: _seal(fields), **fields}
        partial.write_text(json.dumps(sealed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """Read a bundle's card, verify its own hash, and the model file against it.

    Raises:
        BundleError: A file is missing or cannot be read, the card is not as declared or was edited, the model's
            hash differs, or the findings are not this version's.
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
        text = (folder / CARD_FILE).read_text(encoding="utf-8")
        found = file_hash(folder / MODEL_FILE)
    except OSError as error:
        raise BundleError(
            error.strerror or "cannot be read",
            where=str(error.filename or folder),
            expected="a file that can be read",
            remedy="Check its permissions.",
        ) from error
    except UnicodeDecodeError as error:
        raise BundleError("not UTF-8", where=f"{folder / CARD_FILE}", expected=f"a card of format {FORMAT}") from error
    card = _sealed_card(text, folder / CARD_FILE)
    if found != card.model_sha256:
        raise BundleError(
            f"SHA-256 {found}",
            where=f"{folder / MODEL_FILE}",
            expected=card.model_sha256,
            remedy="The model was altered or belongs to another card; copy the bundle again.",
        )
    for name, mine in (("findings", FINDING_KEYS), ("preparation", PREPARATION)):
        if getattr(card, name) != mine:
            raise BundleError(
                f"{name} {getattr(card, name)}",
                where=f"{folder / CARD_FILE}",
                expected=str(mine),
                remedy="Use the version of plainscan that wrote it, or train it again.",
            )
    return card


def _sealed_card(text: str, path: Path) -> Card:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise BundleError(f"not JSON ({error})", where=str(path), expected=f"a card of format {FORMAT}") from error
    seal = fields.pop(SEAL, None) if isinstance(fields, dict) else None
    card = _card(fields, path)
    if seal != _seal(fields):
        raise BundleError(
            f"the card was edited, or has no {SEAL}",
            where=str(path),
            expected="a card as it was written",
            remedy="Thresholds that nobody chose on data decide nothing: copy the bundle again, or train it again.",
        )
    return card


def _card(fields: object, path: Path) -> Card:
    try:
        return Card.model_validate(fields)
    except ValidationError as error:
        raise BundleError(explain(error), where=str(path), expected=f"a card of format {FORMAT}") from error


def _seal(fields: object) -> str:
    """SHA-256 of a card's canonical JSON: keys sorted, no spaces."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
