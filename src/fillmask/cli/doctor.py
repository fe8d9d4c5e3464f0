"""`fillmask doctor`: what fillmask finds on this machine, and what would make it faster."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

# The packages of each extra that its commands import.
_EXTRAS = {
    "openvino": ("openvino",),
    "torch": ("torch", "transformers"),
    "train": ("torch", "transformers", "accelerate"),
    "serve": ("fastapi", "uvicorn"),
    "data": ("pyarrow", "zstandard"),
    "plots": ("matplotlib",),
    "ray": ("ray",),
}


@dataclass
class Report:
    """What `fillmask doctor` prints.

    Attributes:
        facts: sections of names and values.
        advice: what would make fillmask faster or more complete here, each with the command to run.
        problems: what keeps fillmask from working.
    """

    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@click.command("doctor")
@click.option(
    "-m", "--model", metavar="NAME", envvar="FILLMASK_MODEL", help="The bundled model, a folder, or a hub id."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(model: str | None, as_json: bool) -> int:
    """Describe the machine, the engines, the cache, and the model.

    Says which precision --precision auto takes and why, and what would make
    fillmask faster here. Nothing is downloaded, unless --model names a model
    of the hub that is not in its cache. Exits with 1 if fillmask can't work.
    """
    report = examine(model)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        _draw(report)
    return 1 if report.problems else 0


def examine(model: str | None = None) -> Report:
    """Collect the report. A part that fails becomes one of its problems."""
    from fillmask.errors import FillMaskError

    report = Report()
    report.facts["machine"] = _machine()
    report.facts["installation"] = _installation(report)
    report.facts["cache"] = _cache(report)
    try:
        report.facts["model"], report.facts["precision that auto takes"] = _model(model, report)
    except (FillMaskError, OSError) as error:
        report.problems.append(f"the model can't be opened: {error}")
    return report


def _machine() -> dict[str, str]:
    from fillmask.runtime.processor import processor, usable_cores

    chip = processor()
    facts = {
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "processor": chip.name,
        "class": chip.label,
        "bfloat16 products": "yes" if chip.has_bfloat16 else "no",
        "int8 sums in 32 bits": "yes" if chip.sums_int8_in_32_bits else "no; a form that can't saturate is used",
        "cores in use": f"{usable_cores()} of {os.cpu_count()}",
    }
    with suppress(ValueError, OSError, AttributeError):  # where the system doesn't say
        facts["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    return facts


def _installation(report: Report) -> dict[str, str]:
    from fillmask import __version__

    facts = {"fillmask": __version__}
    for package in ("onnxruntime", "openvino", "torch", "transformers", "tokenizers"):
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    missing = [name for name, packages in _EXTRAS.items() if not all(map(importlib.util.find_spec, packages))]
    facts["extras"] = ", ".join(name for name in _EXTRAS if name not in missing) or "none"
    if missing:
        facts["extras not installed"] = ", ".join(missing)
    if "openvino" in missing and platform.machine() in ("x86_64", "AMD64"):
        report.advice.append("OpenVINO is often the faster engine: pip install 'fillmask[openvino]'")
    return facts


def _cache(report: Report) -> dict[str, str]:
    from fillmask.runtime.graph_cache import cache_folder

    folder = cache_folder()
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    facts = {"folder": str(folder), "files": f"{len(files)}, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB"}
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    if not os.access(existing, os.W_OK):
        facts["writable"] = "no"
        report.advice.append(
            f"{existing} can't be written, so every start builds its graph again: set FILLMASK_CACHE to a folder that can"
        )
    return facts


def _model(model: str | None, report: Report) -> tuple[dict[str, str], dict[str, str]]:
    from fillmask.cli.models import describe, selected_precisions
    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.runtime.precision_selection import recorded

    checkpoint = open_checkpoint(model)
    described: dict[str, Any] = describe(checkpoint)
    facts = {
        "name": described["name"],
        "family": described["family"],
        "parameters": f"{described['parameters'] / 1e6:.1f}M",
        "longest text": f"{described['longest_text']} tokens",
        "folder": described["folder"],
    }
    if not recorded(checkpoint):
        name = f" {model}" if model else ""
        report.advice.append(f"measure the engines and precisions for this model, once: fillmask models bench{name}")
    return facts, selected_precisions(checkpoint)


def _draw(report: Report) -> None:
    from fillmask.cli.models import hanging

    for number, (section, facts) in enumerate(report.facts.items()):
        click.secho(f"{chr(10) if number else ''}{section}", bold=True)
        for name, value in facts.items():
            click.echo(hanging(f"  {name:<22} ", value))
    for heading, lines in (("what would help", report.advice), ("what is wrong", report.problems)):
        if lines:
            click.secho(f"\n{heading}", bold=True)
            for line in lines:
                click.echo(hanging("  - ", line))
