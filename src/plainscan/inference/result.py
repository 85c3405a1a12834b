"""What scoring gives back: one typed result for a study, a volume or a picture, slice by slice.

Nothing in the printed form of a result names a patient: identifiers are fields of ``Origin`` that `repr` leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plainscan.bundle import Card
from plainscan.ct.prepare import HU, Box
from plainscan.errors import SourceError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference import heatmap, overlay, reliability
from plainscan.inference.engine import operating_point

SliceDecision = Literal["finding", "no_finding"]
StudyDecision = Literal["finding", "no_finding", "incomplete", "no_operating_point"]


@dataclass(frozen=True)
class Origin:
    """Where a slice comes from; the names are those of `predictions.csv`.

    Args:
        patient: Patient ID, the study UID where there is none; None for a picture or an array.
        study: Study Instance UID; None likewise, as are the next two.
        series: Series Instance UID.
        instance: SOP Instance UID.
        file: Path relative to the source; None for an array.
        slice_index: Place in the series, 0 is the lowest; None for a picture.
        slice_position_mm: Along the slice normal, growing towards the head; None when unknown.
    """

    patient: str | None = field(default=None, repr=False)
    study: str | None = field(default=None, repr=False)
    series: str | None = field(default=None, repr=False)
    instance: str | None = field(default=None, repr=False)
    file: str | None = field(default=None, repr=False)
    slice_index: int | None = None
    slice_position_mm: float | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the heat maps of one slice are made of; a map is put on the slice when it is asked for.

    Args:
        hu: The slice, (rows, columns), HU.
        box: The square that the network saw.
        logits: (findings,), float32, among its neighbors.
        maps: (findings, grid, grid), float32.
        card: Of the bundle that made them.
    """

    hu: HU
    box: Box
    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    card: Card

    def heat_map(self, finding: str) -> NDArray[np.float32]:
        """See ``SliceResult.heat_map``."""
        if finding not in FINDING_KEYS:
            raise SourceError(
                f"no finding {finding!r}",
                where="heat_map",
                expected=f"one of {', '.join(FINDING_KEYS)}",
                remedy="Leave it out for any finding.",
            )
        threshold = operating_point(self.card, "slice", finding).threshold
        i = FINDING_KEYS.index(finding)
        calibration = self.card.calibration[i]
        grid = heatmap.heat(self.maps[None, i], self.logits[None, i], calibration, threshold, self.card.pooling)[0]
        rows, columns = self.hu.shape
        return heatmap.faded(grid, self.box, (rows, columns), self.card.input_size)

    @cached_property
    def not_reliable(self) -> tuple[str, ...]:
        """See ``SliceResult.not_reliable``; the table and the picture ask for it."""
        threshold = operating_point(self.card, "slice").threshold
        return reliability.not_reliable(self.maps, self.logits, self.hu, self.box, self.card, threshold)


@dataclass(frozen=True, eq=False)
class SliceResult:
    """One slice.

    Args:
        origin: Where it comes from.
        probability: Calibrated, [0, 1], by finding; "any_finding" first, then those that the bundle was calibrated
            for. Empty when there is no score.
        decision: On "any_finding", at the bundle's frozen slice operating point; None when there is no score.
        not_scored: Code of the reason why there is no score; None when there is one.
        remedy: What to do about it; often empty.
        flags: Coded remarks of reading its pixels.
        evidence: What its heat maps are made of; None when there is no score.
    """

    origin: Origin
    probability: Mapping[str, float] = field(default_factory=dict)
    decision: SliceDecision | None = None
    not_scored: str | None = None
    remedy: str = ""
    flags: tuple[str, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False)

    def heat_map(self, finding: str = ANY_FINDING) -> NDArray[np.float32]:
        """Heat on the slice, made when asked for.

        Args:
            finding: One for which the bundle has a slice operating point, where the scale begins.

        Returns:
            (rows, columns) of the slice, float32, [0, 1]; 0 at the operating point, 1 far above it.

        Raises:
            SourceError: The slice was not scored, or there is no such finding.
            BundleError: The bundle has no slice operating point for it.
        """
        return self._evidence().heat_map(finding)

    def not_reliable(self) -> tuple[str, ...]:
        """What speaks against relying on the heat map of any finding: keys of ``reliability.WORDS``, mostly none.

        Raises:
            SourceError: The slice was not scored.
            BundleError: The bundle has no slice operating point.
        """
        return self._evidence().not_reliable

    def overlay(self) -> Image.Image:
        """The slice in the brain window with the heat of any finding, a scale and a caption; names nobody.

        A heat map that is not reliable is striped, and a band below the picture says why.

        Raises:
            SourceError: The slice was not scored.
        """
        evidence = self._evidence()
        threshold = operating_point(evidence.card, "slice").threshold
        reasons = [reliability.WORDS[code] for code in evidence.not_reliable]
        return overlay.render(evidence.hu, self.heat_map(), self.probability[ANY_FINDING], threshold, reasons)

    def _evidence(self) -> Evidence:
        if self.evidence is None:
            raise SourceError(
                f"not scored: {self.not_scored}",
                where=f"slice {self.origin.slice_index or 0}",
                expected="a slice with a score",
                remedy=self.remedy or "Look at not_scored first.",
                code=self.not_scored or "",
            )
        return self.evidence


class LeftOut(NamedTuple):
    """A file or image of the source that is no slice of a chosen series, and the code of the reason."""

    file: str
    code: str


@dataclass(frozen=True, eq=False)
class StudyResult:
    """One study, lowest slice first.

    Args:
        slices: One result per slice, scored or not.
        probability: Of any finding in the study, calibrated, [0, 1]; None when no slice was scored, and for a picture.
        decision: At the bundle's frozen study operating point; "incomplete" when too little was seen to say
            "no_finding"; None when there is no probability.
        flags: Remarks, such as "tilted +18.5 deg" or "incomplete: 1 not scored".
        left_out: Everything else in the source, each with its reason.
        bundle: Name of the bundle that scored.
        model_sha256: Hash of its model.
        engine: What the network ran on: "fp32", "mixed" or "int8".
    """

    slices: tuple[SliceResult, ...]
    probability: float | None
    decision: StudyDecision | None
    flags: tuple[str, ...]
    bundle: str
    model_sha256: str
    engine: str
    left_out: tuple[LeftOut, ...] = field(default=(), repr=False)
