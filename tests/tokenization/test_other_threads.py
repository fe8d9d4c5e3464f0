"""Tokenizing a long text leaves the interpreter to other threads."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from fillmask.models.checkpoint import open_checkpoint


def test_a_long_text_does_not_hold_the_interpreter(modernbert_folder: Path) -> None:
    """Another thread counts while a text is tokenized; with the GIL held it could not count at all."""
    tokenizer = open_checkpoint(modernbert_folder).tokenizer
    text = "The old dog went to the bakery. " * 30_000
    started, ended = threading.Event(), threading.Event()
    count = 0

    def tokenize() -> None:
        started.set()
        tokenizer.encode(text)
        ended.set()

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=tokenize)
    thread.start()
    try:
        started.wait()
        while not ended.wait(interval / 10):
            count += 1
    finally:
        thread.join()
    assert count > 3
