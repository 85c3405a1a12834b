"""How many planted wrong labels stand at the head of the queue of `disagree`.

    python benchmarks/disagree.py RUN [--share 0.05]     (without RUN it measures nothing)

RUN is a run folder of `phantom` that went through `scan`, `select`, `label --reports` and `score`. The labels of a
share of studies are turned round, at random and many times; the value is the mean, the interval holds 95 % of plantings
on resampled patients. The reports of synthetic studies are true, and shipped weights have seen the same generator: a
department's queue is longer and less pure.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.bundle import SHIPPED_FOLDER, read_card
from plainscan.cohort.disagreement import doubt
from plainscan.stages.disagree import queue
from plainscan.tables import COHORT, read

PLANTED: Final = 1000  # times; each on a resample of patients
FIRST: Final = (5, 10, 20)


def figures(score: NDArray[np.float64], label: NDArray[np.float64], wrong: NDArray[np.bool_]) -> dict[str, float]:
    """Precision among the first and recall, of one planting."""
    order = np.argsort(-doubt(score, np.where(wrong, 1 - label, label)), kind="stable")
    found = wrong[order]
    result = {f"precision of the first {n}": float(found[:n].mean()) for n in FIRST}
    result["precision of as many as were planted"] = float(found[: int(wrong.sum())].mean())
    for share in (0.05, 0.1, 0.2):
        result[f"recall in the first {100 * share:.0f} %"] = float(
            found[: round(share * found.size)].sum() / wrong.sum()
        )
    return result


def main() -> None:
    """Plant, rank, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--share", type=float, default=0.05)
    asked = parser.parse_args()
    if asked.run is None:
        print("nothing measured: name a run folder")
        return
    studies = queue(asked.run, read_card(SHIPPED_FOLDER).study_rule)
    people = dict(read(asked.run, COHORT).select("study_uid", "patient_id").unique().iter_rows())
    patient = np.unique([people[uid] for uid in studies["study_uid"]], return_inverse=True)[1]
    score = studies["score"].to_numpy()
    label = (studies["report"] == "present").cast(float).to_numpy()
    rng, values, fixed = np.random.default_rng(1), [], []
    for _ in range(PLANTED):
        wrong = rng.random(score.size) < asked.share
        wrong[rng.integers(score.size)] = True  # at least one
        fixed.append(figures(score, label, wrong))
        counts = np.bincount(rng.integers(0, patient.max() + 1, patient.max() + 1), minlength=patient.max() + 1)
        some = np.repeat(np.arange(score.size), counts[patient])
        if wrong[some].any():
            values.append(figures(score[some], label[some], wrong[some]))
    print(
        f"{score.size} studies of {patient.max() + 1} patients with a clear report, {label.mean():.2f} with a finding"
    )
    print(f"{asked.share:.0%} of labels turned round, {PLANTED} times; by chance a precision of {asked.share:.2f}")
    for name in fixed[0]:
        mean = np.mean([one[name] for one in fixed])
        low, high = np.quantile([one[name] for one in values], [0.025, 0.975])
        print(f"{name:<40} {mean:.3f} ({low:.3f}-{high:.3f})")


if __name__ == "__main__":
    main()
