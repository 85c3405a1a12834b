"""Do the heat maps of a bundle point at the finding, and can they be trusted? On synthetic patients it has never seen.

    python benchmarks/heat_maps.py OUT [--model plainscan] [--patients 96] [--seed 77]

Makes synthetic patients in OUT (half of them tune, half test; made once, kept), scores them, and prints pointing game,
energy, IoU and Dice of each finding and of each size, then the checks. Limits: pointing game at least 0.85, IoU at
least 0.40 (the best published map of a classifier of head CT reaches IoU 0.40, Dice 0.57), and those of the checks. The
share of the maximum at which IoU is taken comes from tune. All figures go to OUT/heat_maps.json, from which
docs/card_figures.py takes them.

The seed must be another than that of the bundle's own training: the same seed makes the same patients. Without OUT it
says so and measures nothing. 96 patients take four minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from plainscan.bundle import Card, located
from plainscan.config import WorldSettings
from plainscan.errors import UserError
from plainscan.evaluation.bootstrap import draw
from plainscan.evaluation.localization import SIZES
from plainscan.evaluation.report import Figures, estimate
from plainscan.evaluation.units import patient_rows
from plainscan.findings import ANY_FINDING, FINDINGS
from plainscan.inference.engine import load, operating_point
from plainscan.inference.held_out import RunSlices, score_slices
from plainscan.setting_types import SHIPPED
from plainscan.stages import world
from plainscan.stages.evaluate_maps import Judging, judge
from plainscan.storage import whole_file
from plainscan.tables import PREPARED, read

AIMS = {"pointing_game": 0.85, "iou_tuned": 0.40}
COLUMNS = ("pointing_game", "energy_in_mask", "iou", "iou_tuned", "dice_tuned")
RESAMPLES, LEVEL = 1000, 0.95


def measured(out: Path, bundle: Path, seed: int) -> dict[str, Any]:
    """Figures of the test patients' heat maps, and how they were read and checked."""
    model, prepared = load(bundle), read(out, PREPARED)
    slices, threshold = RunSlices(out), operating_point(model.card, "slice").threshold
    slices.check(prepared, model.card)
    test = prepared.filter(prepared["split"] == "test").sort("shard", "row")
    rows = patient_rows(test)
    counts = draw(len(rows), RESAMPLES, np.random.default_rng(seed))
    scored = list(score_slices(model, slices, test, threshold))
    judging = Judging(model, bundle, slices, prepared, threshold, rows, counts, LEVEL)
    figures, said = judge(judging, scored, test, np.random.default_rng(seed))
    of = {"provenance": {"model_sha256": model.card.model_sha256}, "threshold": threshold}  # as metrics.json says it
    return {**of, "figures": [f.entry() for f in figures], **said}


def show(found: dict[str, Any]) -> int:
    """Print what was measured against its limits; 1 when one is missed."""
    get = Figures(found["figures"])
    print(f"{'slices with a mask':<30} {'n (patients)':<14}" + "".join(f"{name:<23}" for name in COLUMNS))
    for finding in FINDINGS:
        _line(get, finding.english, finding.key, "")
        for name, low, high in SIZES if finding.key == ANY_FINDING else ():
            _line(get, f"  {name}, {low:g} to {high:g} mm²", finding.key, f"_of_{name}")
    for words, ending in (("any finding, reliable", "_of_reliable"), ("any finding, marked", "_of_not_reliable")):
        _line(get, words, ANY_FINDING, ending)
    passed = []
    for name, aim in AIMS.items():
        value = (get(name) or {"value": None})["value"]
        passed.append(value is not None and value >= aim)
        print(f"{'ok    ' if passed[-1] else 'missed'}  {name} {estimate(get(name))}, at least {aim}")
    for check in found["map_checks"]["checks"]:
        passed.append(check["passed"])
        value = f"{estimate(get(check['figure']))}, at {check['at']} {check['limit']}"
        print(f"{'ok    ' if passed[-1] else 'missed'}  {check['figure']} {value}")
    for name in ("map_not_reliable", *(f"map_not_reliable_{code}" for code in ("flat", "contradicts_score"))):
        print(f"        {name} {estimate(get(name))}")
    return int(not all(passed))


def _line(get: Figures, words: str, finding: str, ending: str) -> None:
    first = get(f"{COLUMNS[0]}{ending}", finding)
    if first is not None:
        cells = "".join(f"{estimate(get(f'{name}{ending}', finding), 2):<23}" for name in COLUMNS)
        print(f"{words:<30} {first['n']:<5}({first['clusters']}){'':<4} {cells}")


def _trained_on(card: Card, seed: int) -> bool:
    """Whether a bundle's own world has these patients."""
    asked = card.recipe.get("world")
    return isinstance(asked, dict) and asked.get("seed", WorldSettings().seed) == seed


def main() -> int:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--patients", type=int, default=96)
    parser.add_argument("--seed", type=int, default=77)
    given = parser.parse_args()
    if given.out is None:
        print("no folder for synthetic patients was given: nothing measured")
        return 0
    try:
        bundle = located(given.model)
        card = load(bundle).card
        if _trained_on(card, given.seed):
            print(f"the bundle was trained on the patients of seed {given.seed}: take another")
            return 2
        asked = WorldSettings(patients=given.patients, size=card.input_size, tune=0.5, test=0.5, seed=given.seed)
        world.run(given.out, asked)
        found = measured(given.out, bundle, given.seed)
    except UserError as error:
        print(error)
        return error.exit_code
    with whole_file(given.out / "heat_maps.json") as partial:
        partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return show(found)


if __name__ == "__main__":
    sys.exit(main())
