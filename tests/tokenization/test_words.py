"""Words of scripts without spaces, by Unicode's boundaries and never inside a token."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers

from fillmask.tokenization.tokenizer import Tokenizer
from fillmask.tokenization.words import words_of


def characters(*joined: str, spaced: bool = True) -> Tokenizer:
    """A tokenizer whose tokens are characters, and the strings in `joined`."""
    letters = sorted({chr(code) for first, last in ((32, 126), (0xE00, 0xE5B), (0x3040, 0x30FF), (0x4E00, 0x4E40)) for code in range(first, last)} | set("今天去面包店买我们私屋行。ខញុំ"))  # fmt: skip
    pieces = [("<unk>", 0.0), *((letter, -5.0) for letter in letters), *((piece, -1.0) for piece in joined)]
    backend = Backend(models.Unigram(pieces, 0))
    backend.pre_tokenizer = pre_tokenizers.Whitespace() if spaced else None
    return Tokenizer(backend, {}, 1000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我们今天去面包店", ["我", "们", "今", "天", "去", "面", "包", "店"]),
        ("私はパン屋へ行く", ["私", "は", "パン", "屋", "へ", "行", "く"]),
        ("ไม่มีช่อง", ["ไ", "ม่", "มี", "ช่", "อ", "ง"]),
        ("going home, we can", ["going", "home", ",", "we", "can"]),
        ("買 a 店b", ["買", "a", "店", "b"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    encoded = characters().encode_words(text)
    assert [text[w.start : w.end] for w in encoded.words] == words


def test_a_token_is_never_split() -> None:
    text = "我们今天去面包店"
    encoded = characters("今天", "面包店").encode_words(text)
    assert [text[w.start : w.end] for w in encoded.words] == ["我", "们", "今天", "去", "面包店"]
    assert [len(w.places) for w in encoded.words] == [1] * 5


def test_a_character_of_several_tokens_is_one_word() -> None:
    backend = Backend(models.BPE({b: n for n, b in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = "去面包 now"
    encoded = Tokenizer(backend, {}, 1000).encode_words(text)
    assert [(text[w.start : w.end], len(w.places)) for w in encoded.words] == [("去", 3), ("面", 3), ("包", 3), ("now", 4)]  # fmt: skip


@given(st.text(st.sampled_from("ab ,今天去パンはไม่มี店'\u3099"), max_size=30))
def test_words_hold_every_token_once_and_in_order(text: str) -> None:
    tokenizer = characters("今天", "店'")
    tokenizer.backend.normalizer = normalizers.NFC()
    raw = tokenizer.encode_raw(text)
    words = list(words_of(text, raw))
    assert [place for word in words for place in word.places] == list(range(len(raw.ids)))
    assert all(0 <= word.start <= word.end <= len(text) for word in words)
    assert all(first.end <= second.start for first, second in pairwise(words))
