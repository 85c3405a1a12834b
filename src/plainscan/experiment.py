"""The experiment: a section for each stage that shall run, read from one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from plainscan.config import (
    AccountSettings,
    CalibrateSettings,
    DisagreeSettings,
    EvaluateSettings,
    FetchSettings,
    ImagesSettings,
    LabelSettings,
    LeakSettings,
    PhantomSettings,
    PrepareSettings,
    ScanSettings,
    ScoreSettings,
    Section,
    SelectSettings,
    SlicesSettings,
    SplitSettings,
    TrainSettings,
    WorldSettings,
)
from plainscan.errors import ConfigError
from plainscan.setting_types import FilePath, explain


class Experiment(Section):
    """All of it, as `plainscan run` reads it. A stage without a section does not run.

    With `units`, the stages from split on run once for each, in a folder of that name; with more than one
    the results are compared.
    """

    out: FilePath = Field(description="The run folder.")
    units: tuple[Literal["patient", "image"], ...] = Field((), description="Split units to run side by side.")
    phantom: PhantomSettings | None = None
    world: WorldSettings | None = None
    images: ImagesSettings | None = None
    fetch: FetchSettings | None = None
    scan: ScanSettings | None = None
    select: SelectSettings | None = None
    label: LabelSettings | None = None
    score: ScoreSettings | None = None
    slices: SlicesSettings | None = None
    disagree: DisagreeSettings | None = None
    split: SplitSettings | None = None
    prepare: PrepareSettings | None = None
    account: AccountSettings | None = None
    leak: LeakSettings | None = None
    train: TrainSettings | None = None
    calibrate: CalibrateSettings | None = None
    evaluate: EvaluateSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _what_makes_studies_feeds_the_next_stages(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "out" not in values or not {"phantom", "fetch"} & set(values):
            return values
        out = Path(values["out"])
        made: dict[str, dict[str, Path]] = {"scan": {"source": out / "fetched"}}
        if "phantom" in values:
            made = {"scan": {"source": out / "dicom"}, "label": {"reports": out / "reports.csv", "truth": out}}
        return values | {name: paths | values[name] for name, paths in made.items() if name in values}


def read_experiment(path: Path) -> Experiment:
    """Read and check a TOML file.

    Raises:
        ConfigError: Not readable, not TOML, an unknown key, or a value out of range; the message names the key.
    """
    values = read_toml(path)
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        remedy = "docs/reference/config.md lists every key."
        raise ConfigError(explain(error), where=str(path), remedy=remedy) from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file that a person wrote holds; a byte order mark, as some editors put first, is passed over.

    Raises:
        ConfigError: Not readable, or not TOML in UTF-8; the message names line and column.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(_reason(error), where=str(path), expected="a TOML file in UTF-8") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
