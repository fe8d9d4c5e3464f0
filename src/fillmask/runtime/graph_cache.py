"""Encoder graphs on disk, so that a second start does not build them.

A graph depends on the config and on the names, types, and shapes of the weights, not on their values. Its key is a
digest of those, of the form that an engine and a processor need, and of the version of the code that writes graphs.
Where nothing can be written, each start builds the graph in memory. A cached file that cannot be read is built again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fillmask.data.atomic import write_bytes
from fillmask.models import encoders
from fillmask.models.encoders import Graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from fillmask.models.checkpoint import Checkpoint

_DIGEST = 32  # bytes of SHA-256 before the payload


def cache_folder() -> Path:
    """`FILLMASK_CACHE`, else the user's cache folder."""
    setting = os.environ.get("FILLMASK_CACHE")
    if setting:
        return Path(setting)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "fillmask"


def graph_key(checkpoint: Checkpoint, form: str = "") -> str:
    """Digest of everything that decides the graph; `form` names a rewrite of it."""
    constants = encoders.stored_constants(checkpoint.config, checkpoint.weights)
    parts = [encoders.VERSION, form, checkpoint.config.values(), checkpoint.weights.layout(), constants]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cached_graph(
    checkpoint: Checkpoint, rewrite: Callable[[Graph], Graph] | None = None, *, labels: int | None = None
) -> Graph:
    """The checkpoint's graph, perhaps rewritten, from the cache or built (and then kept); with `labels`, its classifier's."""
    form = (rewrite.__name__ if rewrite else "") + ("" if labels is None else f"/classifier of {labels}")
    path = cache_folder() / "graphs" / f"{graph_key(checkpoint, form)}.graph"
    graph = _read(path)
    if graph is None:
        if labels is None:
            graph = encoders.build(checkpoint.config, checkpoint.weights)
        else:
            graph = encoders.build_classifier(checkpoint.config, checkpoint.weights, labels)
        if rewrite:
            graph = rewrite(graph)
        _write(path, graph)
    return graph


def _read(path: Path) -> Graph | None:
    """The graph in a cache file; None where there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    payload = data[_DIGEST:]
    if hashlib.sha256(payload).digest() != data[:_DIGEST]:
        return None
    head, _, model = payload.partition(b"\n")
    names = json.loads(head)
    return Graph(model, tuple(names["references"]), tuple(names["tables"]))


def _write(path: Path, graph: Graph) -> None:
    payload = json.dumps({"references": graph.references, "tables": graph.tables}).encode() + b"\n" + graph.model
    # A cache that cannot be written costs time, not the answer.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, hashlib.sha256(payload).digest() + payload)
