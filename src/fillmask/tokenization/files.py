"""The tokenizer files of a checkpoint folder, read as transformers reads them.

The vocabulary is in tokenizer.json, or in the older vocab.txt (BERT) or
vocab.json with merges.txt (RoBERTa). How a text is cut before it is looked up
is not always in the same file: transformers' BERT and RoBERTa classes build
that themselves, from tokenizer_config.json and defaults of their own. So does
this module, for the classes that it has in a table; for any other,
tokenizer.json is taken as it is. Tokens may be added to a vocabulary in several files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError

_NO_LIMIT = 1_000_000  # transformers writes 1e30 for "no limit"
# In the order in which transformers gives ids to those that the vocabulary lacks.
_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_GUESSES = {"mask_token": ("<mask>", "[MASK]"), "pad_token": ("<pad>", "[PAD]")}


@dataclass(frozen=True)
class TokenizerFiles:
    """What the files of a folder say.

    Attributes:
        backend: the tokenizer, with all added tokens.
        special: names of the special tokens by their role, such as `mask_token`.
        limit: most tokens of a text.
        clean_up: whether decoded text has no space before punctuation.
        truncation_side: "left" or "right", where a text is cut that is too long.
    """

    backend: Backend
    special: dict[str, str]
    limit: int
    clean_up: bool
    truncation_side: str


@dataclass(frozen=True)
class _Class:
    """A tokenizer class of transformers that keeps no more of tokenizer.json than the vocabulary.

    Attributes:
        model: the only kind of vocabulary that it takes.
        names: its special tokens, where the files do not name them.
        mask_takes_space: whether the mask swallows the space before it, where nothing is said of it.
        build: gives the backend what comes before and after the vocabulary; takes its config, `sep` and `cls`.
    """

    model: str
    names: Mapping[str, str]
    mask_takes_space: bool
    build: Callable[[Backend, Mapping[str, Any], tuple[str, int], tuple[str, int]], None]


def _build_bert(backend: Backend, config: Mapping[str, Any], sep: tuple[str, int], cls: tuple[str, int]) -> None:
    backend.normalizer = normalizers.BertNormalizer(
        lowercase=_flag(config, "do_lower_case", True),
        handle_chinese_chars=_flag(config, "tokenize_chinese_chars", True),
        strip_accents=None if config.get("strip_accents") is None else _flag(config, "strip_accents", False),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.post_processor = processors.BertProcessing(sep, cls)


def _build_mpnet(backend: Backend, config: Mapping[str, Any], sep: tuple[str, int], cls: tuple[str, int]) -> None:
    _build_bert(backend, config, sep, cls)
    backend.post_processor = processors.RobertaProcessing(sep, cls, True, False)


def _build_roberta(backend: Backend, config: Mapping[str, Any], sep: tuple[str, int], cls: tuple[str, int]) -> None:
    add_prefix_space = _flag(config, "add_prefix_space", False)
    backend.normalizer = None
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(
        sep, cls, _flag(config, "trim_offsets", True), add_prefix_space
    )


_BERT_NAMES = {
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
_ROBERTA_NAMES = {
    "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
    "cls_token": "<s>", "mask_token": "<mask>",
}  # fmt: skip
_BERT = _Class("WordPiece", _BERT_NAMES, False, _build_bert)
_MPNET = _Class("WordPiece", _ROBERTA_NAMES | {"unk_token": "[UNK]"}, True, _build_mpnet)
# The mask swallows the space before it, as the published tokenizer.json of RoBERTa says and its models have learnt. In
# transformers 5 it does so only where a file says it, and not with a bare vocabulary.
_ROBERTA = _Class("BPE", _ROBERTA_NAMES, True, _build_roberta)

_CLASSES = {
    "MPNetTokenizer": _MPNET,
    **dict.fromkeys(
        ("BertTokenizer", "ConvBertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "LayoutLMTokenizer",
         "MobileBertTokenizer", "SqueezeBertTokenizer"),
        _BERT,
    ),
    **dict.fromkeys(("BartTokenizer", "LongformerTokenizer", "RobertaTokenizer"), _ROBERTA),
}  # fmt: skip
# By model_type in config.json: the class where the files name none.
_DEFAULT_CLASSES = {
    "mpnet": _MPNET,
    **dict.fromkeys(
        ("bert", "convbert", "distilbert", "electra", "ernie", "layoutlm", "megatron-bert", "mobilebert", "nomic_bert",
         "squeezebert"),
        _BERT,
    ),
    **dict.fromkeys(
        ("bart", "data2vec-text", "ibert", "longformer", "mra", "roberta", "roberta-prelayernorm"), _ROBERTA
    ),
}  # fmt: skip
# Of these transformers takes tokenizer.json as it is, whatever class their files name.
_AS_IN_FILE = frozenset({"modernbert", "nystromformer", "xlm-roberta-xl"})


def read_tokenizer(folder: Path) -> TokenizerFiles:
    """What the tokenizer files of a folder say.

    Raises:
        CheckpointNotFoundError: there is no vocabulary.
        CorruptCheckpointError: a file cannot be read, or a value in one cannot be used.
    """
    config, marks = _json(folder / "tokenizer_config.json"), _json(folder / "special_tokens_map.json")
    # As in transformers: a config that does not list the added tokens is older than the map, and gives way to it.
    listed = "added_tokens_decoder" in config
    sources = (marks, config) if listed else (config, marks)
    named = {role: source[role] for source in sources for role in _ROLES if source.get(role) is not None}
    extra = _extra_tokens(config)
    backend, kind = _vocabulary(folder, _class(folder, config), named)
    special = {role: _token(value, role, takes_space=_takes_space(role, kind)) for role, value in named.items()}
    tokens = _listed_tokens(folder, config, backend, {token.content for token in [*special.values(), *extra]})
    extra += [] if listed else _extra_tokens(marks)
    for role, name in {} if kind is None else kind.names.items():
        special.setdefault(role, _token(name, role, takes_space=_takes_space(role, kind)))
    _add(backend, tokens, [special[role] for role in _ROLES if role in special], extra)
    names = {role: str(token.content) for role, token in special.items()}
    if kind is not None:
        ends: list[Any] = [(names[role], backend.token_to_id(names[role])) for role in ("sep_token", "cls_token")]
        kind.build(backend, config, *ends)
    for role, guesses in _GUESSES.items():
        guess = next((g for g in guesses if backend.token_to_id(g) is not None), None)
        if guess is not None:
            names.setdefault(role, guess)
    return TokenizerFiles(
        backend,
        names,
        limit=int(min(config.get("model_max_length") or _NO_LIMIT, _NO_LIMIT)),
        clean_up=bool(config.get("clean_up_tokenization_spaces")),
        truncation_side=_truncation_side(config, backend),
    )


def _class(folder: Path, config: Mapping[str, Any]) -> _Class | None:
    """The class that transformers takes, if it is in the table; None if tokenizer.json is taken as it is."""
    named = config.get("tokenizer_class")
    if named and _without_fast(named) not in _CLASSES:
        return None
    model = _json(folder / "config.json")
    family = str(model.get("model_type"))
    if family in _AS_IN_FILE:
        return None
    named = named or model.get("tokenizer_class")
    return _CLASSES.get(_without_fast(named)) if named else _DEFAULT_CLASSES.get(family)


def _without_fast(name: object) -> str:
    return str(name).removesuffix("Fast")


def _vocabulary(folder: Path, kind: _Class | None, named: Mapping[str, Any]) -> tuple[Backend, _Class | None]:
    """The vocabulary, and the class that is to build the rest; None where tokenizer.json has that too."""
    try:
        if (folder / "tokenizer.json").exists():
            backend = Backend.from_file(str(folder / "tokenizer.json"))
            return backend, kind if kind is not None and kind.model == type(backend.model).__name__ else None
        if (folder / "merges.txt").exists() and (folder / "vocab.json").exists():
            return Backend(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))), _ROBERTA
        if (folder / "vocab.txt").exists():
            kind = kind if kind is _MPNET else _BERT
            unknown = _token(named.get("unk_token") or kind.names["unk_token"], "unk_token").content
            return Backend(models.WordPiece.from_file(str(folder / "vocab.txt"), unk_token=unknown)), kind
    except CorruptCheckpointError:
        raise
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise CorruptCheckpointError(
            f"the tokenizer in {folder} cannot be read ({error}); download it again"
        ) from error
    raise CheckpointNotFoundError(
        f"{folder} has no tokenizer; expected tokenizer.json, or vocab.txt, or vocab.json and merges.txt"
    )


def _listed_tokens(folder: Path, config: Mapping[str, Any], backend: Backend, special: set[str]) -> list[Any]:
    """Added tokens in the order of their ids: the config's list, or else those of tokenizer.json and added_tokens.json.

    Args:
        special: those that the files call special, as added_tokens.json does not say it. As in transformers, the
            map's extra ones are not among them.
    """
    if "added_tokens_decoder" in config:
        tokens = config["added_tokens_decoder"]
        if not isinstance(tokens, dict) or not all(number.isdecimal() for number in tokens):
            raise _unusable("added_tokens_decoder", tokens, "an object from ids to tokens")
        return [_token(tokens[number], "added_tokens_decoder") for number in sorted(tokens, key=int)]
    path = folder / "added_tokens.json"
    numbers = _json(path)
    if not all(type(number) is int for number in numbers.values()):
        raise CorruptCheckpointError(f"{path} holds {numbers!r:.60}; expected an object from tokens to ids")
    found = {
        number: AddedToken(token, special=token in special, normalized=token not in special)
        for token, number in numbers.items()
    } | backend.get_added_tokens_decoder()
    return [found[number] for number in sorted(found)]


def _add(backend: Backend, listed: Sequence[Any], named: Sequence[Any], extra: Sequence[Any]) -> None:
    """Add tokens; those that the vocabulary lacks get the next ids, in this order.

    What a list says of a token holds, and else what tokenizer.json says; `named` and `extra` only fill up.
    """
    known = {token.content for token in [*backend.get_added_tokens_decoder().values(), *listed]}
    tokens = [*listed, *(token for token in [*named, *extra] if token.content not in known)]
    texts = {token.content for token in named}
    for token in tokens:
        token.special = token.special or token.content in texts
    backend.add_tokens(tokens)


def _takes_space(role: str, kind: _Class | None) -> bool:
    return role == "mask_token" and kind is not None and kind.mask_takes_space


def _extra_tokens(source: Mapping[str, Any]) -> list[Any]:
    """Special tokens without a role; transformers 5 calls them "extra", and those before it "additional"."""
    key = "extra_special_tokens" if source.get("extra_special_tokens") else "additional_special_tokens"
    values = source.get(key) or []
    if not isinstance(values, (list, dict)):
        raise _unusable(key, values, "a list of tokens")
    return [_token(value, key) for value in (values.values() if isinstance(values, dict) else values)]


def _token(value: object, key: str, *, takes_space: bool = False) -> Any:
    """An added token: a text, which is special, or an object with its `content` and flags.

    Args:
        takes_space: whether one that is a mere text swallows the space before it.
    """
    if isinstance(value, str):
        return AddedToken(value, special=True, lstrip=takes_space)
    if isinstance(value, dict) and isinstance(value.get("content"), str):
        flags = {flag: value[flag] for flag in _FLAGS if flag in value}
        if all(isinstance(flag, bool) for flag in flags.values()):
            return AddedToken(value["content"], **flags)
    raise _unusable(key, value, "a text, or an object with its content and flags that are true or false")


def _truncation_side(config: Mapping[str, Any], backend: Backend) -> str:
    side = config.get("truncation_side", (backend.truncation or {}).get("direction", "right"))
    if side not in ("left", "right"):
        raise _unusable("truncation_side", side, '"left" or "right"')
    return str(side)


def _flag(config: Mapping[str, Any], key: str, default: bool) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise _unusable(key, value, "true or false")
    return value


def _unusable(key: str, value: object, expected: str) -> CorruptCheckpointError:
    return CorruptCheckpointError(f"the tokenizer's files have {key}={value!r:.60}; expected {expected}")


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise CorruptCheckpointError(f"{path} is not JSON ({error}); download it again") from error
    if not isinstance(value, dict):
        raise CorruptCheckpointError(f"{path} holds {type(value).__name__}; expected a JSON object")
    return value
