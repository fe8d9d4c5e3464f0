"""The restored text and nothing else, its lines as they were; a hole without a reading stands as the source has it."""

from __future__ import annotations

from fillmask.restore.editions.shown import chosen
from fillmask.restore.restoration import Restoration


def render(restoration: Restoration) -> str:
    """The text with the best reading in each hole."""
    text = restoration.document.laid_out([chosen(restoration, gap) or gap.source for gap in restoration.gaps])
    return text if text.endswith("\n") else text + "\n"
