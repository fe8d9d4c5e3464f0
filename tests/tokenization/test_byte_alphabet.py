"""The alphabet of byte-level BPE against that of `tokenizers`."""

from tokenizers import Tokenizer, models, pre_tokenizers

from fillmask.tokenization.byte_alphabet import BYTE_OF_CHARACTER, bytes_of


def test_the_alphabet_is_the_one_of_tokenizers() -> None:
    assert set(BYTE_OF_CHARACTER) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(BYTE_OF_CHARACTER.values()) == list(range(256))


def test_tokens_spell_the_bytes_of_the_text() -> None:
    backend = Tokenizer(models.BPE({c: n for n, c in enumerate(sorted(BYTE_OF_CHARACTER))}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for text in ("a b\n\x00\x7f", "Zürich — 日本 😀\u00ad\u00a0"):
        spelled = [bytes_of(token) for token in backend.encode(text).tokens]
        assert b"".join(piece for piece in spelled if piece is not None) == text.encode()
    assert bytes_of("<mask>日") is None
    assert bytes_of("Ġthe") == b" the"
