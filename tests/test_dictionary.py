"""The data dictionary knows every column and no other."""

from __future__ import annotations

from plainscan.dictionary import MEANINGS, ROWS, describe
from plainscan.tables import MANIFEST, TABLES


def test_every_column_of_every_table_has_a_meaning_and_every_meaning_a_column() -> None:
    assert {name for table in TABLES for name in table.columns} == set(MEANINGS)
    assert {table.name for table in TABLES} == set(ROWS)


def test_a_table_is_described_in_the_order_of_its_columns_with_type_and_key() -> None:
    columns = describe(MANIFEST)
    assert [column.name for column in columns] == list(MANIFEST.columns)
    assert {column.name for column in columns if column.is_key} == set(MANIFEST.key)
    assert {column.name: column.type for column in columns}["flags"] == "List(String)"
