"""Sample texts with one mask, filled during training."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from fillmask.errors import InputError
from fillmask.training.families import encode, head
from fillmask.training.tokenizer import special_ids
from fillmask.training.vocabulary import MaskingVocabulary


@dataclass(frozen=True)
class MaskProbe:
    """A text with one mask, to see a model learn; `true` is what was there, where that is known."""

    ids: list[int]
    place: int
    shown: str
    true: str = ""

    @classmethod
    def of_text(cls, text: str, tokenizer: Tokenizer) -> MaskProbe:
        """From a text with `<mask>` or `[MASK]` in it.

        Raises:
            InputError: it has not exactly one.
        """
        special = special_ids(tokenizer)
        mask_token = tokenizer.id_to_token(special.mask) or ""
        ids = tokenizer.encode(re.sub(r"<mask>|\[MASK\]", lambda _: mask_token, text)).ids
        if ids.count(special.mask) != 1:
            raise InputError(f"the sample {text!r} has {ids.count(special.mask)} masks; expected one {mask_token}")
        return cls(ids, ids.index(special.mask), text)

    @torch.no_grad()
    def ask(self, model: Any, tokenizer: Tokenizer) -> str:
        """The text with the five likeliest tokens."""
        inputs = torch.tensor([self.ids], device=model.device)
        model.train(False)
        hidden = encode(model, inputs, torch.ones_like(inputs))
        best = head(model, hidden[0, self.place : self.place + 1])[0].topk(5).indices.tolist()
        model.train()
        words = ", ".join(tokenizer.decode([i]).strip() or repr(tokenizer.decode([i])) for i in best)
        return f"{self.shown}: {words}" + (f" (true: {self.true})" if self.true else "")


def held_out_probes(rows: Any, tokenizer: Tokenizer, vocabulary: MaskingVocabulary, count: int = 3) -> list[MaskProbe]:
    """Some stretches of the held-out text, each with one whole word hidden."""
    probes: list[MaskProbe] = []
    rng = np.random.default_rng(0)
    special = vocabulary.special
    for row in np.asarray(rows[:64]).astype(np.int64):
        stops = np.flatnonzero(vocabulary.forbidden[row])
        begin = int(stops[0]) + 1 if len(stops) else 0
        end = min(int(stops[1]) if len(stops) > 1 else len(row), begin + 16)
        starts = vocabulary.word_starts(row[None])[0]
        word_places = [
            p for p in range(begin + 1, end - 1)
            if starts[p] and starts[p + 1] and (vocabulary.texts[row[p]] or "").strip().isalpha() and vocabulary.lengths[row[p]] > 3
        ]  # fmt: skip
        if end - begin < 8 or not word_places:
            continue
        place = int(rng.choice(word_places))
        ids = [special.bos, *row[begin:end].tolist(), special.eos]
        at = place - begin + 1
        true, ids[at] = tokenizer.decode([ids[at]]).strip(), special.mask
        text = " ".join(tokenizer.decode(ids[1:-1], skip_special_tokens=False).split())
        probes.append(MaskProbe(ids, at, text, true))
        if len(probes) == count:
            break
    return probes
