"""Write the pages of docs/reference that are made from the code, and MODEL_CARD.md, so that they cannot drift from it.

python docs/generate.py          write them
python docs/generate.py --check  exit 1 when a page is not up to date
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from model_card import page as model_card
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from plainscan.bundle import CARD_FILE, SHIPPED_FOLDER, read_card
from plainscan.cli import STAGES
from plainscan.cohort.select import FLAGS
from plainscan.cohort.series import CODES
from plainscan.config import Section
from plainscan.ct import geometry, hounsfield
from plainscan.dicom.deidentify_file import LEFT_OUT
from plainscan.dicom.pacs import TRANSFER_CODES
from plainscan.dicom.read import REFUSALS
from plainscan.dicom.scan import REJECT_CODES
from plainscan.dictionary import ROWS, describe
from plainscan.experiment import Experiment
from plainscan.inference.gate import NOT_ANALYZED
from plainscan.tables import TABLES

REFERENCE = Path(__file__).parent / "reference"
MODEL_CARD = Path(__file__).parents[1] / "MODEL_CARD.md"
SOURCE = Path(__file__).parents[1] / "src" / "plainscan"
LIMITS = {  # of a number in a JSON schema, in words
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
    "multipleOf": "in steps of",
}
MOST = 2**63 - 1  # as good as no limit
NOTE = "<!-- Made from the code by `make docs`; do not edit. -->\n"


def config_page() -> str:
    """Every section and key of a configuration file."""
    lines = [NOTE, "# The configuration file\n"]
    lines.append("`plainscan run CONFIG.toml` reads it. An unknown key is an error. Paths are relative to where the")
    lines.append("command is run. A stage without a section does not run. `configs/` holds examples.\n")
    lines += ["## At the top\n", *_table(Experiment, [n for n, f in Experiment.model_fields.items() if f.description])]
    lines.append(
        "\nWith `[phantom]`, the keys `scan.source`, `label.reports` and `label.truth` default to what it made."
    )
    for stage, (section, _) in STAGES.items():
        if stage in Experiment.model_fields:
            lines += [f"\n## [{stage}]\n", f"{_summary(section)}\n", *_table(section, list(section.model_fields))]
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """Every sub-command and its options."""
    lines = [NOTE, "# The command line\n"]
    lines.append(
        "`plainscan COMMAND --help` says the same. RUN is the run folder: each stage reads the tables that the"
    )
    lines.append("stages before left there and adds its own. A stage whose inputs have not changed is skipped.\n")
    lines.append(
        "Exit codes: 0 done, 2 something that the caller can mend (the message says what), 1 a mistake of ours."
    )
    for stage, (section, positional) in STAGES.items():
        options = [name for name in section.model_fields if name not in positional]
        words = " ".join(name.upper() for name in positional)
        required = "" if {"RUN", "OUT"} & {*positional} else " --out RUN"
        lines += [f"\n## plainscan {stage}\n", f"{_summary(section)}\n"]
        lines.append(f"```\nplainscan {' '.join(filter(None, [stage, words]))}{required} [OPTIONS]\n```\n")
        lines += _table(section, options, flag=True)
    lines += ["\n## plainscan run\n", "```\nplainscan run CONFIG.toml\n```\n"]
    lines.append("Runs every stage that has a section in the file, in order. See [the configuration file](config.md).")
    lines += ["\n## plainscan explain\n", "```\nplainscan explain REPORTS --out PAGE.html\n```\n"]
    lines.append(
        "Writes a page that shows why reports read as they do: every phrase in its place, colored by what it says."
    )
    lines.append(
        "REPORTS is anything that `label --reports` reads. The page holds report text: keep it with the reports."
    )
    lines += ["\n## plainscan sheets\n", "```\nplainscan sheets RUN --out FOLDER\n```\n"]
    lines.append("Writes every table of a run as CSV, for a spreadsheet. They identify patients as the run does.")
    return "\n".join(lines) + "\n"


def exclusion_page() -> str:
    """Every code that says why something is not in the cohort."""
    lines = [NOTE, "# Why something is not in the cohort\n"]
    lines.append("Nothing disappears: every file is a row of the catalogue or of `rejects.parquet`, every row of the")
    lines.append("catalogue is in `cohort.parquet` or in `exclusions.parquet`, each with one of these codes.")
    parts = {
        "Not fetched": (
            "`transfers.parquet`: studies that `fetch` could not bring, or not whole; `no_series` also stands by "
            "complete ones.",
            TRANSFER_CODES,
        ),
        "Rejected by scan": ("`rejects.parquet`: files that are no image that can be read.", REJECT_CODES),
        "Left out by select": ("`exclusions.parquet`: tried in this order; the first that holds is given.", CODES),
        "Flags of a series": (
            "`cohort.parquet`, column `flags`: remarks on series that are in.",
            {**geometry.FLAGS, **FLAGS},
        ),
        "Refused on reading": (
            "Slices of the cohort whose pixels cannot be trusted, found only when they are read: `prepare` counts them "
            "and `predict` gives the code as `not_scored`.",
            REFUSALS,
        ),
        "Not analyzed by predict": (
            "`predictions.csv`, column `not_scored`: what the gatekeeper keeps from being scored, by the HU alone "
            "([the rule](predictions.md)). `prepare` leaves out a series with `contrast_seen` too, by the same rule.",
            NOT_ANALYZED,
        ),
        "Left out by deidentify": (
            "`deidentified.parquet`, column `code`: files and reports that are not written. Codes of the tables above "
            "stand there too.",
            LEFT_OUT,
        ),
        "Remarks on pixels": ("What was noticed or repaired in slices that were read.", hounsfield.REMARKS),
    }
    for title, (text, codes) in parts.items():
        lines += [f"\n## {title}\n", f"{text}\n", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in codes.items()]
    return "\n".join(lines) + "\n"


def table_page() -> str:
    """Every column of every table."""
    lines = [NOTE, "# The tables\n"]
    lines.append(
        "All are Parquet, in the run folder; `plainscan.tables` declares them and refuses what differs. A bold"
    )
    lines.append(
        "column belongs to the key, which no two rows share. Units are in the names: `_mm`, `_hu`, `_px`, `_deg`."
    )
    for table in TABLES:
        stage, row = table.by, ROWS[table.name]
        lines += [f"\n## {table.name}.parquet\n", f"Written by {stage}. A row is {row}.\n"]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        names = ((f"**`{c.name}`**" if c.is_key else f"`{c.name}`", c) for c in describe(table))
        lines += [f"| {name} | {column.type} | {column.meaning} |" for name, column in names]
    return "\n".join(lines) + "\n"


def module_page() -> str:
    """Every module in one line: the first of its docstring."""
    lines = [
        NOTE,
        "# The modules\n",
        "One line each, from their own docstrings; [ARCHITECTURE](../../ARCHITECTURE.md) is the map.",
    ]
    for folder in [SOURCE, *sorted(p.parent for p in SOURCE.glob("*/__init__.py"))]:
        lines.append(f"\n## {'plainscan' if folder == SOURCE else folder.name}\n")
        if folder != SOURCE:
            lines.append(f"{_first_line(folder / '__init__.py')}\n")
        lines += ["| module | what it is |", "|---|---|"]
        names = sorted(p for p in folder.glob("*.py") if not p.stem.startswith("__"))
        lines += [f"| `{path.stem}` | {_first_line(path)} |" for path in names]
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0].replace("|", "\\|")


def _summary(section: type[Section]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _table(section: type[BaseModel], names: list[str], flag: bool = False) -> list[str]:
    if not names:
        return ["No options."]
    schema = section.model_json_schema()["properties"]
    lines = [f"| {'option' if flag else 'key'} | meaning | values | default |", "|---|---|---|---|"]
    for name in names:
        found = section.model_fields[name]
        values = f"or `--no-{_name(name, flag)[2:]}`" if flag and found.annotation is bool else _values(schema[name])
        lines.append(f"| `{_name(name, flag)}` | {found.description} | {values} | {_default(found.default)} |")
    return lines


def _values(schema: dict[str, Any]) -> str:
    """What a key takes, from its JSON schema: the words, the range, or the kind."""
    if "anyOf" in schema:
        return " or ".join(_values(kind) for kind in schema["anyOf"] if kind["type"] != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"[{', '.join(_values(part) for part in schema['prefixItems'])}]"
    if schema["type"] == "array":
        return f"list of {_values(schema['items'])}"
    if schema["type"] == "boolean":
        return "`true`, `false`"
    kind = {"integer": "whole number", "number": "number", "string": "text"}[schema["type"]]
    limits = [f"{word} {schema[key]:.12g}" for key, word in LIMITS.items() if abs(schema.get(key, MOST)) < MOST]
    return " ".join(["path" if schema.get("format") == "path" else kind, *limits])


def _name(name: str, flag: bool) -> str:
    return f"--{name.replace('_', '-')}" if flag else name


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or value == ():
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main(check: bool) -> int:
    """Write the pages, or compare them."""
    stale = []
    pages = {
        REFERENCE / "config.md": config_page(),
        REFERENCE / "command-line.md": command_page(),
        REFERENCE / "exclusions.md": exclusion_page(),
        REFERENCE / "modules.md": module_page(),
        REFERENCE / "tables.md": table_page(),
    }
    if (SHIPPED_FOLDER / CARD_FILE).is_file():  # a copy without weights has no card of theirs
        pages[MODEL_CARD] = model_card(read_card(SHIPPED_FOLDER))
    for path, text in pages.items():
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not up to date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
