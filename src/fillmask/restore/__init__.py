"""Restore damaged documents: notation, constraints, joint decoding, confidence, editions."""

from fillmask.restore.restoration import Evidence, Gap, Hypothesis, Progress, Reading, Restoration
from fillmask.restore.restoring import BEAM, STRATEGIES, restore, restore_document

__all__ = [
    "BEAM",
    "STRATEGIES",
    "Evidence",
    "Gap",
    "Hypothesis",
    "Progress",
    "Reading",
    "Restoration",
    "restore",
    "restore_document",
]
