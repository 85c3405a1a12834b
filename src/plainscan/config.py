"""The settings: one frozen section per stage. An unknown key is an error.

A setting lives here once: its key, type, range, default and meaning. The options of the command line and
the table in docs/reference/config.md are made from these fields. Paths are relative to where the command
is run.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plainscan.errors import ConfigError
from plainscan.setting_types import (
    SHIPPED,
    AeTitle,
    BundlePath,
    Day,
    Engine,
    FilePath,
    Hours,
    Modality,
    Network,
    PacsAddress,
    Positive,
    Quota,
    Seed,
    Share,
    Slices,
    WindowPair,
    Windows,
    explain,
)


class Section(BaseModel):
    """Base of all sections: immutable, no unknown key, no number that is none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SectionType = TypeVar("SectionType", bound=Section)
SENSITIVITY: Final = 0.95  # that thresholds are chosen for when nobody asks for another


class PhantomSettings(Section):
    """Make a synthetic cohort: DICOM files, reports and masks."""

    patients: Positive = Field(40, description="Number of patients; each has one to three studies.")
    size: Literal[256, 512] = Field(512, description="Rows and columns of an image.")
    slices: tuple[Slices, Slices] = Field((20, 36), description="Fewest and most slices of a study.")
    finding_rate: Share = Field(0.5, description="Share of studies with at least one finding.")
    language: Literal["zh", "en", "mixed"] = Field("mixed", description="Language of the reports.")
    seed: Seed = Field(2020, description="Same seed, same bytes.")

    @model_validator(mode="after")
    def _fewest_first(self) -> PhantomSettings:
        fewest, most = self.slices
        if fewest > most:
            raise ValueError(f"the fewest slices, {fewest}, are more than the most, {most}")
        return self


class WorldSettings(Section):
    """Make synthetic slices for training: shards with masks, straight from the generator, without DICOM."""

    patients: Positive = Field(1920, description="Number of patients; each has two studies.")
    slices: Slices = Field(16, description="Slices of a study.")
    size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = Field(192, description="Side of the input, pixels.")
    finding_rate: Share = Field(0.7, description="Share of studies with at least one finding.")
    tune: Share = Field(0.04, description="Share of patients in the tuning split.")
    test: Share = Field(0.02, description="Share of patients in the test split.")
    processes: Annotated[int, Field(ge=0, le=1024)] = Field(0, description="Processes; 0 means one per core.")
    seed: Seed = Field(2020, description="Same seed, same slices.")


class ScanSettings(Section):
    """Read the headers of a folder, ZIP or file into the catalogue."""

    source: FilePath = Field(description="Folder, ZIP, DICOMDIR or single file; anything may lie in it.")


class FetchSettings(Section):
    """Copy studies from a PACS, over DICOMweb or DIMSE; goes on where it was stopped.

    User and password come from PLAINSCAN_PACS_USER and PLAINSCAN_PACS_PASSWORD, or from the keyring.
    """

    pacs: PacsAddress = Field(description="http(s)://HOST/DICOMWEB, or dicom(s)://AE_TITLE@HOST:PORT; s is for TLS.")
    since: Day | None = Field(None, description="First day of the studies, YYYY-MM-DD.")
    until: Day | None = Field(None, description="Last day of the studies, YYYY-MM-DD; none: today.")
    accessions: FilePath | None = Field(None, description="Text or CSV file; first column: accession numbers.")
    modality: Modality = Field("CT", description="Modality of the series.")
    body_part: str | None = Field(None, description="Body part of the series; one without a body part is copied too.")
    description: str | None = Field(None, description="Words in the study description; * and ? stand for others.")
    retrieve: Literal["get", "move"] = Field("get", description="DIMSE: C-GET, or C-MOVE to --listen.")
    ae_title: AeTitle = Field("PLAINSCAN", description="DIMSE: our own AE title, as the PACS knows it.")
    listen: str | None = Field(None, description="C-MOVE: ADDRESS:PORT where the PACS delivers, as it knows it.")
    ca: FilePath | None = Field(None, description="TLS: PEM of who signed the PACS's certificate; none: the system's.")
    certificate: FilePath | None = Field(None, description="TLS: our own certificate, PEM.")
    key: FilePath | None = Field(None, description="TLS: its private key, PEM, without a passphrase.")
    keyring: bool = Field(False, description="Look credentials up in the system's keyring, not in the environment.")
    at_once: Annotated[int, Field(ge=1, le=16)] = Field(2, description="Studies at once.")
    bytes_per_second: Annotated[int, Field(ge=0)] = Field(0, description="Over all studies; 0: no limit.")
    hours: Hours | None = Field(None, description="Hours of the day to work in, HH:MM-HH:MM; may span midnight.")
    retries: Annotated[int, Field(ge=0, le=100)] = Field(5, description="Tries in a row that bring nothing new.")
    wait_s: Annotated[float, Field(gt=0, le=3600)] = Field(2.0, description="Before the first retry; then doubled.")
    timeout_s: Annotated[float, Field(ge=1, le=3600)] = Field(60.0, description="For an answer of the PACS.")

    @model_validator(mode="after")
    def _asks_for_something_that_it_can_get(self) -> FetchSettings:
        if not (self.since or self.accessions):
            raise ValueError("this would copy the whole PACS; set since or accessions")
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is after until")
        if self.retrieve == "move" and not self.listen:
            raise ValueError("C-MOVE delivers to a port of ours; set listen to ADDRESS:PORT")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together; set both or none")
        return self


class DeidentifySettings(Section):
    """Make a copy of an archive and its reports that names nobody, to share."""

    source: FilePath = Field(description="Folder, ZIP or single file; it is not changed.")
    key: FilePath = Field(
        description="Key file, made where there is none; the same key gives the same pseudonyms. It stays inside."
    )
    reports: FilePath | None = Field(None, description="Reports: anything that `label --reports` reads.")
    identifiers: FilePath | None = Field(
        None, description="CSV or .xlsx with study_uid: whatever else is in a row is removed from that study's report."
    )
    derived: bool = Field(False, description="Let derived and secondary images through, after the look for text.")
    burnt_in: Literal["refuse", "mask"] = Field(
        "refuse", description="What becomes of an image with text in its pixels."
    )
    deface: bool = Field(True, description="Cut the face off thin and reformatted series, and refuse localizers.")
    thin_mm: Annotated[float, Field(ge=0, le=20)] = Field(
        2.5, description="A series of slices no farther apart shows a face, mm."
    )


class SelectSettings(Section):
    """Choose one axial non-contrast soft-tissue head series a study."""

    minimum_slices: Positive = Field(
        8,
        description="A series with fewer slices is left out, unless most of a longer one is missing (flag few_slices).",
    )


class LabelSettings(Section):
    """Turn reports and slice labels into the table of labels."""

    reports: FilePath | None = Field(
        None, description="CSV or .xlsx with study_uid and report; .hl7, .json (FHIR), .dcm (SR); or a folder."
    )
    slices: FilePath | None = Field(
        None, description="CSV or .xlsx with instance_uid (or file) and one column per finding."
    )
    truth: FilePath | None = Field(None, description="Run folder of the phantom stage: labels from its masks.")


class ScoreSettings(Section):
    """Score the cohort by a bundle that has not seen its patients."""

    model: BundlePath = Field(
        SHIPPED, description="Bundle: a folder with model.onnx and card.json; plainscan is the one that comes with it."
    )
    keep: bool = Field(
        False, description="Keep the scores that are there; score only patients whom the bundles before had seen."
    )
    engine: Engine = Field("auto", description="Arithmetic, as of `predict`.")
    threads: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Slices at a time; 0 means one per core.")


class SlicesSettings(Section):
    """Give each slice of a study with a finding a probability; list those that a person must read."""

    answers: FilePath | None = Field(
        None,
        description="The reading list with any_finding filled in, CSV or .xlsx, or a folder of such lists; answers win "
        "over everything else.",
    )
    numbered: Literal["none", "lowest", "highest", "instance"] = Field(
        "none",
        description="What slice numbers in reports count: from 1 at the lowest or highest slice, or instance numbers; "
        "none: they are not used.",
    )
    absent_below: Share = Field(0.05, description="A slice below this probability is labeled without finding.")
    present_above: Share = Field(0.95, description="A slice above this probability is labeled with a finding.")

    @model_validator(mode="after")
    def _in_order(self) -> SlicesSettings:
        if self.absent_below > self.present_above:
            raise ValueError("absent_below lies above present_above; between them a person reads")
        return self


class DisagreeSettings(Section):
    """Rank the studies whose report and score disagree, with key slice, heat map and sentence."""

    model: BundlePath = Field(SHIPPED, description="The bundle that `score` used; it draws the heat maps.")
    most: Annotated[int, Field(ge=0, le=500)] = Field(50, description="Studies on the page; all are in the CSV.")


class SplitSettings(Section):
    """Split into train, tune and test by patient."""

    unit: Literal["patient", "image"] = Field("patient", description="What is drawn; by image leaks patients.")
    train: Share = Field(0.7, description="Share of the training split.")
    tune: Share = Field(0.2, description="Share of the tuning split.")
    test: Share = Field(0.1, description="Share of the test split.")
    seed: Seed = Field(2020, description="Same seed, same split.")
    no_finding: Quota | None = Field(None, description="Keep exactly so many slices without a finding.")
    any_finding: Quota | None = Field(None, description="Keep exactly so many slices with a finding.")
    joined: FilePath | None = Field(
        None, description="CSV with patient_id and same_as: identifiers of one person, such as joins.csv of leak."
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> SplitSettings:
        total = self.train + self.tune + self.test
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"train + tune + test is {total:g}, expected 1")
        return self


class PrepareSettings(Section):
    """Put HU on the network's grid, as memory-mapped shards."""

    size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = Field(256, description="Side of the input, pixels.")
    neighbors: Annotated[int, Field(ge=0, le=4)] = Field(0, description="Neighboring slices on each side.")


class AccountSettings(Section):
    """Write the account of the cohort: flow diagram, who is in it, its tables, a data sheet."""

    answers: FilePath | None = Field(
        None, description="TOML with answers to the questions that only people can answer, by the question's name."
    )


class LeakSettings(Section):
    """Find one person, acquisition or picture on two sides of the split, and measure how much of an AUC is memory."""

    accepted: FilePath | None = Field(
        None, description="CSV with pair, who and why: pairs that may stay on two sides, by name."
    )
    drop_zeros: bool = Field(
        False,
        description="Patient identifiers of digits that differ in leading zeros alone are one patient's, not a hint.",
    )
    model: BundlePath = Field(SHIPPED, description="Bundle whose features are compared; it is not trained.")
    slices: Annotated[int, Field(ge=0)] = Field(
        12, description="Slices of a study that the network looks at, evenly spaced. 0: no features, no leak meter."
    )
    resamples: Positive = Field(500, description="Bootstrap resamples of patients, for the leak meter.")
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="Coverage of its intervals.")
    seed: Seed = Field(2020, description="Of its folds, coins and resamples.")


class TrainSettings(Section):
    """Train one network with one logit per finding, and write its bundle."""

    network: Network = Field("resnet50", description="Which residual network; fine ones have maps at stride 8.")
    windows: Windows = Field(
        ((40.0, 80.0), (80.0, 200.0), (600.0, 2800.0)),
        description="Windows as channels, CENTER/WIDTH in HU, separated by commas.",
    )
    epochs: Positive = Field(20, description="Passes over the training split.")
    batch: Positive = Field(32, description="Slices in a step, over all processes.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Peak of the cosine schedule.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.05, description="Of weights; never of norms and biases.")
    warmup: Share = Field(0.05, description="Share of all steps.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="Of the forward pass. auto: bf16 on a GPU, or with AMX or AVX512-BF16; else fp32."
    )
    augment: Literal["off", "usual", "wide"] = Field(
        "usual", description="What else the scan could have looked like: one department's, or any department's."
    )
    start_size: Annotated[int, Field(ge=0, le=1024, multiple_of=32)] = Field(
        0, description="Side of the input at first, pixels; it grows to the prepared size. 0: that size throughout."
    )
    mask_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Weight of the masks' loss beside the labels'; for fine networks on slices with masks."
    )
    init: BundlePath | None = Field(
        None, description="What to start from: a weight file in torchvision's format, a bundle, or the word plainscan."
    )
    frozen: Annotated[int, Field(ge=0, le=4)] = Field(
        0, description="Stages of the trunk that keep the weights of init: quicker, and less to forget. 0: none."
    )
    keep_init: Share = Field(
        0.0, description="Share of init's weights in those that are kept: some forgets less of other scanners. 0: none."
    )
    target_sensitivity: Share = Field(
        SENSITIVITY, description="Operating point: best specificity with at least this on tune."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train.")
    seed: Seed = Field(2020, description="Same seed, same weights on the same machine.")

    @model_validator(mode="after")
    def _what_is_kept_has_a_start(self) -> TrainSettings:
        if self.frozen and self.init is None:
            raise ValueError("frozen stages keep the weights of init, and none is given; set init, or frozen to 0")
        if self.keep_init and self.init is None:
            raise ValueError("keep_init keeps weights of init, and none is given; set init, or keep_init to 0")
        return self


class CalibrateSettings(Section):
    """Choose a bundle's probabilities and thresholds anew, on labeled slices and without training."""

    model: BundlePath | None = Field(
        None, description="The bundle: a folder, or the word plainscan. When left out, the one that the run trained."
    )
    splits: Literal["tune", "train+tune"] = Field(
        "tune", description="Slices to choose on; train+tune is for a bundle that was trained elsewhere."
    )
    target_sensitivity: Share = Field(
        SENSITIVITY, description="Operating point: best specificity with at least this there."
    )


class EvaluateSettings(Section):
    """Judge the bundle on the test split; or one that was trained elsewhere, on any labeled slices."""

    model: BundlePath | None = Field(
        None, description="Judge this bundle, not the run's own: a folder, or the word plainscan. Needs no training."
    )
    split: Literal["test", "all"] = Field(
        "test", description="Slices to judge; all, whatever their split, is for a bundle that was trained elsewhere."
    )
    resamples: Positive = Field(1000, description="Bootstrap resamples of patients.")
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="Coverage of the intervals.")
    gallery: Annotated[int, Field(ge=0)] = Field(12, description="Worst errors shown of each kind.")
    seed: Seed = Field(2020, description="Of the resamples.")


class PredictSettings(Section):
    """Score a source and draw its heat maps."""

    source: FilePath = Field(description="DICOM folder, ZIP or file; or pictures, with --window.")
    model: BundlePath = Field(
        SHIPPED, description="Bundle: a folder with model.onnx and card.json; plainscan is the one that comes with it."
    )
    window: WindowPair | None = Field(None, description="Window burnt into the pictures, HU.")
    heatmaps: bool = Field(True, description="Write an overlay picture per slice.")
    engine: Engine = Field(
        "auto",
        description="Arithmetic; auto is the quickest that the bundle's checks and the processor allow.",
    )
    threads: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Slices at a time; 0 means one per core.")


class ImagesSettings(Section):
    """Read pictures with labels into the same tables."""

    source: FilePath = Field(description="Folder of PNG or JPEG slices.")
    labels: FilePath = Field(description="CSV or .xlsx with file, patient and one column per finding.")
    window: WindowPair = Field(description="Window burnt into the pictures, HU.")
    first_slice: Literal["lowest", "highest"] = Field("lowest", description="Where the smallest slice number lies.")


def make_section(section: type[SectionType], **values: object) -> SectionType:
    """A section from values, with an error that names the option of the command line.

    Raises:
        ConfigError: An unknown key or a value out of range.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, lambda item: _option(section, item))) from error


def _option(section: type[Section], item: Any) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    return f"--{name.replace('_', '-')}" if name in section.model_fields else name
