"""Learn a vocabulary: byte-level BPE, WordPiece or Unigram, with the special tokens of its family."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from fillmask.data.atomic import write_text
from fillmask.data.documents import OnBad
from fillmask.errors import CorpusError, TrainingError
from fillmask.models.checkpoint import BUNDLED, open_checkpoint
from fillmask.models.hub import TOKENIZER_FILES, parse
from fillmask.training.corpus import CorpusFile, sampled
from fillmask.training.packing import SpecialIds

KINDS = ("bpe", "wordpiece", "unigram")
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # RoBERTa's
BERT_TOKENS = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")  # in the same roles
_ALPHABET = 1000  # most characters that WordPiece and Unigram keep; BPE has its 256 bytes


def train_tokenizer(
    sources: Sequence[CorpusFile],
    vocab_size: int,
    *,
    kind: str = "bpe",
    lowercase: bool = False,
    seed: int = 0,
    max_characters: int | None = None,
    on_bad: OnBad | None = None,
) -> Tokenizer:
    """A tokenizer of one kind, learned from the sources' sampled documents.

    - bpe: byte-level BPE (lossless) with RoBERTa's special tokens, `<s> text </s>`.
    - wordpiece: BERT's, with its special tokens, `[CLS] text [SEP]`.
    - unigram: XLM-RoBERTa's, SentencePiece's word marks and RoBERTa's special tokens.

    The mask of bpe and unigram swallows the space before it, so that the token
    to predict carries its own leading space, as every word inside a sentence does.

    Args:
        vocab_size: most tokens; a small text may give fewer.
        lowercase: make no difference between capital and small letters.
        max_characters: read so much text at most.

    Raises:
        CorpusError: a file cannot be read, or the size is below the smallest possible.
    """
    smallest = 256 + len(SPECIAL_TOKENS) if kind == "bpe" else len(SPECIAL_TOKENS) + 1
    if vocab_size < smallest:
        raise CorpusError(f"a vocabulary of {vocab_size} is too small; {kind} needs {smallest} tokens at least")
    empty, trainer = {"bpe": _bpe, "wordpiece": _wordpiece, "unigram": _unigram}[kind](vocab_size, lowercase)

    def texts() -> Iterator[str]:
        read = 0
        for source in sources:
            for document in sampled(source, seed, on_bad):
                read += len(document.text)
                if max_characters is not None and read > max_characters:
                    return
                yield document.text

    try:
        empty.train_from_iterator(texts(), trainer)
    except CorpusError:
        raise
    except Exception as error:  # tokenizers raises bare Exception, for example for too little text
        raise CorpusError(f"no {kind} vocabulary of {vocab_size} can be learned from this text: {error}") from error
    ids = special_ids(empty)
    if kind == "wordpiece":
        empty.post_processor = processors.BertProcessing(("[SEP]", ids.eos), ("[CLS]", ids.bos))
    elif kind == "bpe":
        empty.post_processor = processors.RobertaProcessing(
            ("</s>", ids.eos), ("<s>", ids.bos), trim_offsets=True, add_prefix_space=False
        )
    else:
        empty.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", ids.bos), ("</s>", ids.eos)]
        )
    return empty


def _specials(names: Sequence[str]) -> list[Any]:
    return [AddedToken(t, special=True, lstrip=t == "<mask>", normalized=False) for t in names]


def _bpe(vocab_size: int, lowercase: bool) -> tuple[Tokenizer, Any]:
    tokenizer = Tokenizer(models.BPE())
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=_specials(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        limit_alphabet=256,
        show_progress=False,
    )


def _wordpiece(vocab_size: int, lowercase: bool) -> tuple[Tokenizer, Any]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=_specials(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")),
        limit_alphabet=_ALPHABET,
        show_progress=False,
    )


def _unigram(vocab_size: int, lowercase: bool) -> tuple[Tokenizer, Any]:
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=_specials(SPECIAL_TOKENS), unk_token="<unk>", show_progress=False
    )


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Ids of the tokens that begin, end, pad and mask: RoBERTa's `<s>` … or BERT's `[CLS]` ….

    Raises:
        ValueError: the tokenizer lacks one of them.
    """

    def number(*names: str) -> int:
        for name in names:
            token_id: int | None = tokenizer.token_to_id(name)
            if token_id is not None:
                return token_id
        raise ValueError(f"the tokenizer has no {' or '.join(names)}; expected RoBERTa's or BERT's special tokens")

    bos, pad, eos, _, mask = zip(SPECIAL_TOKENS, BERT_TOKENS, strict=True)
    # ALBERT writes [CLS] and [SEP] beside <pad>, and has an <s> that begins nothing: the brackets are looked for first.
    return SpecialIds(
        bos=number(*reversed(bos)), eos=number(*reversed(eos)), pad=number(*reversed(pad)), mask=number(*reversed(mask))
    )


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """Write tokenizer.json and tokenizer_config.json as transformers reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [
        next((n for n in pair if tokenizer.token_to_id(n) is not None), pair[1])
        for pair in zip(BERT_TOKENS, SPECIAL_TOKENS, strict=True)
    ]
    bos, pad, eos, unk, mask = names
    roberta = bos == "<s>"
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        **({"bos_token": bos} if roberta else {}),
        "cls_token": bos,
        **({"eos_token": eos} if roberta else {}),
        "sep_token": eos,
        "pad_token": pad,
        "unk_token": unk,
        "mask_token": mask,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", *([] if roberta else ["token_type_ids"]), "attention_mask"],
    }
    for name, text in (
        ("tokenizer.json", tokenizer.to_str()),
        ("tokenizer_config.json", json.dumps(config, indent=2) + "\n"),
    ):
        write_text(folder / name, text)


def take_tokenizer(name: str, folder: Path, max_length: int) -> None:
    """Copy the tokenizer files of a folder or a hub id into `folder`.

    Args:
        max_length: the longest text, where tokenizer.json is written anew from older files.

    Raises:
        TrainingError: there is no such folder, or it has no tokenizer.
        CheckpointError: the model of the hub cannot be opened.
    """
    origin = _tokenizer_folder(name)
    if not (origin / "tokenizer.json").exists():
        # A folder of the older kind: written anew in the one that everybody reads.
        save_tokenizer(open_checkpoint(name).tokenizer.backend, folder, max_length)
    copy_tokenizer(origin, folder)


def read_tokenizer(folder: Path) -> Tokenizer:
    """Reads tokenizer.json for training: without the padding and truncation that sentence encoders' files ask for."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def copy_tokenizer(origin: Path, folder: Path) -> None:
    """Copy the tokenizer files of a checkpoint as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (origin / name).exists() and (origin / name).resolve() != (folder / name).resolve():
            shutil.copyfile(origin / name, folder / name)


def _tokenizer_folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not any((folder / n).exists() for n in ("tokenizer.json", "vocab.txt", "vocab.json")):
            raise TrainingError(f"{folder} has no tokenizer; make one with: fillmask train tokenizer FILES -o {folder}")
        return folder
    if parse(name) is None and name != BUNDLED:
        raise TrainingError(f"there is no folder {name!r} with a tokenizer; expected a folder or a hub id")
    return open_checkpoint(name).folder
