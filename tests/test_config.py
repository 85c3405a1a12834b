import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from plainscan import config
from plainscan.errors import ConfigError
from plainscan.setting_types import SHIPPED


def test_a_section_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config.TrainSettings().epochs = 3  # type: ignore[misc]


def test_windows_are_read_from_text_and_from_numbers_alike() -> None:
    text = config.make_section(config.TrainSettings, windows="40/80, 80/200")
    numbers = config.make_section(config.TrainSettings, windows=[[40, 80], [80, 200]])
    assert text == numbers
    assert text.windows == ((40.0, 80.0), (80.0, 200.0))


@pytest.mark.parametrize("windows", ["40", "40/0", "a/b", ""])
def test_windows_that_are_none_are_refused(windows: str) -> None:
    with pytest.raises(ConfigError, match="windows"):
        config.make_section(config.TrainSettings, windows=windows)


def test_every_setting_has_a_description() -> None:
    sections = [c for c in vars(config).values() if isinstance(c, type) and issubclass(c, config.Section)]
    missing = [
        f"{section.__name__}.{name}"
        for section in sections
        if section is not config.Section
        for name, field in section.model_fields.items()
        if not field.description
    ]
    assert not missing


@pytest.mark.parametrize(
    "window", [(math.nan, 80), (40, math.inf), (40, 1e30), (1e9, 80), (40, 1e-9), (40, 0), (-3000, 80)]
)
def test_a_window_that_no_scanner_has_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="--window: "):
        config.make_section(config.PredictSettings, source="a", model="m", window=window)
    with pytest.raises(ConfigError, match="--window: "):
        config.make_section(config.ImagesSettings, source="a", labels="l", window=window)


def test_the_windows_in_use_are_accepted() -> None:
    for window in ((40, 80), (80, 200), (600, 2800), (32, 8), (-600, 1500), (700, 4000)):
        assert config.make_section(config.PredictSettings, source="a", model="m", window=window).window == window


@pytest.mark.parametrize(
    ("section", "name", "most"),
    [(config.PhantomSettings, "patients", 100_000), (config.WorldSettings, "patients", 100_000),
     (config.WorldSettings, "slices", 1000), (config.WorldSettings, "processes", 1024),
     (config.LeakSettings, "resamples", 100_000), (config.EvaluateSettings, "resamples", 100_000),
     (config.TrainSettings, "epochs", 100_000), (config.TrainSettings, "batch", 100_000)],
)  # fmt: skip
def test_a_number_that_would_fill_any_memory_is_refused_by_name(
    section: type[config.Section], name: str, most: int
) -> None:
    assert getattr(config.make_section(section, **{name: most}), name) == most
    with pytest.raises(ConfigError, match=rf"--{name}: .*less than or equal to {most}"):
        config.make_section(section, **{name: most + 1})


def test_a_phantom_has_at_most_1000_slices() -> None:
    assert config.make_section(config.PhantomSettings, slices=(1, 1000)).slices == (1, 1000)
    with pytest.raises(ConfigError, match=r"--slices: .*less than or equal to 1000"):
        config.make_section(config.PhantomSettings, slices=(1, 1001))


def test_more_threads_than_any_machine_has_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--threads: .*256"):
        config.make_section(config.PredictSettings, source="a", model="m", threads=99999)


def test_a_message_names_the_option_that_was_given() -> None:
    with pytest.raises(ConfigError, match=r"^--minimum-slices: Input should be") as caught:
        config.make_section(config.SelectSettings, minimum_slices=0)
    assert "SelectSettings" not in str(caught.value)


@pytest.mark.parametrize(("section", "key"), [(config.TrainSettings, "init"), (config.PredictSettings, "model")])
def test_the_word_is_the_shipped_bundle_and_a_path_of_that_name_is_a_path(
    section: type[config.Section], key: str
) -> None:
    def read(value: object) -> object:
        return getattr(config.make_section(section, **{"source": "a"} if key == "model" else {}, **{key: value}), key)

    assert read("plainscan") == SHIPPED
    for path in ("./plainscan", "plainscan/", Path("plainscan")):
        assert read(path) == Path("plainscan") != SHIPPED
    assert read("runs/mine/model") == Path("runs/mine/model")
    with pytest.raises(ConfigError, match=f"^--{key}: an empty path; name a file or folder$"):
        read("")


def test_predict_takes_the_shipped_bundle_unless_told_otherwise() -> None:
    assert config.make_section(config.PredictSettings, source="a").model == SHIPPED


def test_stages_are_frozen_only_with_weights_to_keep() -> None:
    assert config.make_section(config.TrainSettings, init="plainscan", frozen=2).frozen == 2
    with pytest.raises(ConfigError, match="frozen stages keep the weights of init, and none is given"):
        config.make_section(config.TrainSettings, frozen=1)


def test_a_share_is_kept_only_of_weights_to_start_from() -> None:
    assert config.make_section(config.TrainSettings, init="plainscan", keep_init=0.5).keep_init == 0.5
    with pytest.raises(ConfigError, match="keep_init keeps weights of init, and none is given"):
        config.make_section(config.TrainSettings, keep_init=0.5)


def test_a_phantom_whose_fewest_slices_are_above_its_most_is_refused() -> None:
    with pytest.raises(ConfigError, match="fewest slices, 10, are more than the most, 5"):
        config.make_section(config.PhantomSettings, slices=(10, 5))
    assert config.PhantomSettings(slices=(5, 5)).slices == (5, 5)
