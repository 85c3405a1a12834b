"""The whole experiment from one TOML file: every stage that has a section, in order.

With split units, everything up to the labels is made once; from the split on, each unit has its
own folder inside the run folder, and with more than one the results are compared at the end.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Final

from plainscan.config import SplitSettings
from plainscan.errors import ConfigError
from plainscan.experiment import Experiment, read_experiment
from plainscan.stages.record import say

SHARED_STAGES: Final = ("phantom", "world", "images", "fetch", "scan", "select", "label", "score", "slices", "disagree")
UNIT_STAGES: Final = ("split", "prepare", "account", "leak", "train", "calibrate", "evaluate")
# What the stages from split on read of the shared ones; linked into each unit's folder.
SHARED_FILES: Final = (
    *("catalogue.parquet", "rejects.parquet", "exclusions.parquet", "cohort.parquet", "labels.parquet"),
    "slice_labels.parquet",
    *("truth.parquet", "truth", "flow.json", "flow.svg"),
)


def run(config: Path) -> None:
    """Run an experiment.

    Args:
        config: The TOML file; see `plainscan.experiment.Experiment`.

    Raises:
        UserError: Of the stage that cannot go on; what the stages before it made stays.
    """
    experiment = read_experiment(config)
    if not any(getattr(experiment, stage) for stage in SHARED_STAGES + UNIT_STAGES):
        raise ConfigError("no stage to run", where=str(config), expected="a section for each stage, such as [scan]")
    if experiment.units and experiment.split is None:
        raise ConfigError("units without a [split] section", where=f"{config}: units", expected="a [split] section")
    _run_stages(experiment, SHARED_STAGES, experiment.out)
    if experiment.units:
        _run_units(experiment)
    else:
        _run_stages(experiment, UNIT_STAGES, experiment.out)
    _say_where(experiment)


def _run_stages(experiment: Experiment, stages: tuple[str, ...], folder: Path) -> None:
    for stage in stages:
        settings = getattr(experiment, stage)
        if settings is not None:
            importlib.import_module(f"plainscan.stages.{stage}").run(folder, settings)


def _run_units(experiment: Experiment) -> None:
    split = experiment.split or SplitSettings()
    for unit in experiment.units:
        say(f"\nSplit by {unit}")
        folder = experiment.out / unit
        _link_shared(experiment.out, folder)
        own = experiment.model_copy(update={"split": split.model_copy(update={"unit": unit})})
        _run_stages(own, UNIT_STAGES, folder)
    if experiment.evaluate is not None and len(experiment.units) > 1:
        from plainscan.stages.evaluate import compare_units

        compare_units(experiment.out, experiment.units)


def _link_shared(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHARED_FILES:
        link = folder / name
        if (source / name).exists() and not link.exists():
            link.symlink_to(os.path.relpath(source / name, folder))


def _say_where(experiment: Experiment) -> None:
    folders = [experiment.out / unit for unit in experiment.units] or [experiment.out]
    reports = [str(folder / "report.html") for folder in folders if (folder / "report.html").is_file()]
    if reports:
        say(f"\nReport: {' and '.join(reports)} (open it in a browser).")
        say(f"Try next: plainscan predict YOUR_DICOM_FOLDER --model {folders[-1] / 'model'} --out runs/predictions")
