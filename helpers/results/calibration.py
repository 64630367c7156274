"""How often a model is right against how sure it is. Introduced in lesson 5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CALIBRATION_BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often the model is right, in groups of images for which it is about as sure.

    Attributes:
        confidence: mean confidence of each group, shares 0 to 1.
        accuracy: share of each group that is right.
        counts: images in each group; the groups are tenths of confidence, empty ones left out.
        error: the expected calibration error: the mean distance between the two, each group
            weighted by its images.

    Introduced in lesson 5.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    error: float

    def __repr__(self) -> str:
        groups = len(self.counts)
        return f"Calibration: {groups} groups, expected error {100 * self.error:.1f} points"


def calibration_of(confidences: np.ndarray, right: np.ndarray) -> Calibration:
    from sklearn.calibration import calibration_curve

    accuracy, confidence = calibration_curve(right, confidences, n_bins=CALIBRATION_BINS)
    inner_edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    counts = np.bincount(np.searchsorted(inner_edges, confidences))
    counts = counts[counts > 0]
    error = float(np.sum(counts * np.abs(accuracy - confidence)) / len(right))
    return Calibration(confidence, accuracy, counts, error)
