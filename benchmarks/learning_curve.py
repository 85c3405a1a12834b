"""What is a start worth in labeled patients? AUC on patients never trained on, against the number trained on.

    python benchmarks/learning_curve.py RUN [--init plainscan] [--patients 2 5 10 20] [--steps 120] [--out FOLDER]

RUN holds prepared slices with labels (`plainscan images`, `split`, `prepare --size 128`); its split is not used. For
each number of patients a network is trained from random weights and one from the start, everything else the same: the
same patients, slices, order, steps and augmentation; only the peak learning rate differs (--rates). Zero patients is
the start as it is.

- Each patient is tested exactly once in a repeat; who is trained on is drawn by `plainscan.evaluation.learning_curve`.
- AUC over pairs of slices that the same network scored; "same height" also compares only slices in one tenth of the
  head's height. Intervals: patients resampled, one draw for all curves, so that differences are paired.
- A training that is there is not made again (FOLDER, by default RUN/learning-curve): killed, it loses one training.

Without RUN it says so and measures nothing. On 2 cores a training of 120 steps of 16 takes about a minute at 128 px.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import plainscan
from plainscan.bundle import located, read_card
from plainscan.config import TrainSettings, make_section
from plainscan.errors import UserError
from plainscan.evaluation.hemorrhage import with_label
from plainscan.evaluation.learning_curve import RANDOM, START, WORDS, Job, estimates, plan, plot, table
from plainscan.findings import FINDING_KEYS
from plainscan.inference.engine import Model
from plainscan.setting_types import SHIPPED
from plainscan.stages.external import check_unseen
from plainscan.stages.train import bare_card, logits_of
from plainscan.storage import file_hash, whole_file
from plainscan.tables import PREPARED, read


@dataclass(frozen=True)
class Bench:
    """What all trainings share."""

    run: Path
    out: Path
    frame: pl.DataFrame  # the prepared table with a label of any hemorrhage
    settings: dict[str, TrainSettings]  # random, start
    steps: int

    def state(self, job: Job) -> dict[str, Any]:
        """Trained weights."""
        from plainscan.learning.distributed import Group, pick_device
        from plainscan.learning.network import build
        from plainscan.learning.train import Task, Trainer
        from plainscan.learning.weights import load_into

        settings, slices = self.settings[job.start], self.slices()
        if not job.patients:
            channels = slices.shape[0] * len(settings.windows)
            model = build(settings.network, channels, slices.labels.shape[1], settings.seed)
            load_into(model, located(settings.init or SHIPPED))
            return dict(model.state_dict())
        members = np.flatnonzero(self.frame["patient_id"].is_in(job.patients).to_numpy())
        drawn = self.drawn(slices, members, settings)
        folder = self.out / "training"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        trainer = Trainer(
            Task(drawn, settings, folder, job.name, lambda _: {"tune_auc": math.nan}), Group(pick_device("auto"))
        )
        for _ in trainer.steps():
            pass
        best = trainer.best()
        shutil.rmtree(folder)
        return best

    def slices(self) -> Any:
        """All prepared slices, whatever their split."""
        from plainscan.learning.dataset import open_split

        return open_split(self.run, self.frame.with_columns(pl.lit("train").alias("split")), "train")

    def drawn(self, slices: Any, members: NDArray[np.intp], settings: TrainSettings) -> Any:
        """As many slices as the steps take, each as often as the next; each time another one to the augmentation."""
        from plainscan.learning.dataset import Slices

        rng, count = np.random.default_rng(settings.seed), self.steps * settings.batch
        rounds = [rng.permutation(members) for _ in range(-(-count // len(members)))]
        at = np.concatenate(rounds)[:count]
        return Slices(slices.shards, slices.shard[at], slices.row[at], slices.labels[at], np.arange(count))

    def logits(self, job: Job, state: dict[str, Any]) -> NDArray[np.float32]:
        """Of the slices of the patients tested, by the one scoring path, (slices, findings)."""
        from plainscan.learning.export import to_onnx

        slices, settings = self.slices(), self.settings[job.start]
        exported = to_onnx(settings.network, state, slices.shape[1])
        model = Model(exported, bare_card(settings, slices, exported))
        return np.concatenate(list(logits_of(model, slices, self.tested(job))))

    def tested(self, job: Job) -> NDArray[np.intp]:
        """Rows of the prepared table."""
        return np.flatnonzero(self.frame["patient_id"].is_in(job.tested).to_numpy())

    def result(self, job: Job) -> NDArray[np.float32]:
        """Logits of a job, from its file or made now."""
        path = self.out / f"{job.name}.npy"
        if path.is_file():
            known: NDArray[np.float32] = np.load(path, allow_pickle=False)
            return known
        found = self.logits(job, self.state(job))
        with whole_file(path) as partial, partial.open("wb") as stream:
            np.save(stream, found)
        return found


def make_all(bench: Bench, jobs: Sequence[Job]) -> dict[tuple[int, int, str], NDArray[np.float64]]:
    """Run what is not there yet, and say how long the rest will take."""
    scores: dict[tuple[int, int, str], NDArray[np.float64]] = {}
    missing = [job for job in jobs if not (bench.out / f"{job.name}.npy").is_file()]
    trainings, done, spent = sum(bool(job.patients) for job in missing), 0, 0.0
    print(f"{len(jobs)} results, {len(missing)} of them to make, {trainings} by training", flush=True)
    for job in jobs:
        started = time.monotonic()
        found = bench.result(job)
        key = job.repeat, len(job.patients), job.start
        scores.setdefault(key, np.full((bench.frame.height, len(FINDING_KEYS)), np.nan))[bench.tested(job)] = found
        if job in missing and job.patients:
            done, spent = done + 1, spent + time.monotonic() - started
            left = (trainings - done) * spent / done / 60
            print(f"{job.name}: {time.monotonic() - started:.0f} s; {left:.0f} min left", flush=True)
    return scores


def open_bench(options: argparse.Namespace) -> Bench:
    """Settings of both starts; results of other settings lie in another folder."""
    frame = with_label(read(options.run, PREPARED))
    bundle = located(options.init if options.init == SHIPPED else Path(options.init))
    card = read_card(bundle)
    check_unseen(card, frame, bundle)
    common = {"network": card.network, "windows": card.windows, "epochs": 1, "batch": options.batch}
    common |= {"augment": options.augment, "seed": options.seed}
    settings = {
        RANDOM: make_section(TrainSettings, **common, learning_rate=options.rates[0]),
        START: make_section(TrainSettings, **common, learning_rate=options.rates[1], init=bundle),
    }
    deciding = [plainscan.__version__, card.model_sha256, file_hash(PREPARED.path(options.run))]
    deciding += [json.dumps([common, options.rates, options.steps, options.folds], default=str)]
    name = hashlib.sha256("\0".join(deciding).encode()).hexdigest()[:12]
    out = (options.out or options.run / "learning-curve") / name
    out.mkdir(parents=True, exist_ok=True)
    return Bench(options.run, out, frame, settings, options.steps)


def measure(options: argparse.Namespace) -> None:
    bench = open_bench(options)
    counts = sorted(set(options.patients) - {0})  # the start as it is comes anyway
    jobs = plan(bench.frame, counts, options.folds, options.repeats, options.seed)
    scores = make_all(bench, jobs)
    found = {finding: estimates(bench.frame, jobs, scores, finding) for finding in WORDS}
    text = table(found, counts)
    for path, content in ((bench.out / "table.md", text), (bench.out / "figure.svg", plot(found, counts))):
        with whole_file(path) as partial:
            partial.write_text(content, encoding="utf-8")
    if options.figure:
        with whole_file(options.figure) as partial:
            shutil.copyfile(bench.out / "figure.svg", partial)
    print(f"{text}\nFigure and table: {bench.out}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="AUC against the number of labeled patients trained on.")
    parser.add_argument("run", type=Path, nargs="?", help="run folder with prepared, labeled slices")
    parser.add_argument("--init", default=SHIPPED, help="the start: a bundle's folder, or the word plainscan")
    parser.add_argument("--patients", type=int, nargs="+", default=[2, 5, 10, 20])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--steps", type=int, default=120, help="of each training")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rates", type=float, nargs=2, default=[1e-3, 3e-4], help="peaks: random weights, the start")
    parser.add_argument("--augment", default="usual")
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--out", type=Path, help="where results lie (default: RUN/learning-curve)")
    parser.add_argument("--figure", type=Path, help="copy the figure here too, such as docs/images/learning_curve.svg")
    options = parser.parse_args(arguments)
    if options.run is None:
        print("no run folder given: nothing measured")
        return 0
    try:
        measure(options)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
