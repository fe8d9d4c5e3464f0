"""Restore damaged documents: notation, constraints, joint decoding, confidence, editions."""

from fillmask.restore.restoration import Evidence, Gap, Hypothesis, Progress, Reading, Restoration
from fillmask.restore.restoring import BEAM, restore, restore_document

__all__ = [
    "BEAM",
    "Evidence",
    "Gap",
    "Hypothesis",
    "Progress",
    "Reading",
    "Restoration",
    "restore",
    "restore_document",
]
