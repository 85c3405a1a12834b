"""Sites and slice numbers in sentences, and to which finding they belong."""

from __future__ import annotations

import pytest

from plainscan.phantom import report_chinese, report_english
from plainscan.reports.place import Places, read_places, sites_in, slices_in

WITHOUT_PLACE = {"ventricles", "sulci", "brain", "midline"}  # everywhere, or nowhere in particular


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("右侧丘脑出血（层面12-15）。", [12, 13, 14, 15]),
        ("右侧丘脑出血(第8～9层)。", [8, 9]),
        ("见于层面 3、5及7至9。", [3, 5, 7, 8, 9]),
        ("图像12示高密度影。", [12]),
        ("Hemorrhage (im 15-17).", [15, 16, 17]),
        ("Hemorrhage, images 3, 5 and 7 to 9.", [3, 5, 7, 8, 9]),
        ("Best seen on slice 11.", [11]),
        ("See series 2, image 14.", [14]),
        ("层厚5mm，层面 10 mm。", []),
        ("Slices 5 mm thick; maximum 12-15 mm.", []),
        ("slices 0.625 mm", []),
        ("Image 17-12.", []),
        ("time 12, claim 5", []),
        ("第12层厚", []),
    ],
)
def test_slice_numbers_are_read_and_measures_are_not(sentence: str, numbers: list[int]) -> None:
    assert sorted(slices_in(sentence)) == numbers


@pytest.mark.parametrize(
    ("sentence", "sites"),
    [
        ("小脑幕旁硬膜下血肿", {"tentorium"}),
        ("左侧额颞部硬膜下血肿", {"frontal", "temporal"}),
        ("侧脑室旁", {"lateral_ventricle"}),
        ("Right parafalcine subdural hematoma.", {"falx"}),
        ("Left frontoparietal convexity.", {"frontal", "parietal", "convexity"}),
        ("Response to therapy.", set()),
    ],
)
def test_the_longest_word_names_the_site(sentence: str, sites: set[str]) -> None:
    assert sites_in(sentence) == sites


@pytest.mark.parametrize("words", [report_chinese._SITES, report_english._SITES])
def test_every_site_of_synthetic_reports_that_is_a_place_is_known(words: dict[str, str]) -> None:
    for site, word in words.items():
        assert (site in sites_in(word)) is (site not in WITHOUT_PLACE), word


def test_a_description_says_where_for_the_finding_that_it_names() -> None:
    report = (
        "Findings: Left thalamic hematoma (im 12-13). Right frontal subdural hematoma. No temporal fracture (im 3). "
        "Impression: Hemorrhage."
    )
    found = read_places(report)
    assert found["intraparenchymal_hemorrhage"] == Places(("thalamus",), (12, 13))
    assert found["subdural_hemorrhage"] == Places(("frontal",))
    assert found["any_finding"] == Places(("frontal", "thalamus"), (12, 13))
    assert "skull_fracture" not in found
