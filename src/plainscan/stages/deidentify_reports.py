"""The structured reports of an archive: what ``scan`` found no pixels in, and what of that is a report of a study."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import polars as pl

from plainscan.dicom.deidentify_sr import REPORT_CLASSES
from plainscan.dicom.deidentify_sr_table import report_table
from plainscan.dicom.files import Archive, locate
from plainscan.dicom.header import read_header
from plainscan.errors import DicomError
from plainscan.stages.deidentify_study import Place

Refusal = tuple[str, Place, str]  # kind, where it is, code


def find_reports(rejects: pl.DataFrame) -> tuple[dict[str, list[Place]], list[Refusal]]:
    """Structured reports by study, in order, and everything else with its code.

    Args:
        rejects: The table of ``scan``.
    """
    reports: dict[str, list[Place]] = defaultdict(list)
    others: list[Refusal] = []
    archives: dict[Path, Archive] = {}
    try:
        for root, path, code in sorted(rejects.select("source", "path", "code").iter_rows()):
            place = (str(root), str(path))
            sop_class, study, has_uids = _look(place, archives) if code == "no_pixel_data" else ("", "", False)
            if not sop_class.startswith(REPORT_CLASSES):
                others.append(("dicom", place, code))
            elif sop_class not in report_table().classes:
                others.append(("sr", place, "sr_class"))
            elif not has_uids:
                others.append(("sr", place, "no_uid"))
            else:
                reports[study].append(place)
    finally:
        for archive in archives.values():
            archive.close()
    return reports, others


def _look(place: Place, archives: dict[Path, Archive]) -> tuple[str, str, bool]:
    """SOP class and study of a file, and whether it has all its UIDs; empty where it cannot be read now."""
    try:
        values = read_header(locate(*place, archives)).values
    except DicomError:
        return "", "", False
    has_uids = all(isinstance(values[name], str) for name in ("study_uid", "series_uid", "instance_uid"))
    return str(values["sop_class_uid"] or ""), str(values["study_uid"] or ""), has_uids
