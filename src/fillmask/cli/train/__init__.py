"""`fillmask train`: make masked language models of your own text.

One thin file a command, imported when it is called: `--help` needs no torch.
"""

from __future__ import annotations

import click

from fillmask.cli.lazy import LazyGroup

_MODULES = {
    "tokenizer": ("fillmask.cli.train.tokenizer", "Learn a vocabulary from text."),
    "pretrain": ("fillmask.cli.train.pretrain", "Train a masked language model from text."),
    "adapt": ("fillmask.cli.train.adapt", "Continue a model on text of your domain."),
    "distil": ("fillmask.cli.train.distil", "Make a small model from a large one."),
    "finetune": ("fillmask.cli.train.finetune", "Teach a model to classify texts."),
    "lexicon": ("fillmask.cli.train.lexicon", "Count the words that restoring and correcting know."),
    "channel": ("fillmask.cli.train.channel", "Learn how letters are misread."),
    "calibrate": ("fillmask.cli.train.calibrate", "Fit the confidence of restorations and corrections."),
}


@click.group("train", cls=LazyGroup, modules=_MODULES)
def command() -> None:
    """Make masked language models of your own text.

    \b
      fillmask train tokenizer my.txt -o my-model
      fillmask train pretrain my.txt -o my-model
      fillmask fill -m my-model "I am <mask> to the bakery"
    """
