"""The model card of a fine-tuned classifier, written from its metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fillmask.training.reporting import model_card

_TEMPLATE = """# {name}

A text classifier with the labels {labels}, fine-tuned from `{base}`.

    fillmask classify --model {name} "…"

```python
from fillmask.tasks.classify import Classifier

Classifier("{name}")("…")
```

It is a standard checkpoint: `transformers.pipeline("text-classification", model="{name}")` reads it too.

## How good it is

On {count:,} examples that were kept out of training: accuracy {accuracy:.1%}, macro-F1 {f1:.3f}. They also chose the
epoch that was kept, so that new texts may fare a little worse.

| label | precision | recall | F1 | examples |
|---|---:|---:|---:|---:|
{rows}

![Confusion matrix](confusion.png)

## How it was trained

{train:,} examples ({balance}); epoch {best} of {epochs} was the best. All numbers are in `metrics.json`.

| setting | value |
|---|---|
{recipe}
{curves}
It answers with one of its labels whatever the text is about: of texts unlike those it was trained on, its answers say
little.
"""


def render(name: str, metrics: Mapping[str, Any], picture: str | None = None) -> str:
    """The card, in Markdown.

    Args:
        name: of the checkpoint folder.
        metrics: as `finetune.metrics_of` makes them.
        picture: of the curves, as a path from the card.
    """
    validation = metrics["validation"]
    rows = [
        f"| {_cell(label)} | {of['precision']:.3f} | {of['recall']:.3f} | {of['f1']:.3f} | {of['examples']:,} |"
        for label, of in validation["labels"].items()
    ]
    text = _TEMPLATE.format(
        name=name, base=metrics["base_model"], labels=", ".join(f"`{label}`" for label in metrics["labels"]),
        count=validation["examples"], accuracy=validation["accuracy"], f1=validation["macro_f1"], rows="\n".join(rows),
        train=metrics["train"]["examples"],
        balance=", ".join(f"{count:,} {label}" for label, count in metrics["train"]["labels"].items()),
        best=metrics["best_epoch"], epochs=len(metrics["epochs"]),
        recipe="\n".join(f"| {key} | {json.dumps(value)} |" for key, value in metrics["recipe"].items()),
        curves=f"\n![Curves of the training]({picture})\n" if picture else "",
    )  # fmt: skip
    return model_card(
        text,
        library_name="fillmask",
        pipeline_tag="text-classification",
        base_model=metrics["base_model"],
        metrics=["accuracy", "f1"],
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
