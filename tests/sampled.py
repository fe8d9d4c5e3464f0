"""Restorations made by hand, for what shows them: readings and numbers are invented, places are right."""

import dataclasses
import re
from collections.abc import Mapping

from fillmask.restore.notation import parse
from fillmask.restore.restoration import Cost, Evidence, Hypothesis, Reading, Restoration, RestoredHole

# Twenty texts that run a script where a page takes text for markup, an attribute, a script or an address.
PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '" onfocus="alert(1)" autofocus="',
    "' onmouseover='alert(1)",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href=javascript:alert(1)>click</a>",
    "javascript:alert(1)",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></textarea><img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<!--><img src=x onerror=alert(1)>-->",
    "${alert(1)}{{constructor.constructor('alert(1)')()}}",
)
_SHARES = (0.93, 0.71, 0.4, 0.12)


def restoration(
    text: str,
    *,
    readings: int = 3,
    evidence: bool = False,
    replace: Mapping[str, str] | None = None,
    source: str | None = None,
    other: str = "other",
    complete: bool = True,
) -> Restoration:
    """A restoration of `text`, whose holes are [bracketed].

    Args:
        readings: how many each hole has; the first is the one in the brackets.
        evidence: whether the words beside a hole are given as evidence.
        replace: what stands in the place of words, in holes and out of them.
        source: what is given as the source; by default the text with dots for the holes.
        other: the second reading.
    """
    swap = dict(replace or {})
    shown, found = "", ""
    gaps: list[RestoredHole] = []
    layout: list[str | int] = []
    for part in re.split(r"(\w*\[[^\]]*\]\w*)", text):
        if "[" not in part:
            words = "".join(swap.get(word, word) for word in re.split(r"(\w+)", part))
            layout.append(words)
            shown, found = shown + " ".join(words.split("\n")), found + part
            continue
        before, inner, after = re.split(r"[\[\]]", part)
        best = swap.get(inner, before + inner + after)
        hole = f"{before}[{'.' * len(inner)}]{after}" if before or after else "..."
        index, start = len(gaps), len(shown)
        layout.append(index)
        shown += best if readings else ""
        share = _SHARES[index % len(_SHARES)]
        rest = (1 - share) / 2
        ranked = [
            Reading(best, share),
            Reading(other, rest / 2),
            *(Reading(f"word{i}", rest / 2 ** (i + 2)) for i in range(readings)),
        ]
        line, column = found.count("\n") + 1, len(found) - found.rfind("\n")
        none = 1 - sum(r.probability for r in ranked[:readings])
        gaps.append(RestoredHole(index, start, len(shown), hole, line, column, tuple(ranked[:readings]), none))
        found += hole
    if evidence:
        gaps = [_with_evidence(gap, shown) for gap in gaps]
    first = tuple(gap.readings[0].text if gap.readings else "" for gap in gaps)
    hypotheses = [Hypothesis(shown, first, -3.5, 0.6)]
    if gaps and readings > 1:
        second = (gaps[0].readings[1].text, *first[1:])
        hypotheses.append(Hypothesis(shown, second, -5.0, 0.2))
    shares = [gap.readings[0].probability for gap in gaps if gap.readings]
    return Restoration(
        text=shown,
        source=found if source is None else source,
        notation="plain",
        strategy="joint",
        gaps=tuple(gaps),
        hypotheses=tuple(hypotheses),
        confidence=sum(shares) / len(gaps) if gaps else 1.0,
        complete=complete,
        cost=Cost(12, 240, 0.25),
        document=dataclasses.replace(
            parse(found, notation="plain"), source=found if source is None else source, layout=tuple(layout)
        ),
        model="tiny",
    )


def _with_evidence(gap: RestoredHole, text: str) -> RestoredHole:
    words = [m for m in re.finditer(r"\w+", text) if m.end() <= gap.start or m.start() >= gap.end]
    near = sorted(words, key=lambda word: abs(word.start() - gap.start))[:3]
    found = tuple(
        Evidence(m[0], m.start(), m.end(), weight) for m, weight in zip(near, (1.25, 0.5, -0.25), strict=False)
    )
    return RestoredHole(**{**gap.__dict__, "evidence": found})
