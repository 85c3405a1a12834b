"""Ideal planes through a head that lies straight, without a scanner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.lesion import Placed
from plainscan.phantom.scanner import Geometry, Pose
from plainscan.phantom.scene import Scene, render_planes


def planes(
    patient: Patient, heights_mm: list[float], *lesions: Placed, thick_mm: float = 2.0, blur_mm: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """HU at some heights of the head, and the mask of the first lesion; (planes, rows, columns) both."""
    scene = Scene(patient, 0, patient.look, lesions, Pose(np.eye(3), np.zeros(3)), 0.0)
    at = np.array([[-112.0, -112.0, height] for height in heights_mm])
    thick = np.full(len(heights_mm), thick_mm)
    geometry = Geometry((224, 224), 1.0, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), at, thick, 0.0)
    found = list(render_planes(scene, geometry, blur_mm))
    hu = np.stack([plane for plane, _ in found])
    if not lesions:
        return hu, np.zeros(hu.shape, np.bool_)
    return hu, np.stack([shares[0] for _, shares in found]) >= lesions[0].mask_share
