import pytest

from plainscan import findings


def test_any_finding_comes_first() -> None:
    assert findings.FINDING_KEYS[0] == findings.ANY_FINDING == "any_finding"
    assert len(findings.FINDINGS) == 15


def test_keys_and_aliases_are_unique_without_case() -> None:
    names = [n.lower() for f in findings.FINDINGS for n in (f.key, *f.aliases)]
    assert len(names) == len(set(names))


def test_the_hemorrhages_are_the_five_types() -> None:
    assert len(findings.HEMORRHAGE_KEYS) == 5
    assert all(key.endswith("hemorrhage") for key in findings.HEMORRHAGE_KEYS)


@pytest.mark.parametrize("name", ["Intraventricular", " intraventricular_hemorrhage ", "IVH"])
def test_a_column_name_is_found_by_key_or_alias_without_case(name: str) -> None:
    found = findings.find(name)
    assert found is not None
    assert found.key == "intraventricular_hemorrhage"


def test_an_unknown_column_name_is_no_finding() -> None:
    assert findings.find("label_source") is None
    assert findings.find("hemorrhage") is None  # a group of five, not one of the list
