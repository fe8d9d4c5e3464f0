"""What rounding costs in answers: each engine and precision against float32 on the bundled model.

    python benchmarks/precision.py [TEXT] [--masks 2000]

TEXT holds one paragraph a line and a blank line between documents, and was not
trained on (some paragraphs that come with the package by default); every
seventh token or so of it is hidden. Claims: the best word is
float32's for at least 99% of the masks in bfloat16 and 98% in int8.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from harness import engine_needs, possible, report

from fillmask.choices import ENGINE_PRECISIONS
from fillmask.models.checkpoint import open_checkpoint
from fillmask.tasks.engine_benchmark import compare, sample_documents
from fillmask.training.corpus import read_documents

EVERY = [(engine, precision) for engine, precisions in ENGINE_PRECISIONS.items() for precision in precisions]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("text", type=Path, nargs="?")
    arguments.add_argument("--masks", type=int, default=2000)
    options = arguments.parse_args()
    documents = list(islice(read_documents(options.text), 400)) if options.text else sample_documents()
    contenders = {" ".join(pair): (engine_needs(*pair), pair) for pair in EVERY}
    rows = [
        {
            "engine": row.engine,
            "precision": row.precision,
            "masks": row.masks,
            "same best word": f"{row.agreement:.1%}",
            "KL divergence, nats": f"{row.divergence:.5f}",
            "tokens/s": round(row.tokens_per_second),
        }
        for row in compare(
            open_checkpoint(), documents, masks=options.masks, contenders=list(possible(contenders).values())
        )
    ]
    report("precision", "The bundled model in each precision, against float32 on onnxruntime", rows)


if __name__ == "__main__":
    main()
