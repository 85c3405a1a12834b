"""How many times the test labels of a run folder were opened, in `test_looks.json`.

A help to the honest, not a guard: who deletes the file starts at 1 again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from plainscan.errors import TableError
from plainscan.storage import whole_file

LOOKS_FILE: Final = "test_looks.json"


def count_look(folder: Path, look: dict[str, Any]) -> dict[str, int]:
    """Write down one look more.

    Args:
        folder: The run folder.
        look: What was opened with what; ``model_sha256`` tells models apart.

    Returns:
        How many looks there are now, and with how many models.

    Raises:
        TableError: The file is not what `evaluate` wrote.
    """
    known = _known(folder / LOOKS_FILE)
    known.append({"look": len(known) + 1, **look})
    with whole_file(folder / LOOKS_FILE) as partial:
        partial.write_text(json.dumps({"looks": known}, indent=2) + "\n", encoding="utf-8")
    return {"count": len(known), "models": len({one["model_sha256"] for one in known})}


def _known(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        looks = json.loads(path.read_text(encoding="utf-8"))["looks"]
        whole = isinstance(looks, list) and all(isinstance(one["model_sha256"], str) for one in looks)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise TableError(
            "not the list of looks that evaluate wrote",
            where=str(path),
            expected='{"looks": [...]}',
            remedy="Restore it from a copy. If there is none, delete it, and say beside the figures that earlier "
            "looks were lost.",
        )
    found: list[dict[str, Any]] = looks
    return found
