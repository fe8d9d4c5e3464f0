"""The tokenizer files of a checkpoint folder, read as transformers reads them.

The vocabulary is in tokenizer.json, or in the older vocab.txt (BERT) or
vocab.json with merges.txt (RoBERTa). How a text is cut before it is looked up
is not always in the same file: many classes of transformers build that
themselves, from tokenizer_config.json and defaults of their own (`classes`).
For any other class tokenizer.json is taken as it is. Tokens may be added to a
vocabulary in several files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Backend

from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError, UnsupportedModelError
from fillmask.tokenization import classes
from fillmask.tokenization.classes import TokenizerClass, class_of, unknown_class, unusable

_NO_LIMIT = 1_000_000  # transformers writes 1e30 for "no limit"
# In the order in which transformers gives ids to those that the vocabulary lacks.
_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_CLASSES_WITH_TYPE_IDS = frozenset(
    f"{name}Tokenizer"
    for name in (
        "Bert",
        "ConvBert",
        "DebertaV2",
        "Deberta",
        "Electra",
        "LayoutLM",
        "MobileBert",
        "RoFormer",
        "SqueezeBert",
    )
)
_FAMILIES_WITH_TYPE_IDS = frozenset(
    ("bert", "convbert", "deberta-v2", "deberta", "electra", "layoutlm", "megatron-bert", "mobilebert", "nomic_bert",
     "roformer", "squeezebert")
)  # fmt: skip
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
        type_ids: whether transformers' tokenizer returns `token_type_ids`.
    """

    backend: Backend
    special: dict[str, str]
    limit: int
    clean_up: bool
    truncation_side: str
    type_ids: bool


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
    backend, kind = _vocabulary(folder, _named_class(folder, config), named)
    special = {role: _token(value, role, takes_space=_takes_space(role, kind)) for role, value in named.items()}
    tokens = _listed_tokens(folder, config, backend, {token.content for token in [*special.values(), *extra]})
    extra += [] if listed else _extra_tokens(marks)
    if kind is not None and not extra:
        extra = [_token(name, "extra_special_tokens") for name in kind.extra]
    for role, name in {} if kind is None else kind.names.items():
        special.setdefault(role, _token(name, role, takes_space=_takes_space(role, kind)))
    _add(backend, tokens, [special[role] for role in _ROLES if role in special], extra)
    names = {role: str(token.content) for role, token in special.items()}
    if kind is not None:
        ids = {role: backend.token_to_id(name) for role, name in names.items()}
        numbered = {role: (names[role], number) for role, number in ids.items() if number is not None}
        kind.build(backend, config, numbered)
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
        type_ids=_returns_type_ids(folder, config),
    )


def _returns_type_ids(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the files say so, or else the class that transformers takes."""
    if isinstance(names := config.get("model_input_names"), list):
        return "token_type_ids" in names
    model = _json(folder / "config.json")
    named = config.get("tokenizer_class") or model.get("tokenizer_class")
    if named:
        return str(named).removesuffix("Fast") in _CLASSES_WITH_TYPE_IDS
    return model.get("model_type") in _FAMILIES_WITH_TYPE_IDS


def _named_class(folder: Path, config: Mapping[str, Any]) -> tuple[object, str]:
    """The tokenizer class that the files name, None if they name none; and the model's family."""
    model = _json(folder / "config.json")
    return config.get("tokenizer_class") or model.get("tokenizer_class"), str(model.get("model_type"))


def _vocabulary(
    folder: Path, named_class: tuple[object, str], named: Mapping[str, Any]
) -> tuple[Backend, TokenizerClass | None]:
    """The vocabulary, and the class that builds the rest; None where tokenizer.json has that too.

    Args:
        named_class: see `_named_class`.
        named: special tokens that the files name.
    """
    kind = class_of(*named_class)
    bare = any((folder / name).exists() for name in ("vocab.txt", "vocab.json"))
    unknown = unknown_class(*named_class)
    if unknown is not None and bare and not (folder / "tokenizer.json").exists():
        raise UnsupportedModelError(
            f"{folder} has no tokenizer.json, and its vocabulary is for {unknown}, which cuts texts in a way of its own;"
            " expected tokenizer.json, which AutoTokenizer.from_pretrained(…).save_pretrained(…) writes for most classes"
        )
    try:
        if (folder / "tokenizer.json").exists():
            backend = Backend.from_file(str(folder / "tokenizer.json"))
            return backend, kind if kind is not None and kind.model == type(backend.model).__name__ else None
        if (folder / "merges.txt").exists() and (folder / "vocab.json").exists():
            kind = kind if kind is classes.DEBERTA else classes.ROBERTA
            return Backend(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))), kind
        if (folder / "vocab.txt").exists():
            kind = kind if kind in (classes.MPNET, classes.ROFORMER, classes.ESM) else classes.BERT
            unknown_token = _token(named.get("unk_token") or kind.names["unk_token"], "unk_token").content
            return Backend(_word_model(folder / "vocab.txt", kind, unknown_token)), kind
    except CorruptCheckpointError:
        raise
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise CorruptCheckpointError(
            f"the tokenizer in {folder} cannot be read ({error}); download it again"
        ) from error
    raise CheckpointNotFoundError(
        f"{folder} has no tokenizer; expected tokenizer.json, or vocab.txt, or vocab.json and merges.txt"
    )


def _word_model(path: Path, kind: TokenizerClass, unknown: str) -> Any:
    """The model of a vocabulary that is a list of tokens, a line each."""
    if kind.model == "WordPiece":
        return models.WordPiece.from_file(str(path), unk_token=unknown)
    tokens = [line.strip() for line in path.read_text("utf-8").splitlines()]
    return models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token=unknown)


def _listed_tokens(folder: Path, config: Mapping[str, Any], backend: Backend, special: set[str]) -> list[Any]:
    """Added tokens in the order of their ids: the config's list, or else those of tokenizer.json and added_tokens.json.

    Args:
        special: those that the files call special, as added_tokens.json does not say it. As in transformers, the
            map's extra ones are not among them.
    """
    if "added_tokens_decoder" in config:
        tokens = config["added_tokens_decoder"]
        if not isinstance(tokens, dict) or not all(number.isdecimal() for number in tokens):
            raise unusable("added_tokens_decoder", tokens, "an object from ids to tokens")
        return [_token(tokens[number], "added_tokens_decoder") for number in sorted(tokens, key=int)]
    path = folder / "added_tokens.json"
    numbers = _json(path)
    if not all(type(number) is int for number in numbers.values()):
        raise CorruptCheckpointError(f"{path} holds {numbers!r:.60}; expected an object from tokens to ids")
    tokens_by_id = {
        number: AddedToken(token, special=token in special, normalized=token not in special)
        for token, number in numbers.items()
    } | backend.get_added_tokens_decoder()
    return [tokens_by_id[number] for number in sorted(tokens_by_id)]


def _add(backend: Backend, listed: Sequence[Any], named: Sequence[Any], extra: Sequence[Any]) -> None:
    """Add tokens; those that the vocabulary lacks get the next ids, in this order.

    What a list says of a token holds, and else what tokenizer.json says; `named` and `extra` only fill up.
    """
    named_tokens = {token.content for token in [*backend.get_added_tokens_decoder().values(), *listed]}
    tokens = [*listed, *(token for token in [*named, *extra] if token.content not in named_tokens)]
    texts = {token.content for token in named}
    for token in tokens:
        token.special = token.special or token.content in texts
    backend.add_tokens(tokens)


def _takes_space(role: str, kind: TokenizerClass | None) -> bool:
    return role == "mask_token" and kind is not None and kind.mask_takes_space


def _extra_tokens(source: Mapping[str, Any]) -> list[Any]:
    """Special tokens without a role; transformers 5 calls them "extra", and those before it "additional"."""
    key = "extra_special_tokens" if source.get("extra_special_tokens") else "additional_special_tokens"
    values = source.get(key) or []
    if not isinstance(values, (list, dict)):
        raise unusable(key, values, "a list of tokens")
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
    raise unusable(key, value, "a text, or an object with its content and flags that are true or false")


def _truncation_side(config: Mapping[str, Any], backend: Backend) -> str:
    side = config.get("truncation_side", (backend.truncation or {}).get("direction", "right"))
    if side not in ("left", "right"):
        raise unusable("truncation_side", side, '"left" or "right"')
    return str(side)


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
