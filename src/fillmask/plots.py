"""Pictures of results, for files: PNG, SVG or PDF, by the ending of the name.

Needs matplotlib, the extra `plots`. Figures are made without its global state
and without a display.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import InputError, MissingExtraError
from fillmask.evaluate import LOSS_BINS, MaskedAccuracy, PseudoPerplexity

try:
    from matplotlib.figure import Figure
except ImportError as missing:
    raise MissingExtraError("a plot", "plots") from missing

if TYPE_CHECKING:
    from fillmask.blimp import Blimp

FORMATS = (".png", ".svg", ".pdf")
_INK, _FAINT = "#222222", "#8a8a8a"
_COLOURS = ("#1f77b4", "#e6862a", "#2a9d6f")


def check_name(path: Path) -> None:
    """Raise InputError unless a plot can be written under this name."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"the plot's name {path.name!r} ends in {path.suffix!r}; expected {', '.join(FORMATS)}")


def save(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all.

    Raises:
        InputError: the name has no ending of `FORMATS`.
        OSError: it cannot be written.
    """
    from fillmask.engines.graphs import write_atomically

    check_name(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=160)
    write_atomically(path, drawn.getvalue())


def blimp(result: Blimp, title: str) -> Figure:
    """Accuracy by phenomenon as points, each of its paradigms as a faint one, with chance marked; overall at the bottom."""
    names = [*result.phenomena, "overall"]
    figure, axes = _axes(8.2, 1.6 + 0.42 * len(names), title)
    for offset, (method, colour) in enumerate(zip(result.methods, _COLOURS, strict=False)):
        shift = (offset - (len(result.methods) - 1) / 2) * 0.3
        for row, name in enumerate(names):
            mean = result.accuracy[method] if name == "overall" else result.phenomena[name][method]
            single = [p.accuracy[method] for p in result.paradigms if p.phenomenon == name]
            y = row + shift
            axes.plot([100 * a for a in single], [y] * len(single), "|", color=colour, alpha=0.45, markersize=7)
            axes.plot(
                [100 * mean], [y], "o", color=colour, markersize=6.5, clip_on=False, label=method if row == 0 else None
            )
            axes.annotate(f"{100 * mean:.1f}", (103, y), va="center", fontsize=7.5, color=colour, annotation_clip=False)  # fmt: skip
    axes.axvline(50, color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.axhline(len(names) - 1.5, color=_FAINT, linewidth=0.6)
    axes.annotate("chance", (50, -0.95), ha="center", va="bottom", fontsize=8, color=_FAINT, annotation_clip=False)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("pairs judged rightly, % (dots: mean over paradigms; strokes: single paradigms)")
    figure.legend(loc="outside lower center", frameon=False, ncols=len(result.methods), fontsize=9)
    return figure


def masked_accuracy(result: MaskedAccuracy, title: str) -> Figure:
    """Share of masks whose true token is among the k likeliest, by k."""
    figure, axes = _axes(6.4, 4.0, title)
    ranks = np.arange(1, len(result.within) + 1)
    values = 100 * np.array(result.within)
    axes.fill_between(ranks, values, color=_COLOURS[0], alpha=0.12)
    axes.plot(ranks, values, color=_COLOURS[0], linewidth=2)
    for k in (1, 5, 10, 100):
        axes.plot([k], [values[k - 1]], "o", color=_COLOURS[0])
        place = {"ha": "right", "xytext": (-4, 6)} if k == ranks[-1] else {"ha": "left", "xytext": (6, -12)}
        axes.annotate(f"{values[k - 1]:.1f}%", (k, values[k - 1]), textcoords="offset points", fontsize=9, color=_INK, **place)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xlim(0.93, 106)
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"k, over {result.masks:,} masks (loss {result.loss:.2f} nats)")
    axes.set_ylabel("true token among the k likeliest, %")
    return figure


def pseudo_perplexity(result: PseudoPerplexity, title: str) -> Figure:
    """How many tokens have which loss."""
    figure, axes = _axes(6.4, 4.0, title)
    counts = 100 * np.array(result.histogram) / result.tokens
    axes.bar(LOSS_BINS[:-1], counts, width=np.diff(LOSS_BINS), align="edge", color=_COLOURS[0], alpha=0.85)
    axes.axvline(result.loss, color=_COLOURS[1], linewidth=2)
    text = f"mean {result.loss:.2f}:\npseudo-perplexity {result.perplexity:,.1f}"
    axes.annotate(text, (result.loss, 0.93), xycoords=("data", "axes fraction"), xytext=(7, 0), textcoords="offset points", va="top", fontsize=9)  # fmt: skip
    axes.set_xlim(0, LOSS_BINS[-1])
    axes.set_xlabel(f"−log p of a token given all the others, nats ({result.tokens:,} tokens)")
    axes.set_ylabel("tokens, %")
    return figure


def restoration(result: Mapping[str, Any], title: str) -> Figure:
    """By kind of damage, how often the first reading is right (dots), and one of the first twenty (circles).

    Args:
        result: as `fillmask.restore.evaluation.RestorationReport.to_dict` gives it: by strategy, "kinds" and "all".
    """
    kinds = list(dict.fromkeys(kind for of in result.values() for kind in of["kinds"]))
    names = [*kinds, "all"]
    figure, axes = _axes(8.2, 1.6 + (0.2 + 0.22 * len(result)) * len(names), title)
    for number, (strategy, of) in enumerate(result.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for row, name in enumerate(names):
            found = of["all"] if name == "all" else of["kinds"].get(name)
            if found is None:
                continue
            y = row + (number - (len(result) - 1) / 2) * 0.7 / len(result)
            first, twenty = 100 * found["top1"], 100 * found["top20"]
            axes.plot([first, twenty], [y, y], color=colour, alpha=0.35, linewidth=2, zorder=1)
            axes.plot([twenty], [y], "o", color=colour, markerfacecolor="white", markersize=6.5, clip_on=False)
            axes.plot([first], [y], "o", color=colour, markersize=6.5, clip_on=False, label=strategy if row == 0 else None)  # fmt: skip
            axes.annotate(f"{first:.0f} · {twenty:.0f}", (103, y), va="center", fontsize=7.5, color=colour, annotation_clip=False)  # fmt: skip
    axes.axhline(len(names) - 1.5, color=_FAINT, linewidth=0.6)
    axes.set_yticks(range(len(names)), [str(name).replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("holes, % (dots: first reading right; circles: one of the first twenty)")
    figure.legend(loc="outside lower center", frameon=False, ncols=len(result), fontsize=9)
    return figure


def confusion(matrix: npt.NDArray[np.int64], labels: Sequence[str], title: str) -> Figure:
    """A confusion matrix: rows are true labels, columns answers; colours are shares of the row, numbers are counts."""
    count = len(labels)
    size = max(4.2, 1.9 + 0.55 * count)
    figure, axes = _axes(size + 0.4, size, title)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= 20:  # more would not be legible
        for row, column in np.ndindex(count, count):
            colour = "white" if shares[row, column] > 0.6 else _INK
            axes.annotate(f"{matrix[row, column]:,}", (column, row), ha="center", va="center", color=colour, fontsize=10 if count < 8 else 8)  # fmt: skip
    shown = [label if len(label) <= 24 else label[:23] + "…" for label in labels]
    axes.set_xticks(range(count), shown, rotation=45 if count > 3 else 0, ha="right" if count > 3 else "center")
    axes.set_yticks(range(count), shown)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, color=_INK, loc="left", pad=14)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, colors=_INK)
    return figure, axes
