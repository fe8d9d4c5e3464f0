"""Toy tokenizers of the three ways of writing, and holes to try them on."""

from itertools import product

from tiny import LONGEST
from tiny import tokenizer as byte_level
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from fillmask.restore.damage import Hole, Known, Lost
from fillmask.tokenization.tokenizer import Tokenizer

KINDS = ("byte-level", "wordpiece", "wordpiece-cased", "unigram")
SPECIAL = {"mask_token": "[MASK]", "pad_token": "[PAD]"}


def toy(kind: str) -> Tokenizer:
    """A tokenizer with few tokens, each letter of the alphabet among them."""
    if kind == "byte-level":
        return Tokenizer(
            Backend.from_str(byte_level().to_str()), {"mask_token": "<mask>", "pad_token": "<pad>"}, LONGEST
        )
    return _unigram() if kind == "unigram" else _wordpiece(lowercase=kind == "wordpiece")


def _wordpiece(*, lowercase: bool) -> Tokenizer:
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "ab",
        "##ba",
        "cab",
        "ba",
        "##b",
        "##a",
        "a",
        "b",
        "c",
        "##c",
    ]
    words += [".", ",", "'", '"', "(", ")", "e", "##e", "-"] + ([] if lowercase else ["A", "B", "é", "##é", "##A"])
    backend = Backend(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return Tokenizer(backend, SPECIAL, LONGEST)


def _unigram() -> Tokenizer:
    pieces = [
        "▁",
        "▁a",
        "▁b",
        "▁ab",
        "a",
        "b",
        "c",
        "é",
        "e",
        "▁ba",
        "ba",
        "▁cab",
        ".",
        ",",
        "'",
        '"',
        "(",
        ")",
        '."',
        "-",
        "A",
    ]
    backend = Backend(
        models.Unigram([("[UNK]", -20.0), ("[PAD]", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("[MASK]", 0.0)]
                       + [(p, -1.5 - 0.1 * n) for n, p in enumerate(pieces)], unk_id=0)
    )  # fmt: skip
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.add_special_tokens(["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"])
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return Tokenizer(backend, SPECIAL, LONGEST)


HOLES = (
    Hole((Lost(1, 2),)),
    Hole((Lost(3, 3, spaces=True),)),
    Hole((Lost(1, 4, spaces=True),)),
    Hole((Lost(2, None),)),
    Hole((Lost(1, None, spaces=True),)),
    Hole((Known("a"), Lost(1, 1), Known("b"))),
    Hole((Known("ba"), Lost(0, 2, spaces=True), Known("b"))),
    Hole((Lost(1, 2), Known("é"), Lost(0, 1))),
    Hole((Known("ab ", certain=True), Lost(2, 2))),
    Hole((Known("ab", certain=False), Known("b"))),
    Hole((Known("A"), Lost(1, 2))),
    Hole((Lost(1, 1), Known("'"), Lost(1, 1))),
    Hole((Lost(1, 3, spaces=True),), targets=("ab", "a b", "é.", "nothing that fits")),
)
AROUND = (
    ("", ""),
    ("ab ", " ab"),
    ("ab ", ", ba"),
    ('ba "', '" ba'),
    ("ab (", ")."),
    ("ab\n", "\nba"),
    ("ab -", "- b"),
)
_ALPHABET = ("a", "b", "é", ".", " ", "'", "A")


def texts(longest: int) -> list[str]:
    """Every text over a small alphabet, up to a length."""
    return ["".join(t) for n in range(longest + 1) for t in product(_ALPHABET, repeat=n)]
