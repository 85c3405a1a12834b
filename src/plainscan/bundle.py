"""The model bundle: a folder with `model.onnx` and `card.json`, complete or refused.

The card carries everything that scores depend on: windows, input size, finding order, calibration and
operating points, and where they come from. `model.onnx` has one input, `image` (slices, channels, size,
size) float32 in [0, 1] as `ct.prepare.network_input` makes it, and two outputs: `logits` (slices,
findings) and `maps` (slices, findings, grid, grid), whose pool (the card's `pooling`) plus a bias is the logit.

The card's file also holds `card_sha256`, the hash of its other fields: a threshold that was edited, or damaged
on a disk, does not load.

One bundle comes with plainscan, in `plainscan/weights`; the word `plainscan` names it wherever a bundle is asked for.
Its file `SHA256SUMS` lists what the other two must be (`sha256sum -c SHA256SUMS` checks the same).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plainscan.ct.prepare import PREPARATION
from plainscan.errors import BundleError
from plainscan.findings import FINDING_KEYS
from plainscan.setting_types import SHIPPED, Positive, Share, ShippedName, WindowPair, explain
from plainscan.storage import file_hash, whole_file

FORMAT: Final = 1
MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "card.json"
SEAL: Final = "card_sha256"
SUMS_FILE: Final = "SHA256SUMS"
SHIPPED_FOLDER: Final = Path(__file__).parent / "weights"
IntegerEngine = Literal["int8", "mixed"]
INTEGER_ENGINES: Final[tuple[IntegerEngine, ...]] = ("int8", "mixed")  # the quickest first
INT8_AUC_FALL: Final = 0.002  # at most, where integers are to be the default
INT8_DECISIONS_CHANGED: Final = 0.005  # share of slices, likewise
Pooling = Literal["mean", "log_mean_exp"]
_REINSTALL: Final = (
    "Install plainscan again (pip install --force-reinstall plainscan; in a clone: "
    "git checkout -- src/plainscan/weights), or name another bundle."
)
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


class Measured(_Part):
    """One figure on slices that the weights were not trained on; but for `data` as `metrics.json` has it."""

    data: str  # which slices, of whom
    figure: str
    level: str
    finding: str
    value: float | None
    low: float | None = None  # ends of the interval, patients resampled
    high: float | None = None
    n: Annotated[int, Field(ge=0)]
    n_positive: Annotated[int, Field(ge=0)]
    clusters: Annotated[int, Field(ge=0)]  # patients
    valid_resamples: Annotated[int, Field(ge=0)] = 0
    note: str = ""


class Int8Check(_Part):
    """What integers did to "any finding" on some slices, beside the float32 of the same weights."""

    engine: IntegerEngine = "int8"
    data: str  # which slices
    n: Annotated[int, Field(ge=1)]
    n_positive: Annotated[int, Field(ge=0)]
    auc_fall: float | None  # of the slice AUC, where the label is known; negative where it rose
    decisions_changed: Share
    largest_logit_change: Annotated[float, Field(ge=0)]

    @property
    def holds(self) -> bool:
        """Whether so much may change."""
        fall = self.auc_fall
        return fall is not None and fall <= INT8_AUC_FALL and self.decisions_changed <= INT8_DECISIONS_CHANGED


class Int8(_Part):
    """What the network needs to run on 8-bit integers, and what that was found to change."""

    ranges: dict[str, tuple[float, float]]  # lowest and highest value of each activation
    measured_on: str  # which slices the ranges are of
    checks: Annotated[tuple[Int8Check, ...], Field(min_length=1)]

    @property
    def default(self) -> IntegerEngine | Literal["fp32"]:
        """What scores when nobody asks for an engine: the quickest that was checked and that no check forbids."""
        for engine in INTEGER_ENGINES:
            found = [check.holds for check in self.checks if check.engine == engine]
            if found and all(found):
                return engine
        return "fp32"


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
    context_mm: Annotated[float, Field(ge=0, le=100)] = 0.0  # how far a slice's neighbors count; 0: each slice alone
    study_rule: str = "mean_of_top_3"  # how slice probabilities become a study's
    pooling: Pooling = "mean"  # how a map becomes its logit, up to a bias
    int8: Int8 | None = None
    provenance: dict[str, Any]
    world: str | None = None  # version of the synthetic world, where the weights saw nothing else
    recipe: dict[str, Any] = {}  # the experiment's file, where the run is part of the repository
    figures: tuple[Measured, ...] = ()
    known_failures: tuple[str, ...] = ()
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
    """Put a bundle in place: both files are written whole before one of those that stood there is replaced.

    Killed between the two, a card stands beside a model that is not its own, which ``read_card`` refuses.

    Raises:
        BundleError: A field of the card is out of range.
        StorageError: The disk is full or the folder cannot be written; what stood there still stands.
    """
    _card(card.model_dump(), folder / CARD_FILE)
    sealed = {SEAL: seal_of(card), **json.loads(card.model_dump_json())}
    with whole_file(folder / MODEL_FILE) as weights, whole_file(folder / CARD_FILE) as text:
        weights.write_bytes(model)
        text.write_text(json.dumps(sealed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """Read a bundle's card, verify its own hash, and the model file against it.

    Raises:
        BundleError: A file is missing or cannot be read, the card is not as declared or was edited, the model's
            hash differs, or the findings are not this version's.
    """
    for name, other in ((CARD_FILE, MODEL_FILE), (MODEL_FILE, CARD_FILE)):
        if not (folder / name).is_file():
            raise BundleError(
                f"no {name}",
                where=_said(folder),
                expected=_expected(folder, name, other),
                remedy="Name the folder that `plainscan train` (RUN/model) or `plainscan calibrate` (RUN/calibrated) "
                "wrote, with both its files; or give the word plainscan.",
            )
    try:
        text = (folder / CARD_FILE).read_text(encoding="utf-8")
        found = file_hash(folder / MODEL_FILE)
    except OSError as error:
        raise BundleError(
            error.strerror or "cannot be read",
            where=_said(Path(error.filename or folder)),
            expected="a file that can be read",
            remedy="Check its permissions.",
        ) from error
    except UnicodeDecodeError as error:
        raise _no_card("not UTF-8", folder / CARD_FILE) from error
    card = _sealed_card(text, folder / CARD_FILE)
    if found != card.model_sha256:
        raise BundleError(
            f"SHA-256 {found}",
            where=_said(folder / MODEL_FILE),
            expected=card.model_sha256,
            remedy="The model was altered or belongs to another card; copy the bundle again.",
        )
    _check_version(card, folder)
    return card


def _check_version(card: Card, folder: Path) -> None:
    for name, mine in (("findings", FINDING_KEYS), ("preparation", PREPARATION)):
        if getattr(card, name) != mine:
            raise BundleError(
                f"{name} {getattr(card, name)}",
                where=_said(folder / CARD_FILE),
                expected=str(mine),
                remedy=f"Use plainscan {card.plainscan}, which wrote it, or train it again.",
            )


def located(bundle: Path | ShippedName) -> Path:
    """The folder of a bundle as the settings name it: a path, or the word `plainscan` (a string).

    Raises:
        BundleError: The bundle that comes with plainscan was asked for and is incomplete or altered.
    """
    return shipped() if bundle == SHIPPED else Path(bundle)


def shipped() -> Path:
    """The folder of the bundle that comes with plainscan, its files held against their listed hashes.

    Raises:
        BundleError: A file is missing, altered or of another version; the message has its name and both hashes.
    """
    listed = _listed(SHIPPED_FOLDER / SUMS_FILE)
    for name in (CARD_FILE, MODEL_FILE):
        path = SHIPPED_FOLDER / name
        found = f"SHA-256 {file_hash(path)}" if path.is_file() else "no such file"
        if found != f"SHA-256 {listed[name]}":
            raise BundleError(found, where=_said(path), expected=f"SHA-256 {listed[name]}", remedy=_REINSTALL)
    return SHIPPED_FOLDER


def write_sums(folder: Path) -> None:
    """List the hashes of a bundle that is to be shipped, in the format of `sha256sum`."""
    with whole_file(folder / SUMS_FILE) as partial:
        lines = [f"{file_hash(folder / name)}  {name}\n" for name in (CARD_FILE, MODEL_FILE)]
        partial.write_text("".join(lines), encoding="ascii")


def _listed(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise BundleError(
            "no such file: this copy of plainscan has no weights of its own",
            where=_said(path),
            expected=f"{CARD_FILE}, {MODEL_FILE} and their hashes",
            remedy=_REINSTALL,
        ) from error
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if set(listed) != {CARD_FILE, MODEL_FILE}:
        raise BundleError(
            f"SHA-256 {file_hash(path)}, lists {', '.join(map(repr, listed)) or 'nothing'}",
            where=_said(path),
            expected=f"the hashes of {CARD_FILE} and {MODEL_FILE}",
            remedy=_REINSTALL,
        )
    return listed


def _said(path: Path) -> str:
    """A path as a message gives it: one inside the package without what lies above, which nobody gave us."""
    above = SHIPPED_FOLDER.parents[1]
    return str(path.relative_to(above) if path.is_relative_to(SHIPPED_FOLDER) else path)


def _expected(folder: Path, name: str, other: str) -> str:
    """What should lie in a bundle, with the hash of the part that is missing where the other part tells it."""
    try:
        if name == MODEL_FILE:
            return f"the model with SHA-256 {json.loads((folder / other).read_text(encoding='utf-8'))['model_sha256']}"
        return f"the card of the model with SHA-256 {file_hash(folder / other)}"
    except (OSError, ValueError, LookupError, TypeError):
        return f"a folder with {MODEL_FILE} and {CARD_FILE}"


def _sealed_card(text: str, path: Path) -> Card:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_card(f"not JSON ({error})", path) from error
    seal = fields.pop(SEAL, None) if isinstance(fields, dict) else None
    card = _card(fields, path)
    if seal != _seal(fields):
        raise BundleError(
            f"the card was edited, or has no {SEAL}: SHA-256 of its fields {_seal(fields)}",
            where=_said(path),
            expected=str(seal or "a card as it was written"),
            remedy="Thresholds that nobody chose on data decide nothing: copy the bundle again, or train it again.",
        )
    return card


def _card(fields: object, path: Path) -> Card:
    try:
        return Card.model_validate(fields)
    except ValidationError as error:
        raise _no_card(explain(error), path) from error


def _no_card(found: str, path: Path) -> BundleError:
    return BundleError(
        found,
        where=_said(path),
        expected=f"a card of format {FORMAT}",
        remedy="Copy the bundle again, or write it again with `plainscan train`.",
    )


def seal_of(card: Card) -> str:
    """A card's own hash: two cards of one file of weights have two."""
    return _seal(json.loads(card.model_dump_json()))


def _seal(fields: object) -> str:
    """SHA-256 of a card's canonical JSON: keys sorted, no spaces."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
