"""Tables as text that a spreadsheet opens."""

from __future__ import annotations

from typing import Final

import polars as pl

MARKED: Final = "utf-8-sig"  # the encoding that a spreadsheet takes for what it is
_FORMULA: Final = r"^([=+\-@\t\r])"  # a spreadsheet would run a text that starts so


def csv_text(frame: pl.DataFrame, digits: int) -> str:
    """A table as CSV: numbers rounded, a list in one cell, an apostrophe before a text that would run as a formula.

    Args:
        frame: Any columns.
        digits: Of a float, after the point.

    >>> csv_text(pl.DataFrame({"a": ["=1+1", "-"], "b": [[1.0, 0.5], [2.0]], "c": [0.126, None]}), 2).splitlines()
    ['a,b,c', "'=1+1,1.0; 0.5,0.13", "'-,2.0,"]
    """
    lists = [
        pl.col(name).list.eval(pl.element().cast(pl.String)).list.join("; ")
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.List)
    ]
    plain = frame.with_columns(lists).with_columns(pl.col(pl.Float64).round(digits))
    return plain.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'${1}")).write_csv()
