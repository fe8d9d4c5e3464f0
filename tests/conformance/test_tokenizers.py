"""Vocabularies of well-known models, where they are at hand: the tutorial's token ids, and transformers' for many texts."""

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

from transformers import AddedToken, BertTokenizerFast, RobertaTokenizerFast

from fillmask.tokenization.tokenizer import Tokenizer, load_tokenizer

VOCABULARIES = Path(__file__).parents[3] / "shared" / "tokenizers"
# The published roberta-base says in its tokenizer.json that the mask takes the space before it.
MASK = AddedToken("<mask>", lstrip=True, special=True)
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "roberta-base": (RobertaTokenizerFast, {"mask_token": MASK}),
    "bert-base-uncased": (BertTokenizerFast, {"do_lower_case": True}),
    "bert-base-cased": (BertTokenizerFast, {"do_lower_case": False}),
}
TEXTS = [
    "Read the rest of this {mask} to understand things in more detail",
    "At a {mask} you can drink beer and wine.",
    "{mask} is first, and last is {mask}",
    "I'm sure she's, well — isn't it? — \"fine\"…",
    "Ünïcödé Straße naïve café ÅNGSTRÖM İstanbul",
    "  leading,  double  and trailing spaces ",
    "tabs\tand\nnew lines\r\n",
    "Emoji 😀👍🏽 and flags 🇳🇱",
    "日本語の文章と한국어, русский текст, العربية",
    "1,234.56 + 7e-8 = 2^10 (approx.) 50%",
    "https://example.org/a_b?c=d&e=f#g user@example.org",
    "Supercalifragilisticexpialidocious antidisestablishmentarianism",
    "don't can't won't I'll we've you're he'd",
    "A.B.C. U.S.A. e.g. i.e. etc...",
    "<s> </s> <pad> [CLS] [SEP] [PAD] [UNK] written out",
    "zero\u200bwidth soft\u00adhyphen no\u00a0break \ufeffmark",
    "combining e\u0301 and a\u0308",
    "x" * 250,
    "",
    " ",
    "{mask}",
    "a{mask}b",
    " {mask} ",
    "UPPER lower MiXeD",
]


@pytest.fixture(scope="module", params=list(FAMILIES))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Any]:
    """fillmask's tokenizer from the plain vocabulary files, and transformers' from the same."""
    source = VOCABULARIES / request.param
    if not source.is_dir():
        pytest.skip(f"{source.relative_to(VOCABULARIES.parents[1])} is not beside the project")
    folder = tmp_path_factory.mktemp(request.param)
    for path in source.iterdir():
        shutil.copy(path, folder)
    kind, options = FAMILIES[request.param]
    if not options.get("do_lower_case", True):
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    return load_tokenizer(folder, 512), kind.from_pretrained(folder, **options)


def test_ids_and_texts_are_transformers(pair: tuple[Tokenizer, Any]) -> None:
    ours, theirs = pair
    assert (ours.mask_token, ours.mask_token_id) == (theirs.mask_token, theirs.mask_token_id)
    assert (ours.pad_token_id, len(ours)) == (theirs.pad_token_id, len(theirs))
    for text in TEXTS:
        text = text.format(mask=ours.mask_token)
        expected = theirs(text)
        found = ours.encode_text(text)
        assert found.ids == expected["input_ids"], text
        assert ours.encode(text, add_special_tokens=False) == theirs(text, add_special_tokens=False)["input_ids"]
        for skip in (True, False):
            assert ours.decode(found.ids, skip_special_tokens=skip) == theirs.decode(
                expected["input_ids"], skip_special_tokens=skip
            )


@pytest.mark.parametrize(
    ("word", "number"),
    [
        (" article", 1566), (" post", 618), (" guide", 4704), (" essay", 14700),
        (" blog", 5059), (" discount", 6720), (" cafe", 16381), (" mathematics", 25634),
    ],
)  # fmt: skip
def test_the_tutorials_token_ids(word: str, number: int) -> None:
    folder = VOCABULARIES / "roberta-base"
    if not folder.is_dir():
        pytest.skip(f"{folder.relative_to(VOCABULARIES.parents[1])} is not beside the project")
    tokenizer = load_tokenizer(folder, 512)
    assert tokenizer.encode(word, add_special_tokens=False) == [number]
    assert tokenizer.decode(number) == word
    assert tokenizer.mask_token_id == 50264
