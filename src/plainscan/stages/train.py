"""Stage train: a network on the training split, then its bundle with calibration and operating points from tune.

Alone, or started by `torchrun`: then every process runs this stage, and rank 0 alone scores and writes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

import plainscan
from plainscan.bundle import Calibration, Card, located, write_bundle
from plainscan.config import TrainSettings
from plainscan.errors import ConfigError, MissingPartError
from plainscan.evaluation.calibration import sigmoid
from plainscan.evaluation.metrics import auc_of, log_loss, once
from plainscan.findings import FINDING_KEYS
from plainscan.inference.context import REACH_MM, Logits
from plainscan.inference.engine import Model
from plainscan.inference.held_out import RunSlices
from plainscan.inference.kept import Keep, kept
from plainscan.inference.predict import calibrated, score
from plainscan.stages.chain import check_fresh
from plainscan.stages.leak import refuse_leaks
from plainscan.stages.lineage import (
    PARTIAL,
    PATIENTS,
    TUNED_ON,
    check_init,
    known_as,
    origin,
    pseudonyms,
    starts_unnamed,
    training_patients,
)
from plainscan.stages.record import Counts, fingerprint, recorded, say, track
from plainscan.stages.tuning import check_classes, choose_points, every_slice, fit_calibration, row_logits, split_counts
from plainscan.storage import file_hash
from plainscan.tables import MANIFEST, PREPARED, SHARD_FOLDER, SPLITS, label_values, read

if TYPE_CHECKING:
    from plainscan.learning.dataset import Slices
    from plainscan.learning.distributed import Group
    from plainscan.learning.train import State, Trainer

NEEDED: Final = ("torch", "onnx", "safetensors")
TRAIN_FOLDER: Final = "train"
MODEL_FOLDER: Final = "model"
CHUNK: Final = 64  # slices in memory while scoring
TUNE_SHARE: Final = 10  # after each epoch, at most a tenth as many tuning slices are scored as were trained on
FEWEST: Final = 100  # ... but so many when there are


def run(folder: Path, settings: TrainSettings) -> Counts:
    """Train on a run folder's prepared slices.

    Raises:
        MissingPartError: torch is not installed.
        LabelError: A split lacks slices with, or slices without, any finding.
        LeakError: The bundle to start from was trained on patients of tune or test, or a pair that `leak` found crosses
            splits.
        BundleError: It is incomplete, altered or of another version.
        TableError: The prepared table is not made from the tables that lie beside it now.
        ConfigError: A GPU was asked for and there is none; or the input was to shrink, not grow.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"{', '.join(missing)} not installed", where="train", remedy='Run: pip install "plainscan[train]"'
        )
    from plainscan.learning.distributed import process_group

    check_fresh(folder, "train")
    refuse_leaks(folder)
    if settings.init is not None:
        check_init(known_as(folder, read(folder, PREPARED)), settings)
    with process_group(settings.device) as group:
        return _lead(folder, settings, group) if group.rank == 0 else _follow(folder, settings, group)


def _lead(folder: Path, settings: TrainSettings, group: Group) -> Counts:
    started = False

    def work() -> Counts:
        nonlocal started
        started = True
        group.agree(1)
        return _work(folder, settings, group)

    inputs = [MANIFEST.path(folder), PREPARED.path(folder), folder / SHARD_FOLDER]
    inputs += [] if settings.init is None else [located(settings.init)]
    outputs = [folder / MODEL_FOLDER, folder / TRAIN_FOLDER / "metrics.jsonl"]
    counts = recorded("train", folder, settings, work, inputs=inputs, outputs=outputs)
    if not started:
        group.agree(0)
    return counts


def _follow(folder: Path, settings: TrainSettings, group: Group) -> Counts:
    if group.agree(0):
        for _ in _trainer(folder, settings, read(folder, PREPARED), group).steps():
            pass
    return {}


def _work(folder: Path, settings: TrainSettings, group: Group) -> Counts:
    prepared = read(folder, PREPARED)
    for split in ("train", "tune"):
        check_classes(prepared.filter(pl.col("split") == split), split)
    trainer = _trainer(folder, settings, prepared, group)
    if trainer.progress.step:
        say(f"train: resumed after step {trainer.progress.step} of {trainer.total}")
    for _ in track(trainer.steps(), "train", total=trainer.total - trainer.progress.step):
        pass
    model = _export(settings, trainer.best(), trainer.task.slices)
    card = bare_card(settings, trainer.task.slices, model)
    tune = prepared.filter(pl.col("split") == "tune")
    keep = _keep(trainer.task.folder / "tune_logits.npz", card, trainer.task.fingerprint)
    logits = row_logits(Model(model, card), RunSlices(folder), tune, "calibrate", keep)
    labels = label_values(tune)
    calibration = fit_calibration(logits, labels)
    whole, target = every_slice(folder, prepared), settings.target_sensitivity
    points = choose_points(tune, whole, calibrated(logits, calibration), labels, target)
    figures = _figures(logits, labels)
    provenance = _provenance(folder, settings, prepared) | {
        "precision": trainer.precision,
        "best_epoch": trainer.progress.best_epoch,
        "tune": figures,
    }
    filled = card.model_copy(update={"calibration": calibration, "operating_points": points, "provenance": provenance})
    write_bundle(folder / MODEL_FOLDER, model, filled)
    return {
        "epochs": settings.epochs,
        "steps": trainer.total,
        "train_slices": len(trainer.task.slices),
        "tune_slices": tune.height,
        "best_epoch": trainer.progress.best_epoch,
        "tune_auc": round(figures["tune_auc"], 4),
    }


def _trainer(folder: Path, settings: TrainSettings, prepared: pl.DataFrame, group: Group) -> Trainer:
    from plainscan.learning.train import Task, Trainer

    slices, tune = _open(folder, prepared, "train"), _open(folder, prepared, "tune")
    _check_side(settings, slices)
    count = max(FEWEST, len(slices) // TUNE_SHARE)
    chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(tune))[:count])

    target, identity = folder / TRAIN_FOLDER, _identity(folder, settings)
    target.mkdir(parents=True, exist_ok=True)

    def score_epoch(state: State) -> dict[str, float]:
        onnx = _export(settings, state, slices)
        model = Model(onnx, bare_card(settings, slices, onnx))
        keep = _keep(target / "epoch_logits.npz", model.card, identity)
        return _figures(keep(lambda done: logits_of(model, tune, chosen[done:])), tune.labels[chosen])

    return Trainer(Task(slices, settings, target, identity, score_epoch), group)


def _keep(path: Path, card: Card, identity: str) -> Keep:
    """For the scoring of one model of one training."""
    return partial(kept, path, f"{card.model_sha256} {identity}")


def _check_side(settings: TrainSettings, slices: Slices) -> None:
    if settings.start_size > slices.shape[1]:
        raise ConfigError(
            f"{settings.start_size} pixels, but slices are prepared at {slices.shape[1]}",
            where="train.start_size",
            expected=f"at most {slices.shape[1]}: the input grows to that side",
            remedy="Make it smaller, or prepare larger slices.",
        )


def _identity(folder: Path, settings: TrainSettings) -> str:
    """Hash of everything that decides the training; what is kept of it and the threshold are chosen after it."""
    decides = settings.model_dump_json(exclude={"target_sensitivity", "keep_init"})
    parts = [plainscan.__version__, decides, fingerprint(PREPARED.path(folder))]
    parts.append(fingerprint(folder / SHARD_FOLDER))
    if settings.init is not None:
        parts.append(origin(settings.init)["hash"])
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _open(folder: Path, prepared: pl.DataFrame, split: str) -> Slices:
    from plainscan.learning.dataset import open_split

    return open_split(folder, prepared, split)


def _export(settings: TrainSettings, state: State, slices: Slices) -> bytes:
    from plainscan.learning.export import to_onnx

    return to_onnx(settings.network, state, slices.shape[1])


def bare_card(settings: TrainSettings, slices: Slices, model: bytes) -> Card:
    """A card without calibration, operating points and provenance."""
    from plainscan.learning.network import DESIGNS

    planes, size = slices.shape
    return Card(
        name=f"{settings.network}-{size}px",
        plainscan=plainscan.__version__,
        network=settings.network,
        input_size=size,
        windows=settings.windows,
        neighbors=planes // 2,
        context_mm=REACH_MM,
        pooling=DESIGNS[settings.network].pooling,
        findings=FINDING_KEYS,
        calibration=tuple(Calibration(finding=key) for key in FINDING_KEYS),
        operating_points=(),
        provenance={},
        model_sha256=hashlib.sha256(model).hexdigest(),
    )


def logits_of(model: Model, slices: Slices, chosen: NDArray[np.int64]) -> Iterator[Logits]:
    """Logits of some slices, by the one scoring path, in parts of (slices, findings)."""
    for start in range(0, len(chosen), CHUNK):
        yield score(model, slices.gather(chosen[start : start + CHUNK]).hu).logits


def _figures(logits: Logits, labels: NDArray[np.float32]) -> dict[str, float]:
    """Slice-level figures of ``any_finding`` before calibration."""
    known = ~np.isnan(labels[:, 0])
    if not known.any():
        return {"tune_auc": float("nan"), "tune_loss": float("nan"), "tune_slices": 0}
    logit, label = logits[known, 0].astype(np.float64), labels[known, 0]
    loss = log_loss(sigmoid(logit), label, once(len(label))).item()
    return {"tune_auc": auc_of(logit, label), "tune_loss": loss, "tune_slices": len(label)}


def _provenance(folder: Path, settings: TrainSettings, prepared: pl.DataFrame) -> dict[str, Any]:
    """Where the weights come from; no path of a machine."""
    asked = settings.model_dump(mode="json")
    if settings.init is not None:
        asked["init"] = origin(settings.init)
    partial = {PARTIAL: True} if starts_unnamed(settings.init) else {}
    manifest, known = MANIFEST.path(folder), known_as(folder, prepared)
    return {
        "manifest_sha256": file_hash(manifest) if manifest.is_file() else None,
        "prepared_sha256": file_hash(PREPARED.path(folder)),
        "splits": {split: split_counts(prepared.filter(pl.col("split") == split)) for split in SPLITS},
        "settings": asked,
        PATIENTS: training_patients(known, settings.init),
        **partial,
        TUNED_ON: pseudonyms(known.filter(pl.col("split") == "tune")["patient_id"]),
        "seed": settings.seed,
        "torch": importlib.metadata.version("torch"),
    }
