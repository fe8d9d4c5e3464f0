"""Restore damaged documents: notation, constraints, joint decoding, confidence, editions."""

from fillmask.restore.options import RestoreOptions
from fillmask.restore.restoration import Evidence, Hypothesis, Progress, Reading, Restoration, RestoredHole
from fillmask.restore.restoring import parse_source, restore, restore_document

__all__ = [
    "Evidence",
    "Hypothesis",
    "Progress",
    "Reading",
    "Restoration",
    "RestoreOptions",
    "RestoredHole",
    "parse_source",
    "restore",
    "restore_document",
]
