"""A bundle's model card, made from its card.json, so that the page cannot say what the weights do not.

python docs/model_card.py RUN/model > MODEL_CARD.md      of any bundle
python docs/generate.py                                  of the one that comes with plainscan
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from plainscan.bundle import Card, Int8Check, Measured, located, read_card
from plainscan.findings import FINDINGS
from plainscan.setting_types import SHIPPED

NOTE = "<!-- Made from card.json by `make docs`; do not edit. -->\n"
POOLINGS = {
    "mean": "the mean of its map plus a bias",
    "log_mean_exp": "the logarithm of its map's mean odds plus a bias: one place is enough",
}
STUDY_RULES = {"mean_of_top_3": "the mean of its three highest slices"}
NAMES = {finding.key: finding.english for finding in FINDINGS}
NOT_FOR = (
    "diagnosis, triage, a worklist's order, or any other decision about a patient",
    "contrast-enhanced scans, CT angiography, cone-beam CT, other parts of the body",
    "comparing hospitals or scanners: a shift of the score may be a shift of the scanner",
)
OPEN = (
    "Hospitals, countries, years; consecutive or selected",
    "Age, sex, scanners, kernels, slice thickness",
    "Labels: from reports, from readers, from masks; by whom; agreement",
    "Consent or waiver, ethics committee, license of data and weights",
    "Who answers questions",
)


def page(card: Card) -> str:
    """The whole card as Markdown."""
    parts = [
        f"{NOTE}\n# Model card: {card.name}\n\n**{card.intended_use}**",
        *(_what(card), _use(card), _learned(card), _figures(card)),
        *(_points(card), _calibration(card), _failures(card), _hashes(card)),
    ]
    return "\n\n".join(parts) + "\n"


def _what(card: Card) -> str:
    windows = ", ".join(f"{center:g}/{width:g}" for center, width in card.windows)
    around = f"a slice with {card.neighbors} on each side" if card.neighbors else "one slice at a time"
    lines = [
        "Task: no finding / any finding on one slice of a non-contrast head CT, and a score for each of "
        f"{len(card.findings) - 1} findings, with a heat map",
        f"Network: {card.network}; input {card.input_size} x {card.input_size} pixels of the head, cut and resampled "
        f"by the rules `{card.preparation}`",
        f"Channels: {card.channels()}; windows (center/width in HU) {windows}; the network sees {around}",
        f"A finding's logit is {POOLINGS[card.pooling]}{_context(card)}",
        f"A study's probability is {STUDY_RULES.get(card.study_rule, card.study_rule)}",
        f"Engine: {_engine(card)}",
        f"Written by plainscan {card.plainscan}",
    ]
    return _section("What it is", lines)


def _context(card: Card) -> str:
    reach = f". It is then averaged with those of the slices of its series within {card.context_mm:g} mm, by nearness"
    return reach if card.context_mm else ""


def _engine(card: Card) -> str:
    if card.int8 is None:
        return "fp32; its ranges for int8 were not measured"
    quick = card.int8.default
    default = quick if quick == "fp32" else f"{quick} where the processor has VNNI, elsewhere fp32"
    return f"{default}. Ranges from {card.int8.measured_on}. Checked: " + "; ".join(map(_check, card.int8.checks))


def _check(check: Int8Check) -> str:
    fall = "is not defined" if check.auc_fall is None else f"changes by {-check.auc_fall:+.4f}"
    return (
        f"on {check.n} {check.data} ({check.n_positive} with a finding) the AUC of {check.engine} {fall} and "
        f"{100 * check.decisions_changed:.2f} % of its decisions are others"
    )


def _use(card: Card) -> str:
    lines = ["For: research on head CT, and as a start for training on a department's own slices"]
    if card.world and not _by_patients(card):
        lines += [
            "`plainscan predict FOLDER --out RUN` uses it when no `--model` is given",
            f"`plainscan train RUN --init plainscan --network {card.network}` starts from it, head and all; "
            "another depth is refused, and another head of the same depth starts from random weights",
            "License: Apache-2.0, as the code. No patient's image, report or mask has trained it, so there is no other "
            "license, consent or data agreement to clear",
        ]
    lines += [f"Not for {use}" for use in NOT_FOR]
    return _section("What it is for, and what not", lines)


def _learned(card: Card) -> str:
    known = card.provenance
    text = _section("What it learned from", [f"{name}: not known" for name in OPEN])
    if card.world:
        text = (
            "## What it learned from\n\nSynthetic studies alone, drawn by plainscan's own world "
            f"(version `{card.world}`). No slice of a patient has trained it{_nor(card)}. "
            "Real slices of a development set were looked at to choose between recipes: see "
            "[experiments](docs/experiments.md)."
        )
    text += "\n\n" + _splits(known.get("splits", {}))
    start = (known.get("settings") or {}).get("init")
    text += f"\n\nStart of training: {_start(start)}. Best epoch: {known.get('best_epoch', 'not known')}."
    if "precision" in known:
        text += f" Trained in {known['precision']}; where a recipe does not say, the machine decides."
    if kept := (known.get("settings") or {}).get("keep_init"):
        text += f" Then drawn back towards its start: {kept:g} of each weight is the start's."
    if card.world and start is not None:
        text += " Table and recipe are of the last piece alone: "
        text += "[those before it](docs/decisions/0009-weights-in-pieces.md)."
    if chosen := known.get("calibrated"):
        text += f"\n\n{_chosen(chosen, card)}"
    if card.recipe:
        text += f"\n\nThe recipe:\n\n```toml\n{_toml(card.recipe)}\n```"
    return text


def _by_patients(card: Card) -> bool:
    """Whether slices of patients chose its thresholds; those of the synthetic world have its version beside them."""
    chosen = card.provenance.get("calibrated")
    return chosen is not None and "world" not in chosen


def _nor(card: Card) -> str:
    return "" if _by_patients(card) else ", set its thresholds or calibrated it"


def _chosen(chosen: dict[str, Any], card: Card) -> str:
    """On what its probabilities and thresholds were chosen, after the training."""
    whose = "patients" if _by_patients(card) else f"synthetic patients (version `{chosen['world']}`)"
    return (
        f"Probabilities and thresholds were chosen anew, without training, on {chosen['slices']} slices of "
        f"{chosen['patients']} {whose}, {chosen['any_finding']} of the slices with a finding; sensitivity asked for "
        f"{chosen['target_sensitivity']:g}."
        + (f" Before that it was {chosen['bundle']}." if chosen["bundle"] != card.name else "")
    )


def _start(init: dict[str, Any] | None) -> str:
    """The weights it began with: the name on their card where they had one, as others come with plainscan since."""
    if init is None:
        return "random weights"
    world = f", `{init['world']}`" if "world" in init else ""
    return f"{init.get('bundle', init.get('name'))} (`{init.get('hash')}`{world})"


def _splits(splits: dict[str, dict[str, int]]) -> str:
    rows = [
        [name, *(counts.get(key, 0) for key in ("patients", "studies", "slices", "any_finding", "no_finding"))]
        for name, counts in splits.items()
        if counts.get("slices")
    ]
    if not rows:
        return "Patients, studies, slices: not known."
    return _table(["split", "patients", "studies", "slices", "with any finding", "with none"], rows)


def _figures(card: Card) -> str:
    text = "## How good it is\n\n"
    if card.figures:
        text += "On slices that it was not trained on; intervals are 95 %, patients resampled.\n\n"
        heads = ["data", "figure", "level", "finding", "value", "units", "positive", "patients", "remark"]
        text += _table(heads, [_row(item) for item in card.figures])
    else:
        text += "Not known: no figure on slices beyond its own tuning split is in its card."
    tune = card.provenance.get("tune", {})
    if "tune_auc" in tune:
        kind = "synthetic tuning slices" if card.world else "tuning slices"
        text += f"\n\nAUC on its own {kind} ({tune.get('tune_slices')}): {tune['tune_auc']:.3f}."
        text += " They chose its weights: this is no judgement."
    return text


def _row(item: Measured) -> list[object]:
    interval = "" if item.low is None or item.high is None else f" ({item.low:.3f} to {item.high:.3f})"
    value = "not estimable" if item.value is None else f"{item.value:.3f}{interval}"
    name = NAMES.get(item.finding, item.finding.replace("_", " "))
    return [
        *(item.data, item.figure.replace("_", " "), item.level, name, value),
        *(item.n, item.n_positive, item.clusters, item.note),
    ]


def _points(card: Card) -> str:
    rows = [
        [
            p.level,
            NAMES.get(p.finding, p.finding),
            f"{p.threshold:.4f}",
            f"{p.sensitivity:.3f}",
            f"{p.specificity:.3f}",
            p.n,
            p.chosen_on,
        ]
        for p in card.operating_points
    ]
    rules = sorted({f"{p.rule}, chosen on {p.chosen_on}" for p in card.operating_points})
    text = f"## Operating points\n\nRule: {'; '.join(rules) or 'none'}."
    if card.world and not _by_patients(card):
        text += (
            " The thresholds come from synthetic slices: on a department's own scans they may give another sensitivity "
            "and specificity. Measure them there before any use in research, or train from these weights."
        )
    heads = ["level", "finding", "threshold", "sensitivity", "specificity", "n", "chosen on"]
    return f"{text}\n\n{_table(heads, rows)}"


def _calibration(card: Card) -> str:
    heads = ["finding", "slope", "intercept", "fitted on"]
    rows = [
        [NAMES.get(c.finding, c.finding), f"{c.slope:.3f}", f"{c.intercept:+.3f}", c.fitted_on]
        for c in card.calibration
    ]
    text = "Probability = sigmoid(slope x logit + intercept), after Platt 1999. `none`: that finding was not fitted."
    return f"## Calibration\n\n{text}\n\n{_table(heads, rows)}"


def _failures(card: Card) -> str:
    return _section("Where it fails", list(card.known_failures) or ["Not known"])


def _hashes(card: Card) -> str:
    known = card.provenance
    lines = [f"`model.onnx`, SHA-256: `{card.model_sha256}`"]
    if "trained_as" in known:
        lines.append(f"trained as `{known['trained_as']}` in float32; {_rounding(known.get('stored_as_float16', {}))}")
    lines += [f"{name}: `{known[key]}`" for key, name in _ORIGINS.items() if known.get(key)]
    lines.append("A bundle whose files differ from these hashes does not load.")
    return _section("Hashes", lines)


def _rounding(change: dict[str, float]) -> str:
    if not change:
        return "what rounding changed is not known"
    return (
        f"stored as float16, which on {change['slices']:.0f} tuning slices changed a logit by at most "
        f"{change['largest_logit_change']:.4f}, the AUC by {change['auc_change']:.5f} and "
        f"{100 * change['decisions_changed']:.2f} % of the decisions"
    )


_ORIGINS = {"prepared_sha256": "table of the slices, SHA-256", "torch": "torch", "seed": "seed of the training"}


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines)


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _toml(recipe: dict[str, Any]) -> str:
    """A recipe's sections as TOML; its values are plain, so JSON's notation serves."""
    tops = [f"{key} = {json.dumps(value)}" for key, value in recipe.items() if not isinstance(value, dict)]
    sections = [
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())])
        for name, section in recipe.items()
        if isinstance(section, dict)
    ]
    return "\n\n".join(["\n".join(tops), *sections] if tops else sections)


if __name__ == "__main__":
    given = sys.argv[1]
    print(page(read_card(located(SHIPPED if given == SHIPPED else Path(given)))), end="")
