"""Restore damaged documents: notation, constraints, joint decoding, confidence, editions."""

from fillmask.restore.options import RestoreOptions
from fillmask.restore.restoration import Evidence, Gap, Hypothesis, Progress, Reading, Restoration
from fillmask.restore.restoring import parse_source, restore, restore_document

__all__ = [
    "Evidence",
    "Gap",
    "Hypothesis",
    "Progress",
    "Reading",
    "Restoration",
    "RestoreOptions",
    "parse_source",
    "restore",
    "restore_document",
]
