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
from fillmask.tasks.evaluate import LOSS_BINS, MaskedAccuracy, PseudoPerplexity

try:
    from matplotlib.figure import Figure
except ImportError as missing:
    raise MissingExtraError("a plot", "plots") from missing

if TYPE_CHECKING:
    from fillmask.tasks.blimp import Blimp

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
    from fillmask.data.atomic import write_bytes

    check_name(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=160)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, drawn.getvalue())


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
        result: as `fillmask.restore.calibration.evaluation.RestorationReport.to_dict` gives it: by strategy, "kinds" and "all".
    """
    kinds = list(dict.fromkeys(kind for of in result.values() for kind in of["kinds"]))
    names = [*kinds, "all"]
    figure, axes = _axes(8.2, 1.6 + (0.2 + 0.22 * len(result)) * len(names), title)
    for number, (strategy, of) in enumerate(result.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for row, name in enumerate(names):
            measures = of["all"] if name == "all" else of["kinds"].get(name)
            if measures is None:
                continue
            y = row + (number - (len(result) - 1) / 2) * 0.7 / len(result)
            first, twenty = 100 * measures["top1"], 100 * measures["top20"]
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


_SCORES = {
    "top1": "the true token is the likeliest",
    "top5": "among the five likeliest",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
}
_MANY = 80  # points of a curve that is drawn faintly, with its running mean on top


def training(records: Sequence[Mapping[str, Any]], title: str, *, apart: bool = False) -> Figure:
    """The curves of a training: losses, and how held-out text or examples were judged.

    Args:
        records: lines of `curve.jsonl`, one at least: "loss", "tokens" or else "epoch", perhaps "validation" with its
            own loss and shares, and "best" where an epoch was the best so far.
        apart: training minimises something else than what is judged, so that its loss has a scale of its own.
    """
    epochs = "tokens" not in records[0]
    unit, scale = ("epoch", 1.0) if epochs else _tokens_unit(records[-1]["tokens"])
    place = [r["epoch" if epochs else "tokens"] / scale for r in records]
    judged = [(x, r["validation"]) for x, r in zip(place, records, strict=True) if r.get("validation")]
    count = 1 + bool(judged) + (apart and bool(judged))
    figure = Figure(figsize=(1.2 + 4.4 * count, 4.0), layout="constrained")
    figure.suptitle(title, fontsize=11, color=_INK, x=0.01, ha="left")
    panels = [_style(axes, "y") for axes in figure.subplots(1, count, squeeze=False)[0]]
    losses = panels[0]
    _line(losses, place, [r["loss"] for r in records], _COLOURS[0], "training")
    losses.set_title("what training minimises" if apart else "loss, nats", fontsize=9.5, color=_INK, loc="left")
    if judged:
        held = panels[1] if apart else losses
        _line(held, [x for x, _ in judged], [v["loss"] for _, v in judged], _COLOURS[1], "held out", marked=True)
        if apart:
            held.set_title("loss of held-out text, nats", fontsize=9.5, color=_INK, loc="left")
        scores = panels[-1]
        scores.set_title("held out, %", fontsize=9.5, color=_INK, loc="left")
        names = [name for name in judged[0][1] if name != "loss"]
        for name, colour in zip(names, (_COLOURS[0], _COLOURS[2]), strict=False):
            values = [100 * v[name] for _, v in judged]
            _line(scores, [x for x, _ in judged], values, colour, _SCORES.get(name, name), marked=True)
        top = max(100 * v[name] for _, v in judged for name in names)
        scores.set_ylim(0, min(104.0, 1.15 * top + 1))
    best = [x for x, r in zip(place, records, strict=True) if r.get("best")]
    for axes in panels:
        axes.margins(y=0.08)
        _last_values(axes, ".1f" if judged and axes is panels[-1] else ".2f")
        if best:
            axes.axvline(best[-1], color=_FAINT, linewidth=1, linestyle=(0, (4, 3)), label="epoch kept")
        # Room at the right for the last values, which stand beside their lines.
        axes.set_xlim(0.5 if epochs else 0, place[-1] + 0.16 * (place[-1] - (0.5 if epochs else 0)))
        axes.set_xticks([x for x in axes.get_xticks() if x <= place[-1] * 1.001 and (not epochs or x == int(x) > 0)])
        axes.set_xlabel(unit, fontsize=9, color=_INK)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            axes.legend(loc="upper right", frameon=False, fontsize=8.5)  # "best" takes time, and warns of it
    return figure


def _tokens_unit(highest: float) -> tuple[str, float]:
    """The unit in which so many tokens are shown, and how many tokens it has."""
    return ("million tokens", 1e6) if highest >= 1e6 else ("thousand tokens", 1e3)


def _line(axes: Any, x: Sequence[float], y: Sequence[float], colour: str, label: str, *, marked: bool = False) -> None:  # fmt: skip
    """A curve; faint, with its running mean on top, where it has many points."""
    shown = np.asarray(y, np.float64)
    if len(shown) > _MANY and not marked:
        axes.plot(x, shown, color=colour, alpha=0.25, linewidth=0.8)
        width = len(shown) // 40
        sums = np.cumsum(np.insert(shown, 0, 0.0))
        starts = np.maximum(np.arange(len(shown)) + 1 - width, 0)
        ends = np.arange(len(shown)) + 1
        shown = (sums[ends] - sums[starts]) / (ends - starts)
    marker = "o" if marked or len(shown) <= 20 else ""
    axes.plot(x, shown, color=colour, linewidth=1.6, marker=marker, markersize=3.5, label=label)


def _last_values(axes: Any, form: str) -> None:
    """The last value of each curve beside it, the lower ones moved down where they would lie on each other."""
    low, high = axes.get_ylim()
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    above = float("inf")
    for line in sorted(lines, key=lambda line: -line.get_ydata()[-1]):
        x, y = line.get_xdata()[-1], line.get_ydata()[-1]
        above = min(y, above - 0.05 * (high - low))
        axes.annotate(f"{y:{form}}", (x, above), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5, color=line.get_color())  # fmt: skip


def _axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = _style(figure.add_subplot(), "x")
    axes.set_title(title, fontsize=11, color=_INK, loc="left", pad=14)
    return figure, axes


def _style(axes: Any, grid: str) -> Any:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, colors=_INK)
    return axes
