"""Restore damaged documents: notation, constraints, joint decoding, confidence, editions."""

from fillmask.restore.restoring import STRATEGIES, restore, restore_document

__all__ = ["STRATEGIES", "restore", "restore_document"]
