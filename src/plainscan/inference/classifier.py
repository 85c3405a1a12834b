"""The one way from a study to its result: the library, the command and all that is built on them score here.

``plainscan.load()`` gives a ``Classifier``; its ``predict`` takes files, a volume in HU or a picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from plainscan.bundle import Card
from plainscan.config import SelectSettings
from plainscan.counted import tally
from plainscan.ct.prepare import head_box, prepare_slice
from plainscan.ct.window import Window
from plainscan.dicom.read import Reader
from plainscan.errors import ConfigError, SourceError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference import engine as engines
from plainscan.inference.ahead import ahead
from plainscan.inference.arrays import Spacing, picture_study, volume_study
from plainscan.inference.context import Place, place_of, with_neighbors
from plainscan.inference.gate import CUT_ABOVE, CUT_BELOW, NO_LOSS
from plainscan.inference.predict import calibrated, score, study_probability
from plainscan.inference.result import Evidence, LeftOut, Origin, SliceDecision, SliceResult, StudyDecision, StudyResult
from plainscan.inference.source import CONFLICT, Planes, Slice, Source, Study, collect, planes
from plainscan.setting_types import SHIPPED, Engine, WindowPair, explain

# Remarks of the selection, the gatekeeper and the reading: slices are missing, or others may be the right ones.
GAPS: Final = ("incomplete", "missing_block", CUT_BELOW, CUT_ABOVE, CONFLICT)
FEWEST: Final = SelectSettings().minimum_slices  # fewer are a fragment of a head, as in `select`
MOST_THREADS: Final = 256


class Classifier:
    """A loaded bundle that scores studies. Safe to share between threads.

    Args:
        model: A verified bundle.

    Raises:
        BundleError: It has no slice operating point.
    """

    def __init__(self, model: engines.Model) -> None:
        self._model = model
        self.slice_point = engines.operating_point(model.card, "slice")
        points = (p for p in model.card.operating_points if (p.level, p.finding) == ("study", ANY_FINDING))
        self.study_point = next(points, None)  # none when the tuning set held studies of one class only

    @property
    def card(self) -> Card:
        """The bundle's card: thresholds, windows, calibration, provenance."""
        return self._model.card

    @property
    def engine(self) -> str:
        """What the network runs on: "fp32", "mixed" or "int8"."""
        return self._model.engine

    @property
    def threads(self) -> int:
        """Slices at a time."""
        return self._model.threads

    @property
    def judged(self) -> list[str]:
        """Findings that the bundle was calibrated for; of the others it has shown nothing, so none is given."""
        return [item.finding for item in self.card.calibration[1:] if item.fitted_on != "none"]

    def predict(
        self,
        study: str | Path | NDArray[Any],
        *,
        spacing_mm: Spacing | None = None,
        window: tuple[float, float] | None = None,
    ) -> StudyResult:
        """Score one study, one volume or one picture.

        Args:
            study: A DICOM folder, ZIP or file; or a volume, (slices, rows, columns), HU, any number type of 16 bits or
                more, lowest slice first, rows from front to back, columns from the patient's right to left; or, with
                ``window``, a grey PNG or JPEG file, or a picture (rows, columns), uint8.
            spacing_mm: Of a volume, and only there: between slices, rows and columns, mm.
            window: Of a picture, and only there: center and width that were burnt in, HU.

        Returns:
            The result; slices that cannot be scored are in it, each with its code.

        Raises:
            SourceError: The input is not what it should be, holds nothing to score, or more than one study.
            ConfigError: The window is out of range.
            BundleError: The bundle gives a score that is not a number.
        """
        if isinstance(study, str | Path):
            return self._only_study(Path(study), spacing_mm, window)
        if window is not None:
            given = picture_study(study, _window(window), spacing_mm)
        else:
            given = volume_study(study, spacing_mm)
        with Reader() as reader:
            return self.result(given, self.slices(given, reader))

    def predict_all(self, source: str | Path, *, window: tuple[float, float] | None = None) -> Iterator[StudyResult]:
        """Score everything in a source, one study or picture after the other.

        Args:
            source: As for ``predict``, with any number of studies; with ``window``, any number of pictures.
            window: Center and width that were burnt into the pictures, HU.

        Raises:
            SourceError: There is no such source, or nothing in it can be scored.
            ConfigError: The window is out of range.
        """
        return self._results(_collected(Path(source), window))

    def slices(self, study: Study, reader: Reader) -> Iterator[SliceResult]:
        """Score a study's slices, lowest first; read one by one, scored several at a time.

        No more are held than are under way, and those whose neighbors are still to come.
        """
        read = planes(study, self.card.neighbors, reader)
        found = ((item, read(i)) for i, item in enumerate(study.slices))
        alone = ahead(lambda pair: self._alone(*pair), found, self.threads)
        for item, logits in with_neighbors(alone, _place, _logits, self.card.context_mm):
            yield item if logits is None else self._decided(item, logits)

    def result(self, study: Study, scored: Iterable[SliceResult], left_out: tuple[LeftOut, ...] = ()) -> StudyResult:
        """Put a study's slices, as ``slices`` gives them, together.

        Args:
            study: The study.
            scored: Its slices, lowest first.
            left_out: What else was in its source.
        """
        slices = tuple(scored)
        values = [item.probability[ANY_FINDING] for item in slices if item.not_scored is None]
        remarks = tuple(dict.fromkeys(flag for item in slices for flag in item.flags))
        codes = [item.not_scored for item in slices]
        flags, probability, decision = (*remarks, *_nothing_said(codes)), None, None
        if not study.picture:
            flags = study_flags(study, remarks, codes)
            probability = study_probability(values, self.card.study_rule) if values else None
            decision = self._study_decision(probability, codes, (*study.flags, *remarks))
        return StudyResult(
            slices, probability, decision, flags, self.card.name, self.card.model_sha256, self.engine, left_out
        )

    def _alone(self, item: Slice, found: Planes) -> SliceResult:
        """What the network sees on a slice, before its neighbors are heard and anything is decided."""
        origin = Origin(**cast("dict[str, Any]", {name: item.row[name] for name in Origin.__dataclass_fields__}))
        if found.not_scored:
            return SliceResult(origin, not_scored=found.not_scored, remedy=found.remedy)
        middle = found.hu[len(found.hu) // 2]
        box = head_box(middle)
        scores = score(self._model, prepare_slice(found.hu, self.card.input_size, box)[None])
        evidence = Evidence(middle, box, scores.logits[0], scores.maps[0], self.card)
        return SliceResult(origin, flags=found.flags, evidence=evidence)

    def _decided(self, item: SliceResult, logits: NDArray[np.float32]) -> SliceResult:
        probabilities = calibrated(logits[None], self.card.calibration)[0].tolist()
        given = {key: probabilities[FINDING_KEYS.index(key)] for key in (ANY_FINDING, *self.judged)}
        decision = decide(probabilities[0], self.slice_point.threshold)
        evidence = item.evidence and replace(item.evidence, logits=logits)
        return replace(item, probability=given, decision=decision, evidence=evidence)

    def _study_decision(
        self, probability: float | None, codes: Sequence[str | None], flags: tuple[str, ...]
    ) -> StudyDecision | None:
        if probability is None:
            return None
        if self.study_point is None:
            return "no_operating_point"
        decision = decide(probability, self.study_point.threshold)
        return "incomplete" if decision == "no_finding" and not seen_whole(codes, flags) else decision

    def _only_study(self, path: Path, spacing_mm: Spacing | None, window: tuple[float, float] | None) -> StudyResult:
        if spacing_mm is not None:
            raise SourceError(
                "spacing_mm",
                where=str(path),
                expected="none: files say their own spacing",
                remedy="Leave it out, or give the volume as an array.",
            )
        source = _collected(path, window)
        if len(source.studies) > 1:
            raise SourceError(
                f"{len(source.studies)} {'pictures' if source.pictures else 'studies'}",
                where=str(path),
                expected="one",
                remedy="Give predict_all the source: it scores one after the other.",
                code="several_studies",
            )
        return next(self._results(source))

    def _results(self, source: Source) -> Iterator[StudyResult]:
        left_out = tuple(LeftOut(str(row["file"]), str(row["not_scored"])) for row in source.left_out)
        with Reader() as reader:
            for study in source.studies:
                yield self.result(study, self.slices(study, reader), left_out)


def load(bundle: str | Path = SHIPPED, threads: int = 0, engine: Engine = "auto") -> Classifier:
    """Load and verify a bundle.

    Args:
        bundle: Folder with `model.onnx` and `card.json`, or "plainscan": the one that comes with it.
        threads: Slices at a time; 0 takes every core this process may use.
        engine: "fp32", "mixed", "int8", or "auto": the quickest that the bundle and the processor allow.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version, or has nothing for the engine.
        ConfigError: The number of threads is out of range, or there is no such engine.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or not 0 <= threads <= MOST_THREADS:
        expected = f"a whole number from 0 to {MOST_THREADS}"
        raise ConfigError(f"{threads!r}", where="threads", expected=expected, remedy="0 takes every core.")
    if engine not in get_args(Engine):
        names = " or ".join(get_args(Engine))
        raise ConfigError(f"{engine!r}", where="engine", expected=names, remedy="Leave it out for auto.")
    return Classifier(engines.load(SHIPPED if bundle == SHIPPED else Path(bundle), threads, engine))


def _place(item: SliceResult) -> Place:
    origin = item.origin
    return place_of(origin.series, origin.slice_position_mm, origin.slice_index)


def _logits(item: SliceResult) -> NDArray[np.float32] | None:
    return None if item.evidence is None else item.evidence.logits


def without_evidence(item: SliceResult) -> SliceResult:
    """The result without its pixels and maps, for those who keep many."""
    return replace(item, evidence=None)


def decide(probability: float, threshold: float) -> SliceDecision:
    """The rule of every operating point: at the threshold or above it is a finding."""
    return "finding" if probability >= threshold else "no_finding"


def seen_whole(codes: Sequence[str | None], flags: tuple[str, ...]) -> bool:
    """Whether enough of a study was scored to call it free of findings.

    Args:
        codes: `not_scored` of its slices, lowest first, None where there is a score. Slices without a head or brain
            at either end, above the vertex or below the skull base, are no loss.
        flags: Coded remarks of the selection and of reading.

    >>> head, air = None, "no_head"
    >>> seen_whole([head] * 8 + [air], ()), seen_whole([head] * 4 + [air] + [head] * 4, ()), seen_whole([head], ())
    (True, False, False)
    """
    shown = _codes_of_head(codes)
    return len(shown) >= FEWEST and not any(shown) and not set(GAPS) & set(flags)


def study_flags(study: Study, remarks: tuple[str, ...], codes: Sequence[str | None]) -> tuple[str, ...]:
    """The remarks of the selection, with the figures for tilt and spacing, of reading, and what was lost."""
    spacings = study.spacings_mm
    texts = []
    for flag in study.flags:
        if flag == "tilted" and study.tilt_deg is not None:
            texts.append(f"tilted {study.tilt_deg:+.1f} deg")
        elif flag == "uneven_spacing" and spacings:
            texts.append(f"uneven spacing {min(spacings):.2f}-{max(spacings):.2f} mm")
        else:
            texts.append(flag)
    lost = sum(map(bool, _codes_of_head(codes)))
    said = _nothing_said(codes) or ((f"incomplete: {lost} not scored",) if lost else ())
    return (*texts, *remarks, *said)


def _nothing_said(codes: Sequence[str | None]) -> tuple[str, ...]:
    """The remark on a study of which no slice was scored: why, the commonest reason first."""
    if not codes or None in codes:
        return ()
    return (f"not analyzed: {', '.join(str(code) for code, _ in Counter(codes).most_common())}",)


def _codes_of_head(codes: Sequence[str | None]) -> Sequence[str | None]:
    """`not_scored` of each slice from the first that can show brain to the last."""
    shown = [i for i, code in enumerate(codes) if code not in NO_LOSS]
    return codes[shown[0] : shown[-1] + 1] if shown else []


def _collected(path: Path, window: tuple[float, float] | None) -> Source:
    source = collect(path, None if window is None else _window(window))
    if not source.studies:
        raise SourceError(
            f"nothing to score: {tally(str(row['not_scored']) for row in source.left_out)}",
            where=str(path),
            expected="at least one slice of a plain axial head CT",
            remedy="docs/reference/exclusions.md says what each code means.",
            code="nothing_scored",
        )
    return source


def _window(window: tuple[float, float]) -> Window:
    try:
        return Window(*TypeAdapter(WindowPair).validate_python(window))
    except ValidationError as error:
        raise ConfigError(
            explain(error),
            where="window",
            expected="(center, width) in HU, such as (40, 80)",
            remedy="Give the window that was burnt into the picture.",
        ) from error
