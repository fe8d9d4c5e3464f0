"""The tokenizer classes of transformers that keep only the vocabulary of the files and build the rest themselves.

What comes before and after the vocabulary (normalizer, pre-tokenizer, post-processor, decoder) is built from
tokenizer_config.json and the class's defaults, also where tokenizer.json says otherwise. This module knows those
classes. It reads no files.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, decoders, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from fillmask.errors import CorruptCheckpointError, MissingExtraError

SpecialToken = tuple[str, int]  # its text and its id


@dataclass(frozen=True)
class TokenizerClass:
    """A tokenizer class of transformers.

    Attributes:
        model: the only kind of vocabulary that it takes.
        names: its special tokens, where the files do not name them.
        mask_takes_space: whether the mask takes the space before it, where nothing is said of it.
        build: gives the backend what comes before and after the vocabulary; takes its config and special tokens by role.
        extra: special tokens without a role, where the files do not name them.
    """

    model: str
    names: Mapping[str, str]
    mask_takes_space: bool
    build: Callable[[Backend, Mapping[str, Any], Mapping[str, SpecialToken]], None]
    extra: tuple[str, ...] = ()


def flag(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """A value of a tokenizer's config that is true or false.

    Raises:
        CorruptCheckpointError: it is neither.
    """
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise unusable(key, value, "true or false")
    return value


def unusable(key: str, value: object, expected: str) -> CorruptCheckpointError:
    """The error for a value of a tokenizer's files that cannot be used."""
    return CorruptCheckpointError(f"the tokenizer's files have {key}={value!r:.60}; expected {expected}")


def class_of(tokenizer_class: object, model_type: str) -> TokenizerClass | None:
    """The class that transformers takes, if it is known here; None if tokenizer.json is taken as it is.

    Args:
        tokenizer_class: what the files name; None if they name none.
        model_type: the model's family, which decides where no class is named.
    """
    if model_type in _AS_IN_FILE:
        return None
    return _BY_NAME.get(str(tokenizer_class).removesuffix("Fast")) if tokenizer_class else _BY_FAMILY.get(model_type)


def unknown_class(tokenizer_class: object, model_type: str) -> str | None:
    """What is named, where a bare vocabulary must not be guessed at: a class that is not known here; else None.

    The arguments are those of `class_of`.
    """
    if tokenizer_class:
        name = str(tokenizer_class)
        return None if name.removesuffix("Fast") in _BY_NAME or name in _GENERIC else name
    return f"the tokenizer of {model_type}" if model_type in _OWN_TOKENIZERS else None


def _build_bert(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    backend.normalizer = normalizers.BertNormalizer(
        lowercase=flag(config, "do_lower_case", True),
        handle_chinese_chars=flag(config, "tokenize_chinese_chars", True),
        strip_accents=_strip_accents(config),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.post_processor = processors.BertProcessing(special["sep_token"], special["cls_token"])


def _strip_accents(config: Mapping[str, Any]) -> bool | None:
    return None if config.get("strip_accents") is None else flag(config, "strip_accents", False)


def _build_mpnet(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    _build_bert(backend, config, special)
    backend.post_processor = processors.RobertaProcessing(special["sep_token"], special["cls_token"], True, False)


def _build_roformer(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    try:
        import rjieba
    except ImportError as missing:
        raise MissingExtraError("RoFormer's tokenizer, which finds Chinese words,", "roformer") from missing
    backend.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=False,
        lowercase=flag(config, "do_lower_case", True),
        strip_accents=_strip_accents(config),
    )
    words = _ChineseWords(rjieba, backend.get_vocab(with_added_tokens=False))
    backend.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(words)
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.post_processor = _pairs("{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", special)


class _ChineseWords:
    """RoFormer's pre-tokenizer: Chinese words that the vocabulary holds stay whole; others fall into characters.

    So it is in transformers with a tokenizer.json. With a bare vocab.txt, transformers 5 looks for the words in the
    file's name, and cuts all of them.
    """

    def __init__(self, jieba: Any, vocabulary: Mapping[str, int]) -> None:
        self._jieba = jieba
        self._vocabulary = vocabulary
        self._spaced = normalizers.BertNormalizer(
            clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
        )

    def pre_tokenize(self, text: Any) -> None:
        text.split(self._split)

    def _split(self, _: int, text: Any) -> list[Any]:
        parts = []
        for word, start, end in self._jieba.tokenize(str(text), hmm=False):
            if word in self._vocabulary:
                parts.append(text[start:end])
                continue
            for piece in self._spaced.normalize_str(word).split():
                parts.append(text[start : start + len(piece)])
                start += len(piece)
        return parts


def _build_roberta(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    add_prefix_space = flag(config, "add_prefix_space", False)
    _build_bytes(backend, add_prefix_space)
    trim_offsets = flag(config, "trim_offsets", True)
    ends = special["sep_token"], special["cls_token"]
    backend.post_processor = processors.RobertaProcessing(*ends, trim_offsets, add_prefix_space)


def _build_deberta(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    _build_bytes(backend, flag(config, "add_prefix_space", False))
    backend.post_processor = _pairs("{cls} $A {sep}", "{cls} $A {sep} {sep} $B {sep}", special)


def _build_bytes(backend: Backend, add_prefix_space: bool) -> None:
    backend.normalizer = None
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()


def _build_albert(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    steps = [
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
        *_letters(config, keep_accents=False, do_lower_case=True),
    ]
    backend.normalizer = normalizers.Sequence([*steps, *_character_map(backend)])
    _split_into_words(backend, config)
    if backend.post_processor is None:  # alone of these classes, it keeps the file's
        backend.post_processor = _pairs("{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", special)


def _build_rembert(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    steps = [
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
        normalizers.Replace(Regex(" {2,}"), " "),
        *_letters(config, keep_accents=True, do_lower_case=False),
    ]
    backend.normalizer = normalizers.Sequence([*steps, *_character_map(backend)])
    _split_at_spaces(backend, config, otherwise="never")
    backend.post_processor = _pairs("{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", special)


def _letters(config: Mapping[str, Any], *, keep_accents: bool, do_lower_case: bool) -> list[Any]:
    """The normalizers that ALBERT's config asks for; the arguments are the defaults."""
    steps: list[Any] = []
    if not flag(config, "keep_accents", keep_accents):
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if flag(config, "do_lower_case", do_lower_case):
        steps.append(normalizers.Lowercase())
    return steps


def _build_xlm_roberta(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    backend.normalizer = next(iter(_character_map(backend)), None)
    _split_into_words(backend, config)
    ends = {"cls_token": special["bos_token"], "sep_token": special["eos_token"]}
    backend.post_processor = _pairs("{cls} $A {sep}", "{cls} $A {sep} {sep} $B {sep}", ends)


def _build_deberta_v2(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    lower = [normalizers.Lowercase()] if flag(config, "do_lower_case", False) else []
    spaces = normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " ")
    backend.normalizer = normalizers.Sequence(
        [*lower, spaces, normalizers.NFC(), normalizers.Strip(left=False, right=True)]
    )
    _split_at_spaces(backend, config, otherwise="first")
    if flag(config, "split_by_punct", False):
        punctuation = pre_tokenizers.Punctuation(behavior="isolated")
        backend.pre_tokenizer = pre_tokenizers.Sequence([punctuation, backend.pre_tokenizer])
    backend.post_processor = _pairs("{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", special)


def _character_map(backend: Backend) -> list[Any]:
    """The SentencePiece character map among the backend's normalizers, which these classes keep; at most one."""
    state = None if backend.normalizer is None else json.loads(backend.normalizer.__getstate__())
    steps = [] if state is None else state.get("normalizers", [state])
    maps = [step for step in steps if step.get("type") == "Precompiled" and step.get("precompiled_charsmap")]
    if not maps:
        return []
    return [normalizers.Precompiled(base64.b64decode(maps[0]["precompiled_charsmap"]))]


def _split_into_words(backend: Backend, config: Mapping[str, Any]) -> None:
    """Cut at white space, of any length; each word begins with SentencePiece's sign for a space."""
    _split_at_spaces(backend, config, otherwise="never")
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), backend.pre_tokenizer])


def _split_at_spaces(backend: Backend, config: Mapping[str, Any], *, otherwise: str) -> None:
    """Cut at spaces; `otherwise` says which words begin with the sign where the config has no `add_prefix_space`."""
    scheme = "always" if flag(config, "add_prefix_space", True) else otherwise
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=scheme)


def _pairs(single: str, pair: str, special: Mapping[str, SpecialToken]) -> Any:
    """A post-processor that puts special tokens round one text and two."""
    cls, sep = special["cls_token"], special["sep_token"]
    texts = [template.format(cls=cls[0], sep=sep[0]) for template in (single, pair)]
    return processors.TemplateProcessing(single=texts[0], pair=texts[1], special_tokens=list(dict((cls, sep)).items()))


def _build_esm(backend: Backend, config: Mapping[str, Any], special: Mapping[str, SpecialToken]) -> None:
    """One letter is one token, with or without spaces between; what the vocabulary lacks is unknown up to the next token."""
    del config
    tokens = sorted(backend.get_vocab(with_added_tokens=False), key=lambda token: (-len(token), token))
    cut = pre_tokenizers.Split(Regex("|".join(map(_escaped, tokens))), behavior="isolated")
    backend.normalizer = None
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), cut])
    ends = {"cls_token": special["cls_token"], "sep_token": special["eos_token"]}
    backend.post_processor = _pairs("{cls} $A {sep}", "{cls} $A {sep} $B:0 {sep}:0", ends)


def _escaped(token: str) -> str:
    return "".join(letter if letter.isalnum() else f"\\{letter}" for letter in token)


_BERT_NAMES = {
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
_ROBERTA_NAMES = {
    "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
    "cls_token": "<s>", "mask_token": "<mask>",
}  # fmt: skip
_ALBERT_NAMES = _BERT_NAMES | {
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
}
_DEBERTA_NAMES = _BERT_NAMES | {"bos_token": "[CLS]", "eos_token": "[SEP]"}
_ESM_NAMES = {
    "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<cls>", "mask_token": "<mask>",
}  # fmt: skip

BERT = TokenizerClass("WordPiece", _BERT_NAMES, False, _build_bert)
MPNET = TokenizerClass("WordPiece", _ROBERTA_NAMES | {"unk_token": "[UNK]"}, True, _build_mpnet)
ROFORMER = TokenizerClass("WordPiece", _BERT_NAMES, False, _build_roformer)
# The mask takes the space before it, as the published tokenizer.json of RoBERTa says and its models have learned. In
# transformers 5 it does so only where a file says it, and not with a bare vocabulary.
ROBERTA = TokenizerClass("BPE", _ROBERTA_NAMES, True, _build_roberta)
DEBERTA = TokenizerClass("BPE", _DEBERTA_NAMES, True, _build_deberta)
ESM = TokenizerClass("WordLevel", _ESM_NAMES, False, _build_esm)
_ALBERT = TokenizerClass("Unigram", _ALBERT_NAMES, False, _build_albert)
_REMBERT = TokenizerClass("Unigram", _ALBERT_NAMES, False, _build_rembert)
_XLM_ROBERTA = TokenizerClass("Unigram", _ROBERTA_NAMES, False, _build_xlm_roberta)
_CAMEMBERT = TokenizerClass(
    "Unigram", _ROBERTA_NAMES, True, _build_xlm_roberta, ("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED")
)
_DEBERTA_V2 = TokenizerClass("Unigram", _DEBERTA_NAMES, False, _build_deberta_v2)

_BY_NAME = {
    "AlbertTokenizer": _ALBERT,
    "CamembertTokenizer": _CAMEMBERT,
    "DebertaTokenizer": DEBERTA,
    "DebertaV2Tokenizer": _DEBERTA_V2,
    "EsmTokenizer": ESM,
    "MPNetTokenizer": MPNET,
    "RemBertTokenizer": _REMBERT,
    "RoFormerTokenizer": ROFORMER,
    "XLMRobertaTokenizer": _XLM_ROBERTA,
    **dict.fromkeys(
        ("BertTokenizer", "ConvBertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "LayoutLMTokenizer",
         "MobileBertTokenizer", "SqueezeBertTokenizer"),
        BERT,
    ),
    **dict.fromkeys(("BartTokenizer", "LongformerTokenizer", "RobertaTokenizer"), ROBERTA),
}  # fmt: skip
_BY_FAMILY = {
    "albert": _ALBERT,
    "camembert": _CAMEMBERT,
    "deberta": DEBERTA,
    "deberta-v2": _DEBERTA_V2,
    "esm": ESM,
    "mpnet": MPNET,
    "rembert": _REMBERT,
    "roformer": ROFORMER,
    "yoso": _ALBERT,
    **dict.fromkeys(
        ("bert", "convbert", "distilbert", "electra", "ernie", "layoutlm", "megatron-bert", "mobilebert", "nomic_bert",
         "squeezebert"),
        BERT,
    ),
    **dict.fromkeys(
        ("bart", "data2vec-text", "ibert", "longformer", "mra", "roberta", "roberta-prelayernorm"), ROBERTA
    ),
    **dict.fromkeys(("gte", "jina_embeddings_v3", "xlm-roberta", "xmod"), _XLM_ROBERTA),
}  # fmt: skip
# Names that say nothing of how a text is cut.
_GENERIC = frozenset({"PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend", "PythonBackend"})
# Families whose tokenizers have vocabulary files of the same names, and cut texts in other ways.
_OWN_TOKENIZERS = frozenset({
    "canine", "flaubert", "funnel", "herbert", "luke", "mluke", "perceiver", "reformer", "roc_bert", "tapas", "xlm",
})  # fmt: skip
# Of these transformers takes tokenizer.json as it is, whatever class their files name.
_AS_IN_FILE = frozenset({"modernbert", "nystromformer", "xlm-roberta-xl"})
