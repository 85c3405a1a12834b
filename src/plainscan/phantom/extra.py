"""What an archive holds beside the wanted series: a lateral localizer and a bone-kernel twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.scanner import BONE, Geometry
from plainscan.phantom.study import Study, scan_series
from plainscan.phantom.tissue import Edge, HeadFields
from plainscan.phantom.tissue_head import head_hu

LOCALIZER_PX: Final = 256
LOCALIZER_STEP_MM: Final = 4.0


def localizer(study: Study) -> tuple[NDArray[np.int16], NDArray[np.float64], float]:
    """A lateral projection: mean HU along x, so soft parts are near 0 and bone stands out.

    Returns:
        (1, 256, 256), int16; its position (1, 3) in mm; its pixel size in mm.
    """
    step, count = LOCALIZER_STEP_MM, LOCALIZER_PX // 4
    x = (np.arange(48, dtype=np.float32) - 23.5) * step
    y = (np.arange(count, dtype=np.float32) - count / 2) * step
    z = 130 - np.arange(count, dtype=np.float32) * step
    points = np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None])
    flat = [np.ascontiguousarray(axis, dtype=np.float32).ravel() for axis in points]
    head = study.scene.patient.head.sample(*flat)
    fields = HeadFields(*flat, *head)
    hu = head_hu(fields, study.scene.look, Edge(step, step))
    hu = np.where((fields.cavity > 0) & (hu < 100), 30.0, hu)
    mean = hu.reshape(count, count, -1).mean(axis=2)
    image = np.repeat(np.repeat(mean, 4, axis=0), 4, axis=1)[None]
    position = np.array([[0.0, float(y[0]), float(z[0])]]) + study.scene.pose.shift_mm
    return np.rint(image * 1.5 + 300).clip(-1024, 2000).astype(np.int16), position, step / 4


def bone_series(rng: np.random.Generator, study: Study) -> tuple[NDArray[np.int16], Geometry]:
    """The same head in a bone kernel, every third slice."""
    full = study.geometry
    geometry = replace(full, positions_mm=full.positions_mm[::3], thickness_mm=full.thickness_mm[::3])
    hu, _, _ = scan_series(rng, study.scene, geometry, replace(study.acquisition, kernel=BONE), study.objects)
    return hu, geometry
