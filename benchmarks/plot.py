"""Draw the speed results: how many times faster than transformers, eager in float32, each contender is.

    python benchmarks/plot.py

Reads results/speed.csv and results/speed_bundled.csv, writes a PNG beside each.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from harness import PROCESSOR, RESULTS, read_rows

mpl.use("Agg")
from matplotlib import pyplot as plt

_OURS, _TORCH, _EXPORTED = "#0b6e6e", "#b9b4aa", "#7f8fa6"
_TITLES = {"speed": "DistilRoBERTa's shape", "speed_bundled": "the bundled model"}


def main() -> None:
    for name, title in _TITLES.items():
        path = RESULTS / f"{name}.csv"
        if path.exists():
            _draw(path, title)


def _draw(path: Path, title: str) -> None:
    every = read_rows(path)
    rows = [row for row in every if row[PROCESSOR] == every[0][PROCESSOR]]
    workloads = list(dict.fromkeys(row["workload"] for row in rows))
    plt.rcParams.update(
        {"font.family": "DejaVu Sans", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(1, len(workloads), figsize=(3.1 * len(workloads), 4.6), sharey=True)
    for at, (axis, workload) in enumerate(zip(axes, workloads, strict=True)):
        of_workload = [row for row in rows if row["workload"] == workload][::-1]
        times = [float(row["× transformers eager"]) for row in of_workload]
        names = [row["contender"] for row in of_workload]
        colours = [_OURS if "fillmask" in n else _EXPORTED if "exported" in n else _TORCH for n in names]
        bars = axis.barh(range(len(of_workload)), times, color=colours, height=0.72)
        axis.bar_label(bars, [f"{t:.1f}" for t in times], padding=3, fontsize=8)
        axis.set_yticks(range(len(of_workload)), names)
        axis.tick_params(axis="y", length=0, labelleft=at == 0)
        axis.set_title(workload, fontsize=10, loc="left")
        axis.set_xlim(0, max(times) * 1.16)
    figure.suptitle(
        f"Times faster than transformers (eager, fp32): {title}, {every[0][PROCESSOR]}",
        x=0.01,
        ha="left",
        fontweight="bold",
    )
    figure.supxlabel("× transformers eager fp32, the same texts and the same machine; medians", fontsize=8)
    figure.tight_layout()
    figure.savefig(path.with_suffix(".png"), dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
