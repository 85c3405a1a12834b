"""How much reading the stage `slices` saves, at what error, on synthetic studies whose masks are known.

    python benchmarks/slices.py RUN [--fit RUN]     (without RUN it measures nothing)

Both are run folders of `phantom` that went through `scan`, `select`, `label --reports` and `score`. With --fit, usual
heights and weights are learned from that run first and written to src/plainscan/cohort/heights.toml (its patients
must be others). RUN is then judged, study by study with a finding in its report: slices are read from the most
uncertain on, a person's answer counts as right, the rest is decided at one half. Intervals resample patients.

Shipped weights, heights and RUN come from the same generator: on patients both score and heights do worse.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.cohort import slice_prior as prior
from plainscan.findings import ANY_FINDING, FINDING_KEYS, SPECIFIC_KEYS
from plainscan.stages import slices as stage
from plainscan.tables import COHORT, SLICE_KEY, TRUTH, read

HEIGHTS: Final = Path(__file__).parents[1] / "src" / "plainscan" / "cohort" / "heights.toml"
GRID: Final = np.linspace(0, 1, 11)
WIDTH: Final = 0.07  # of the kernel that smooths over heights
BORROWED: Final = 2.0  # studies' worth of the curve of all focal findings, lent to each
RIDGE: Final = 0.5
SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
RESAMPLES: Final = 1000
LIMITS: Final = ((0.02, 0.98), (0.05, 0.95), (0.1, 0.9), (0.2, 0.8))
Curve = NDArray[np.float64]


@dataclass
class Tally:
    """Positive slices and slices by height, and the studies that gave them."""

    positive: Curve
    all: Curve
    studies: int

    def share(self, focal: Curve | None = None) -> Curve:
        """By height; drawn towards the curve of all focal findings where few studies speak."""
        if focal is None:
            return np.asarray(self.positive / self.all)
        lent = BORROWED * self.all / self.studies
        return np.asarray((self.positive + lent * focal) / (self.all + lent))


def slices_of(run: Path, numbered: str = "lowest") -> pl.DataFrame:
    """Slices of studies whose report has a finding, with true labels."""
    frame = stage.with_probability(stage.scored_slices(run), stage.report_rows(run), numbered)
    frame = frame.filter(pl.col("probability").is_not_null()).drop(FINDING_KEYS)
    truth = read(run, TRUTH).select(*SLICE_KEY, *FINDING_KEYS)
    patients = read(run, COHORT).select(*SLICE_KEY, "patient_id")
    return frame.join(truth, on=SLICE_KEY, maintain_order="left").join(patients, on=SLICE_KEY, maintain_order="left")


def learn(run: Path) -> str:
    """Heights and weights as TOML."""
    frame, said = slices_of(run), stage.report_rows(run)
    tallies: dict[tuple[str, str], Tally] = {}
    for (study,), part in frame.group_by("study_uid", maintain_order=True):
        rows = said[str(study)]
        _count(tallies, ("all", ANY_FINDING), part, ANY_FINDING)
        for key in SPECIFIC_KEYS:
            if rows.get(key, {}).get("status") in ("present", "uncertain") and part[key].sum():
                _count(tallies, ("finding", key), part, key)
                for site in rows[key]["sites"] if key not in prior.DIFFUSE else ():
                    _count(tallies, ("site", site), part, key)
    whole = [t for (kind, key), t in tallies.items() if kind == "finding" and key not in prior.DIFFUSE]
    focal = np.sum([t.positive for t in whole], axis=0) / np.sum([t.all for t in whole], axis=0)
    tables = {("all", "focal"): focal, ("all", ANY_FINDING): tallies.pop(("all", ANY_FINDING)).share()}
    tables |= {key: tally.share(focal) for key, tally in sorted(tallies.items())}
    kinds = ("all", "finding", "site")
    parsed = {kind: {k: list(v) for (n, k), v in tables.items() if n == kind} for kind in kinds}
    shapes: dict[str, dict[str, object]] = {kind: dict(parsed[kind]) for kind in kinds}
    known = prior.parse(shapes | {"weights": dict.fromkeys(prior.FEATURES, 0.0)})
    return _toml(parsed, _weights(frame.filter(pl.col("score").is_not_null()), said, known))


def _count(tallies: dict[tuple[str, str], Tally], key: tuple[str, str], part: pl.DataFrame, finding: str) -> None:
    height, label = part["slice_height"].to_numpy(), part[finding].to_numpy().astype(float)
    kernel = np.exp(-((height[None] - GRID[:, None]) ** 2) / (2 * WIDTH**2))
    tally = tallies.setdefault(key, Tally(np.zeros(GRID.size), np.zeros(GRID.size), 0))
    tally.positive += kernel @ label
    tally.all += kernel.sum(axis=1)
    tally.studies += 1


def _weights(frame: pl.DataFrame, said: dict[str, stage.Said], known: prior.Heights) -> Curve:
    parts = [
        stage.features_of(part, said[str(study)], "lowest", known)
        for (study,), part in frame.group_by("study_uid", maintain_order=True)
    ]
    rows, label = np.concatenate(parts), frame[ANY_FINDING].to_numpy().astype(float)
    weights = np.zeros(rows.shape[1])
    for _ in range(50):  # Newton's steps of a ridge logistic regression
        p = prior.sigmoid(rows @ weights)
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + RIDGE * np.eye(weights.size)
        weights += np.linalg.solve(hessian, rows.T @ (label - p) - RIDGE * weights)
    return weights


def _toml(tables: dict[str, dict[str, list[float]]], weights: Curve) -> str:
    lines = [
        "# Made by benchmarks/slices.py --fit from synthetic studies and their reports; do not edit.",
        "# Share of slices that show a finding, given that the study has it, at slice heights 0, 0.1, ... 1.",
    ]
    for kind, curves in tables.items():
        lines.append(f"\n[{kind}]")
        lines += [f"{key} = [{', '.join(f'{x:.3f}' for x in curve)}]" for key, curve in curves.items()]
    lines.append("\n[weights] # of the logistic rule that puts them together")
    lines += [f"{name} = {x:.2f}" for name, x in zip(prior.FEATURES, weights, strict=True)]
    return "\n".join(lines) + "\n"


def error_at(p: Curve, label: Curve, share: float) -> Curve:
    """Which slices are labeled wrongly, 0 or 1, (slices,), when a share is read from the most uncertain on."""
    wrong: Curve = ((p >= 0.5) != (label == 1)).astype(np.float64)
    wrong[np.argsort(np.abs(p - 0.5), kind="stable")[: round(share * p.size)]] = 0.0
    return wrong


def interval(wrong: Curve, patient: NDArray[np.intp], rng: np.random.Generator) -> tuple[float, float, float]:
    """The share of wrong labels with its 95 % interval, patients resampled."""
    number = int(patient.max()) + 1
    sums, sizes = np.bincount(patient, wrong, number), np.bincount(patient, minlength=number)
    drawn = rng.integers(0, number, (RESAMPLES, number))
    values = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(wrong.mean()), float(low), float(high)


def judge(run: Path) -> None:
    """Print the curve, and what the default limits do."""
    frame = slices_of(run)
    total = read(run, COHORT)
    label = frame[ANY_FINDING].to_numpy().astype(float)
    patient = np.unique(frame["patient_id"].to_numpy(), return_inverse=True)[1]
    ways = {
        "score, height and numbers": frame["probability"].to_numpy(),
        "score and height": slices_of(run, "none")["probability"].to_numpy(),
        "usual height alone": frame["usual_height"].to_numpy(),
        "score alone (as it is)": frame["score"].fill_null(0.5).to_numpy(),
    }
    print(
        f"{total['patient_id'].n_unique()} patients, {total['study_uid'].n_unique()} studies, {total.height} slices; "
        f"{frame['study_uid'].n_unique()} studies of {patient.max() + 1} patients have a finding in the report: "
        f"{frame.height} slices, {label.mean():.3f} of them positive"
    )
    for name, values in ways.items():
        cells = (interval(error_at(values, label, share), patient, np.random.default_rng(1)) for share in SHARES)
        print(
            f"{name:<26}"
            + "".join(
                f" {100 * s:.0f} %: {v:.3f} ({a:.3f}-{b:.3f})" for s, (v, a, b) in zip(SHARES, cells, strict=True)
            )
        )
    for name in ("score, height and numbers", "score and height"):
        print(name)
        for low, high in LIMITS:
            print(f"  limits {low:g} and {high:g}: {_at_limits(ways[name], label, patient, (low, high), total.height)}")


def _at_limits(p: Curve, label: Curve, patient: NDArray[np.intp], limits: tuple[float, float], slices: int) -> str:
    """What is read and what is wrong when a person reads between two limits."""
    decided = (p < limits[0]) | (p > limits[1])
    wrong = (((p > limits[1]) != (label == 1)) & decided).astype(float)
    value, low, high = interval(wrong, patient, np.random.default_rng(1))
    missed, invented = (int(wrong[label == side].sum()) for side in (1, 0))
    return (
        f"read {1 - decided.mean():.3f} of these slices, {(~decided).sum() / slices:.3f} of all; wrong {value:.4f} "
        f"({low:.4f}-{high:.4f}) of these: {missed} findings called none, {invented} the reverse"
    )


def main() -> None:
    """Learn if asked, then judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--fit", type=Path)
    asked = parser.parse_args()
    if asked.run is None:
        print("nothing measured: name a run folder")
        return
    if asked.fit:
        HEIGHTS.write_text(learn(asked.fit), encoding="utf-8")
        prior.heights.cache_clear()
    judge(asked.run)


if __name__ == "__main__":
    main()
