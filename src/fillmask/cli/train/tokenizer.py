"""`fillmask train tokenizer`: learn a vocabulary from text."""

from __future__ import annotations

from pathlib import Path

import click

from fillmask.cli.reading import read_options
from fillmask.cli.train.options import TOKENS, VOCABULARY, Screen, exit_code, sources_of, text_options


@click.command("tokenizer")
@text_options
@click.option("--kind", type=click.Choice(["bpe", "wordpiece", "unigram"]), default="bpe", show_default=True,
              help="Byte-level BPE (RoBERTa), WordPiece (BERT) or Unigram (XLM-RoBERTa).")  # fmt: skip
@click.option("--vocab-size", type=VOCABULARY, default=16384, show_default=True, help="Most tokens.")
@click.option("--lowercase", is_flag=True, help="Make no difference between capital and small letters.")
@click.option(
    "--max-length",
    type=click.IntRange(min=8),
    default=512,
    show_default=True,
    help="Longest text of the models that will use it.",
)
@click.option("--max-characters", type=TOKENS, default=200e6, show_default=True, help="Read so much text at most.")
def command(
    files: tuple[str, ...], folder: Path, column: str, format_: str, encoding: str | None, quote: str, separator: str | None, zstd_window: int | None, seed: int, kind: str, vocab_size: int,
    lowercase: bool, max_length: int, max_characters: float,
) -> int:  # fmt: skip
    """Learn a vocabulary from FILES and write it to FOLDER.

    FILES are text (a blank line between documents), JSONL or Parquet, plain or
    compressed (.gz, .xz, .bz2, .zst): files, globs, folders, - for stdin, each
    perhaps with =SHARE after it to take that share of its documents. The
    result is read by transformers and by the other commands.

    \b
      fillmask train tokenizer my.txt -o my-model --vocab-size 8192
      fillmask train tokenizer "texts/*.jsonl.gz" --column body -o my-model --kind wordpiece --lowercase
    """
    from fillmask.errors import CorpusError, InputError
    from fillmask.training.corpus import no_text, sampled
    from fillmask.training.reporting import BadRows
    from fillmask.training.tokenizer import save_tokenizer, train_tokenizer

    if any(folder.glob("*.safetensors")):
        raise InputError(f"{folder} holds a model that a new vocabulary would make useless; use another folder")
    sources = sources_of(files, column, format_, folder, read_options(encoding, quote, separator, zstd_window))
    with Screen() as screen:
        bad = BadRows(screen)
        sample = next((d.text for source in sources for d in sampled(source, seed, lambda _: None)), "")[:100_000]
        if not sample:  # some kinds would learn their alphabet from nothing
            for source in sources:
                list(sampled(source, seed, bad))
            raise CorpusError(no_text(sources, len(bad.rows)))
        tokenizer = train_tokenizer(
            sources,
            vocab_size,
            kind=kind,
            lowercase=lowercase,
            seed=seed,
            max_characters=int(max_characters),
            on_bad=bad,
        )
        save_tokenizer(tokenizer, folder, max_length)
        size = tokenizer.get_vocab_size()
        tokens = len(tokenizer.encode(sample, add_special_tokens=False).ids)
        screen.say(
            f"{size:,} tokens in {folder}"
            + (f" ({vocab_size:,} were asked for; the text gives no more)" if size < vocab_size else "")
            + (f"; {len(sample) / tokens:.1f} characters a token" if tokens else "")
        )
        count = bad.finish(folder)
    return exit_code(count)
