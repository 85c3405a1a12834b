from pathlib import Path
from types import SimpleNamespace

import pytest

from plainscan.config import Section, SplitSettings
from plainscan.errors import ConfigError
from plainscan.stages import evaluate
from plainscan.stages import run as chain

ALL = (
    'out = "{out}"\n{units}\n[phantom]\n[scan]\n[select]\n[label]\n[split]\nseed = 5\n[prepare]\n'
    "[account]\n[train]\n[evaluate]\n"
)


class Stage:
    """Stands for a stage module: notes the call."""

    def __init__(self, name: str, calls: list[tuple[str, Path, Section]]) -> None:
        self.name, self.calls = name, calls

    def run(self, folder: Path, settings: Section) -> None:
        self.calls.append((self.name, folder, settings))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Section]]:
    made: list[tuple[str, Path, Section]] = []
    loader = SimpleNamespace(import_module=lambda name: Stage(name.rsplit(".", 1)[-1], made))
    monkeypatch.setattr(chain, "importlib", loader)
    return made


def config(folder: Path, text: str) -> Path:
    (folder / "x.toml").write_text(text, encoding="utf-8")
    return folder / "x.toml"


def test_stages_run_in_the_order_of_the_data_whatever_the_order_in_the_file(
    tmp_path: Path, calls: list[tuple[str, Path, Section]]
) -> None:
    text = f'out = "{tmp_path}"\n[evaluate]\n[split]\n[scan]\n[phantom]\n'
    chain.run(config(tmp_path, text))
    assert [(name, folder) for name, folder, _ in calls] == [
        (name, tmp_path) for name in ("phantom", "scan", "split", "evaluate")
    ]


def test_each_unit_runs_from_the_split_on_in_its_own_folder_and_the_results_are_compared(
    tmp_path: Path, calls: list[tuple[str, Path, Section]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[Path, tuple[str, ...]]] = []
    monkeypatch.setattr(evaluate, "compare_units", lambda *given: compared.append(given))
    (tmp_path / "cohort.parquet").write_text("shared", encoding="utf-8")
    chain.run(config(tmp_path, ALL.format(out=tmp_path, units='units = ["image", "patient"]')))
    shared = [(name, tmp_path) for name in ("phantom", "scan", "select", "label")]
    own = [
        (name, tmp_path / unit)
        for unit in ("image", "patient")
        for name in ("split", "prepare", "account", "train", "evaluate")
    ]
    assert [(name, folder) for name, folder, _ in calls] == shared + own
    splits = [settings for name, _, settings in calls if name == "split"]
    assert splits == [SplitSettings(seed=5, unit="image"), SplitSettings(seed=5, unit="patient")]
    assert (tmp_path / "image" / "cohort.parquet").read_text(encoding="utf-8") == "shared"
    assert compared == [(tmp_path, ("image", "patient"))]


def test_units_without_a_split_are_refused(tmp_path: Path, calls: list[tuple[str, Path, Section]]) -> None:
    with pytest.raises(ConfigError, match="units without a"):
        chain.run(config(tmp_path, f'out = "{tmp_path}"\nunits = ["image"]\n[prepare]\n'))
    assert not calls


def test_the_last_words_say_where_the_report_is_and_what_to_try_next(
    tmp_path: Path, calls: list[tuple[str, Path, Section]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.html").write_text("", encoding="utf-8")
    chain.run(config(tmp_path, f'out = "{tmp_path}"\n[evaluate]\n'))
    last = capsys.readouterr().err.strip().splitlines()[-2:]
    assert last[0] == f"Report: {tmp_path / 'report.html'} (open it in a browser)."
    assert last[1].startswith("Try next: plainscan predict")


def test_an_experiment_without_a_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no stage"):
        chain.run(config(tmp_path, f'out = "{tmp_path}"\n'))
