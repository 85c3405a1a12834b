"""Take the figures of the shipped weights' card from runs that were judged again.

python docs/card_figures.py DATA=METRICS.json [DATA=METRICS.json ...]

DATA is a figure's `data` in docs/weights.toml, whose list says which figures the card shows; METRICS.json is what
`evaluate` wrote on those slices. Values, intervals, counts and notes are replaced where they stand; figures of other
data stay, as long as they are of the same weights and threshold. A figure that was not measured, or is not estimable
any more, is an error: take its table out of the list.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from plainscan.config import make_section
from plainscan.errors import SourceError, UserError
from plainscan.evaluation.report import Figures
from plainscan.stages.ship import Judged

NOTES = Path(__file__).parent / "weights.toml"
Metrics: TypeAlias = Mapping[str, Any]
NAMED = ("data", "figure", "level", "finding")
DIGITS = 6  # more than are ever shown: what is rounded twice may come out another


def refilled(notes: str, measured: Mapping[str, Metrics]) -> str:
    """The notes with figures of these data as they were measured now.

    Args:
        notes: docs/weights.toml.
        measured: What METRICS.json holds, by `data`.

    Raises:
        SourceError: A figure of the list was not measured, or none has such data; or the figures would be of several
            weights or thresholds.
    """
    head, *_ = notes.partition("\n[[figures]]")
    known = tomllib.loads(notes)
    tables = known["figures"]
    listed = {table["data"] for table in tables}
    if strange := set(measured) - listed:
        raise SourceError(f"no figure with data {sorted(strange)}", where=NOTES.name, expected="data that stand there")
    judged = [_judged(metrics) for metrics in measured.values()]
    judged += [make_section(Judged, **known["figures_of"])] if listed - set(measured) else []
    if any(one != judged[0] for one in judged):
        raise SourceError(
            "the figures would be of several weights or thresholds",
            where=NOTES.name,
            expected="one bundle, judged on all data of the list",
            remedy="Judge it on each, and give all of its METRICS.json.",
        )
    figures = {data: Figures(metrics["figures"]) for data, metrics in measured.items()}
    filled = [_now(table, figures[table["data"]]) if table["data"] in figures else table for table in tables]
    of = ", ".join(f"{key} = {json.dumps(value)}" for key, value in judged[0].model_dump().items())
    head = re.sub(r"^figures_of = .*$", f"figures_of = {{ {of} }}", head, flags=re.MULTILINE)
    return "\n".join((head, *map(_written, filled)))


def _judged(metrics: Metrics) -> Judged:
    return Judged(model_sha256=metrics["provenance"]["model_sha256"], threshold=metrics["threshold"])


def _now(table: dict[str, Any], found: Figures) -> dict[str, Any]:
    entry = found(table["figure"], table["finding"], table["level"])
    if entry is None or entry["value"] is None:
        raise SourceError(
            f"no {table['figure']} of {table['finding']} per {table['level']}",
            where=table["data"],
            expected="every figure that the list names",
            remedy=f"Measure it, or take its table out of {NOTES.name}.",
        )
    numbers = {name: entry[name] for name in ("value", "low", "high", "n", "n_positive", "clusters", "note")}
    kept = {name: round(v, DIGITS) if isinstance(v, float) else v for name, v in numbers.items() if v not in (None, "")}
    return {name: table[name] for name in NAMED} | kept


def _written(table: dict[str, Any]) -> str:
    # TOML's numbers and basic strings are written as JSON's.
    return "[[figures]]\n" + "".join(f"{key} = {json.dumps(v, ensure_ascii=False)}\n" for key, v in table.items())


def main(arguments: list[str]) -> int:
    """Rewrite docs/weights.toml; the exit code."""
    pairs = [argument.rpartition("=") for argument in arguments]
    if not pairs or not all(data and path for data, _, path in pairs):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        measured = {data: json.loads(Path(path).read_text(encoding="utf-8")) for data, _, path in pairs}
        NOTES.write_text(refilled(NOTES.read_text(encoding="utf-8"), measured), encoding="utf-8")
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
