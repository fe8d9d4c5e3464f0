"""Draw the figures of the explanations: `python scripts/figures.py` writes docs/images/mlm.svg and models.svg.

Needs matplotlib (the extra `plots`). The numbers of parameters are those of the papers and the model cards.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
INK, ACCENT, PALE, PAPER = "#26324b", "#d9480f", "#e8ecf6", "#ffffff"

# Year, millions of parameters, name, and the side on which the name stands.
MODELS = [
    (2018.8, 110, "BERT-base", "left"),
    (2019.55, 125, "RoBERTa-base", "left"),
    (2019.73, 12, "ALBERT-base", "right"),
    (2019.75, 66, "DistilBERT", "left"),
    (2019.85, 82, "DistilRoBERTa", "right"),
    (2020.2, 110, "ELECTRA-base", "above"),
    (2020.6, 106, "ConvBERT-base", "right"),
    (2021.9, 184, "DeBERTa-v3-base", "right"),
    (2024.95, 149, "ModernBERT-base", "left"),
]

# Distance of a name from its point, in years and millions, and its alignment.
_LABELS = {"left": (-0.09, 0, "right"), "right": (0.09, 0, "left"), "above": (0, 9, "left")}


def draw_masking() -> None:
    """A sentence with hidden tokens, the encoder, and the probabilities at the hidden tokens."""
    figure, axes = plt.subplots(figsize=(9, 4.3))
    axes.set_xlim(0, 9)
    axes.set_ylim(0, 4.3)
    axes.axis("off")
    words = ["I", "am", "<mask>", "to", "the", "<mask>", "."]
    places = [0.95 + 1.18 * number for number in range(len(words))]
    for place, word in zip(places, words, strict=True):
        hidden = word == "<mask>"
        _box(axes, place, 0.45, 1.0, 0.5, word, ACCENT if hidden else INK, PAPER if hidden else PALE)
        axes.annotate("", (place, 1.32), (place, 0.74), arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1})
    _box(axes, 4.5, 1.75, 8.3, 0.8, "encoder: every token looks at every other token, on both sides", INK, PALE)
    answers = {
        2: [("going", 0.62), ("walking", 0.17), ("coming", 0.08)],
        5: [("bakery", 0.41), ("shop", 0.22), ("door", 0.1)],
    }
    for number, bars in answers.items():
        place = places[number]
        axes.annotate("", (place, 2.62), (place, 2.18), arrowprops={"arrowstyle": "-|>", "color": ACCENT, "lw": 1.6})
        for row, (word, share) in enumerate(bars):
            height = 3.75 - 0.38 * row
            axes.text(place - 0.12, height, word, ha="right", va="center", fontsize=10, color=INK)
            axes.barh(height, 1.7 * share, left=place, height=0.22, color=ACCENT, alpha=0.85 - 0.2 * row)
    axes.text(0.35, 3.37, "probabilities\nat the masks", ha="left", va="center", fontsize=9, color=INK)
    axes.text(8.62, 3.37, "(an illustration)", ha="right", va="center", fontsize=8, color=INK, alpha=0.7)
    _save(figure, "mlm.svg")


def draw_models() -> None:
    """Masked language models by year and size."""
    figure, axes = plt.subplots(figsize=(9, 4))
    for year, size, name, side in MODELS:
        is_student = name.startswith("Distil")
        axes.scatter(year, size, s=70, color=ACCENT if is_student else INK, zorder=3)
        dx, dy, align = _LABELS[side]
        axes.text(year + dx, size + dy, name, ha=align, va="center", fontsize=9.5, color=INK)
    for year, size, target_year, target_size in ((2018.8, 110, 2019.75, 66), (2019.55, 125, 2019.85, 82)):
        axes.annotate(
            "", (target_year, target_size), (year, size),
            arrowprops={"arrowstyle": "-|>", "color": ACCENT, "lw": 1.2, "ls": "--", "shrinkA": 7, "shrinkB": 7},
        )  # fmt: skip
    axes.text(2018.95, 45, "teacher → student", color=ACCENT, fontsize=8.5, ha="center")
    axes.set_xlim(2017.6, 2026)
    axes.set_ylim(0, 205)
    axes.set_ylabel("parameters, millions", color=INK)
    axes.set_xticks(range(2018, 2026))
    axes.grid(axis="y", color=PALE, zorder=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK, length=0)
    _save(figure, "models.svg")


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, ink: str, fill: str) -> None:
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.02,rounding_size=0.1",
        edgecolor=ink, facecolor=fill, lw=1.3,
    )  # fmt: skip
    axes.add_patch(box)
    axes.text(x, y, text, ha="center", va="center", fontsize=11, color=ink)


def _save(figure: plt.Figure, name: str) -> None:
    # White paper behind the drawing keeps it readable in dark mode; no date, so that the file depends on the code alone.
    figure.savefig(IMAGES / name, bbox_inches="tight", facecolor=PAPER, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    mpl.rcParams["svg.hashsalt"] = "fillmask"
    draw_masking()
    draw_models()
