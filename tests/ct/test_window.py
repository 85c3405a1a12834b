import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.config import TrainSettings
from plainscan.ct.window import BRAIN, Window, from_picture, to_unit

windows = st.builds(Window, st.floats(-500, 1500), st.floats(1, 4000))


def test_the_default_windows_are_brain_subdural_bone() -> None:
    assert TrainSettings().windows == (BRAIN, (80, 200), (600, 2800))


@settings(deadline=None, max_examples=50)
@given(windows)
def test_the_edges_map_to_0_and_1_and_the_center_to_a_half(window: Window) -> None:
    hu = np.array([window.low_hu - 50, window.low_hu, window.center_hu, window.high_hu, window.high_hu + 50])
    np.testing.assert_allclose(to_unit(hu, window), [0, 0, 0.5, 1, 1], atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(windows)
def test_a_picture_read_back_through_its_window_gives_its_grey_levels(window: Window) -> None:
    grey = np.arange(256, dtype=np.uint8)
    back = to_unit(from_picture(grey, window), window) * 255
    np.testing.assert_allclose(back, grey, atol=0.05)


def test_unsigned_and_signed_stored_types_do_not_wrap() -> None:
    assert to_unit(np.array([0, 4095], np.uint16), BRAIN).tolist() == [0, 1]
    assert to_unit(np.array([-1024, 3071], np.int16), BRAIN).tolist() == [0, 1]
