"""The documents are true: what they name exists, and what exists is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from plainscan.bundle import read_card, shipped
from plainscan.cli import STAGES, app
from plainscan.experiment import Experiment

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HOUSE = ("README", "ARCHITECTURE", "CONTRIBUTING", "GLOSSARY", "CHANGELOG", "SECURITY")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def identify(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", HOUSE)
def test_the_house_has_its_papers(name: str) -> None:
    assert len(text_of(f"{name}.md")) > 300


@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff", "Makefile", "constraints.txt"])
def test_the_house_has_its_files(name: str) -> None:
    assert (ROOT / name).is_file()


def test_every_dependency_is_pinned_by_name_and_version_alone() -> None:
    lines = text_of("constraints.txt").splitlines()
    assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line)]
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    asked = re.findall(r'"([a-z][\w-]*)>=', text_of("pyproject.toml"))
    assert not {name.lower() for name in asked} - pinned - {"setuptools"}


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{identify(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_file_that_is_named_exists(page: Path) -> None:
    pattern = r"`((?:src|tests|docs|configs|benchmarks|\.ci)/[\w./-]*[\w/])`"
    for name in re.findall(pattern, page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{identify(page)} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_module_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"`plainscan\.((?:\w+\.)*\w+)`", page.read_text(encoding="utf-8")):
        parts = name.split(".")
        places = [ROOT / "src" / "plainscan" / Path(*parts[:n]) for n in (len(parts), len(parts) - 1) if n]
        assert any(p.is_dir() or p.with_suffix(".py").is_file() for p in places), (
            f"{identify(page)} names plainscan.{name}"
        )


def commands_in(page: Path) -> list[str]:
    """What follows `plainscan` wherever a page shows a command: in backticks or in a fenced block."""
    text = page.read_text(encoding="utf-8")
    fenced = "\n".join(re.findall(r"^ *```.*?\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^\s*(?:.* -m )?plainscan ([a-z].*)$", fenced, re.MULTILINE)
    return lines + re.findall(r"`plainscan ([a-z][^`]*)`", text)


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_command_that_is_named_exists(page: Path) -> None:
    commands = {command.name for command in app.registered_commands}
    for line in commands_in(page):
        assert line.split()[0] in commands, f"{identify(page)} names plainscan {line}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_option_that_is_named_exists(page: Path) -> None:
    known = {f"--{n.replace('_', '-')}" for section, _ in STAGES.values() for n in section.model_fields}
    known |= {"--out", "--help", "--version", "--no-heatmaps"}
    for line in commands_in(page):
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", line):
            assert option in known, f"{identify(page)} names {option}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    for name in re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")):
        assert name in targets, f"{identify(page)} names make {name}"


def test_every_package_is_on_the_map() -> None:
    page = text_of("ARCHITECTURE.md")
    tops = {
        p.stem for p in (ROOT / "src" / "plainscan").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    for name in tops - {"__init__", "__main__"}:
        assert f"`plainscan.{name}`" in page, f"ARCHITECTURE.md does not name {name}"


def test_every_stage_is_in_the_readme() -> None:
    page = text_of("README.md")
    for stage in STAGES:
        assert f"plainscan {stage}" in page, stage


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_on_engines_names_the_one_that_the_shipped_card_takes() -> None:
    integers = read_card(shipped()).int8
    assert integers is not None
    assert f"On the shipped card `auto` is {integers.default}" in text_of("docs/how-to/predict-a-folder.md")
    start = " ".join(text_of("docs/how-to/start-from-the-shipped-model.md").split())
    assert f"`{integers.default}`, as the shipped bundle scores" in start


def test_the_figures_in_the_readme_are_the_cards() -> None:
    card, said = read_card(shipped()), " ".join(text_of("README.md").split())
    asked = (("auc", "slice", "per slice"), ("auc_within_height", "slice", "among"), ("auc", "study", "per study"))
    for figure, level, after in asked:
        found = next(
            one
            for one in card.figures
            if one.data.startswith("CT-ICH")
            and (one.figure, one.level, one.finding) == (figure, level, "any_hemorrhage")
        )
        assert f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}) {after}" in said


def test_every_section_is_in_the_reference() -> None:
    page = text_of("docs/reference/config.md")
    for name in Experiment.model_fields:
        assert f"[{name}]" in page or f"`{name}`" in page


def test_every_decision_is_in_the_index() -> None:
    index = text_of("ARCHITECTURE.md")
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        assert page.name in index, page.name


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "ARCHITECTURE.md"])
def test_it_says_that_it_is_no_medical_device(name: str) -> None:
    assert re.search(r"not\s+a\s+medical\s+device", text_of(name), re.IGNORECASE), name


def test_no_path_of_a_machine_stands_anywhere() -> None:
    places = [
        *PAGES,
        *ROOT.glob("*.toml"),
        *(p for d in ("src", "tests", "configs", "benchmarks") for p in (ROOT / d).rglob("*")),
    ]
    for path in places:
        if path.suffix in {".py", ".md", ".toml", ".j2", ".csv"} and path != Path(__file__):
            found = re.search(r"/(?:work|root|home)/\w+", path.read_text(encoding="utf-8"))
            assert not found, f"{identify(path)} holds {found and found.group()}"
