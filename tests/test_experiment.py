"""One TOML file: what is wrong in it is named by its key; what it leaves out follows from what makes the studies."""

from pathlib import Path

import pytest

from plainscan.config import LabelSettings
from plainscan.errors import ConfigError
from plainscan.experiment import read_experiment, read_toml


def write(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_unknown_key_is_named_with_its_section(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.epoch: no such key"):
        read_experiment(write(tmp_path, 'out = "o"\n[train]\nepoch = 3\n'))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[train]\n", "out: Field required"),
        ('out = "o"\n[train]\nbatch = 0\n', "train.batch"),
        ('out = "o"\n[split]\ntrain = 0.8\n', "train + tune + test is 1.1"),
        ('out = "o"\n[prepare]\nsize = 100\n', "prepare.size"),
        ('out = "o"\n[scan]\n', "scan.source: Field required"),
        ("out = ", "Invalid value"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_experiment(write(tmp_path, text))
    assert named in str(caught.value)


def test_a_missing_or_binary_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_experiment(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_experiment(tmp_path / "b.toml")


def test_the_phantom_feeds_scan_and_label_unless_told_otherwise(tmp_path: Path) -> None:
    text = 'out = "o"\n[phantom]\n[scan]\n[label]\nreports = "mine.csv"\n'
    experiment = read_experiment(write(tmp_path, text))
    assert experiment.scan is not None
    assert experiment.label is not None
    assert experiment.scan.source == Path("o/dicom")
    assert experiment.label == LabelSettings(reports=Path("mine.csv"), truth=Path("o"))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "configs").glob("*.toml")), ids=lambda p: p.name)
def test_every_shipped_config_reads_and_opens_with_its_command_cost_and_figure(path: Path) -> None:
    read_experiment(path)
    head = path.read_text(encoding="utf-8").split("\n\n")[0]
    assert head.startswith("#")
    assert f"plainscan run configs/{path.name}" in head
    assert "Cost:" in head
    assert "Expect:" in head


def test_an_empty_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="out: an empty path"):
        read_experiment(write(tmp_path, 'out = ""\n'))
    with pytest.raises(ConfigError, match=r"scan\.source: an empty path"):
        read_experiment(write(tmp_path, 'out = "o"\n[scan]\nsource = ""\n'))


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.learning_rate"):
        read_experiment(write(tmp_path, 'out = "o"\n[train]\nlearning_rate = inf\n'))


def test_a_byte_order_mark_before_the_settings_is_passed_over(tmp_path: Path) -> None:
    assert read_experiment(write(tmp_path, '\ufeffout = "o"\n')).out == Path("o")


def test_a_line_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.toml: .*line 2.*expected a TOML file in UTF-8"):
        read_toml(write(tmp_path, 'ethics = "waived"\npurpose = "open\n'))


@pytest.mark.parametrize("seed", [-1, 2**63])
@pytest.mark.parametrize("section", ["phantom", "world", "split", "leak", "train", "evaluate"])
def test_a_seed_that_a_generator_does_not_take_is_refused_by_name(tmp_path: Path, section: str, seed: int) -> None:
    with pytest.raises(ConfigError, match=rf"{section}\.seed: "):
        read_experiment(write(tmp_path, f'out = "o"\n[{section}]\nseed = {seed}\n'))
