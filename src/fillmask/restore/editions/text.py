"""The restored text, its lines as they were.

What the model reads stands in brackets, so that it can be told from what the
document has; a hole without a reading stands as the source has it.
"""

from __future__ import annotations

from fillmask.restore.editions.align import portions
from fillmask.restore.editions.shown import chosen, damage
from fillmask.restore.notation import Stretch
from fillmask.restore.restoration import Restoration, RestoredHole

# The first pair that the document does not have itself.
_BRACKETS = ("[]", "⟨⟩", "‹›", "⟦⟧", "⸢⸣")


def render(restoration: Restoration, *, marks: bool = True) -> str:
    """The text with the best reading in each hole.

    Args:
        marks: whether what is read stands in brackets.
    """
    document = restoration.document
    own = "".join(part for part in document.layout if isinstance(part, str))
    brackets = next((pair for pair in _BRACKETS if not set(pair) & set(own)), _BRACKETS[0]) if marks else ""
    text = document.laid_out([_hole(restoration, gap, brackets) for gap in restoration.gaps])
    return text if text.endswith("\n") else text + "\n"


def _hole(restoration: Restoration, gap: RestoredHole, brackets: str) -> str:
    reading = chosen(restoration, gap)
    if not reading:
        return gap.source if restoration.notation in ("plain", "leiden") else damage(restoration, gap)
    if not brackets:
        return reading
    stretches = restoration.document.stretches[gap.index]
    texts = portions(stretches, reading)
    if texts is None:  # given although the letters speak against it
        return brackets[0] + reading + brackets[1]
    shown = ""
    for stretch, text in zip(stretches, texts, strict=True):
        if _is_of_document(stretch, text) or not text:
            shown += text
        elif shown.endswith(brackets[1]):
            shown = shown[:-1] + text + brackets[1]
        else:
            shown += brackets[0] + text + brackets[1]
    return shown


def _is_of_document(stretch: Stretch, text: str) -> bool:
    return not stretch.is_lost and text == stretch.letters
