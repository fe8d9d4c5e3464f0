"""How likely each candidate of a suspicious word is: features of channel, word list, and model, and their weights.

As for holes, candidates compete in a conditional logit, the word as it was
read among them; one more competitor stands for "none of these". The weights
are fitted on pairs of text and what was read of it, and lie beside a
checkpoint as `correction.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from fillmask.data.atomic import write_bytes
from fillmask.errors import CorruptCheckpointError
from fillmask.restore.correction.alignment import edit_distance
from fillmask.restore.correction.candidates import Candidates
from fillmask.restore.correction.suspicion import Suspect, log_odds

NAME = "correction.json"
VERSION = 1

# Of a candidate: log-probability of being misread as what was read; log-frequency of its words; its
# pseudo-log-likelihood in the context; whether it is the word as it was read, and of that word the log-odds that words
# of this text are misread, whether it has a capital inside a sentence, is in capitals, is listed, has digits, and its
# length; whether what was read is of two stretches, or a mark, and of a mark the log-odds again; of another candidate
# whether it has a space, its Levenshtein distance from what was read, and the same by the length of what was read.
CANDIDATE = (
    "channel",
    "frequency",
    "pll",
    "kept",
    "kept_noise",
    "kept_capital",
    "kept_capitals",
    "kept_listed",
    "kept_digits",
    "kept_length",
    "kept_join",
    "kept_mark",
    "kept_mark_noise",
    "split",
    "edits",
    "edits_share",
)
# Of "none of these": a constant, the log-odds that words of this text are misread, whether what was read is listed, and
# the log-frequency of what was read.
NONE = ("constant", "noise", "listed", "frequency")


@dataclass(frozen=True)
class CorrectionWeights:
    """Weights of the features, in the order of `CANDIDATE` and `NONE`.

    Attributes:
        fitted_on: what the fit read, for people; empty where nothing was fitted.
    """

    candidate: tuple[float, ...]
    none: tuple[float, ...]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)


# Without a fit: what fitted a small English model, rounded.
PLAIN = CorrectionWeights(
    (0.8, 0.5, 0.4, 1.0, -1.0, 1.5, 1.0, 2.0, 1.0, 0.0, 1.0, 1.0, -1.0, -1.0, -1.0, -4.0), (-8.0, 1.0, -2.0, 0.3)
)


def features(suspect: Suspect, text: str, pll: float, noise: float, candidates: Candidates) -> tuple[float, ...]:
    """The features of one candidate of a suspect, in the order of `CANDIDATE`."""
    observed = suspect.observed
    plain = observed if suspect.kind != "join" else " ".join(observed.replace("-", " ").split())
    kept = text == observed
    mark = suspect.kind == "mark"
    odds = log_odds(noise)
    capital = observed[:1].isupper() and not observed.isupper()
    written = plain if kept else text
    edits = 0 if kept or mark else edit_distance(text, observed)
    return (
        0.0 if mark else float(candidates.log_channel(written, plain)),
        0.0 if mark else candidates.frequency(written),
        0.0 if mark else pll,
        float(kept and not mark),
        odds * (kept and not mark),
        float(kept and capital and not suspect.starts_sentence),
        float(kept and observed.isupper()),
        float(kept and suspect.listed),
        float(kept and any(c.isdigit() for c in observed)),
        min(len(observed), 12) / 10 * kept,
        float(kept and suspect.kind == "join"),
        float(kept and mark),
        odds * (kept and mark),
        float(not kept and " " in text),
        float(edits),
        edits / len(observed),
    )


def none_features(suspect: Suspect, noise: float, candidates: Candidates) -> tuple[float, ...]:
    """The features of "none of these" for a suspect, in the order of `NONE`."""
    frequency = 0.0 if suspect.kind == "mark" else candidates.frequency(suspect.observed)
    return (1.0, log_odds(noise), float(suspect.listed), frequency / 10)


def score(values: tuple[float, ...], weights: tuple[float, ...]) -> float:
    """The weighted sum of features."""
    return math.fsum(w * x for w, x in zip(weights, values, strict=True))


def save(weights: CorrectionWeights, folder: Path) -> Path:
    """Write correction.json into a folder; returns its path."""
    values = {
        "version": VERSION,
        "fitted_on": dict(weights.fitted_on),
        "candidate": dict(zip(CANDIDATE, weights.candidate, strict=True)),
        "none": dict(zip(NONE, weights.none, strict=True)),
    }
    path = folder / NAME
    write_bytes(path, (json.dumps(values, indent=1) + "\n").encode())
    return path


def of_checkpoint(folder: Path) -> CorrectionWeights:
    """The weights beside a checkpoint, read once while the file stays as it is; the plain ones where there are none.

    Raises:
        CorruptCheckpointError: the file is there and cannot be used.
    """
    path = folder / NAME
    if not path.exists():
        return PLAIN
    status = path.stat()
    return _cached(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _cached(path: Path, _modified: int, _size: int) -> CorrectionWeights:
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["version"] != VERSION:
            raise ValueError(f"version is {values['version']!r}, and this fillmask reads version {VERSION}")
        if set(values["candidate"]) != set(CANDIDATE) or set(values["none"]) != set(NONE):
            raise ValueError(f"the weights are not of {', '.join((*CANDIDATE, *NONE))}")
        return CorrectionWeights(
            tuple(float(values["candidate"][name]) for name in CANDIDATE),
            tuple(float(values["none"][name]) for name in NONE),
            dict(values["fitted_on"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CorruptCheckpointError(
            f"{path}: {reason}; fit it again: fillmask train calibrate TEXT… --pairs PAIRS --model FOLDER"
        ) from error
