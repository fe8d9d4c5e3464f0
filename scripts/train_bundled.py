"""Train the bundled model, or one like it on your own text.

    python scripts/train_bundled.py runs/mine book.txt letters.txt.xz=0.5 --validation held_out.txt --tokens 70e6

Corpus files hold one paragraph a line and a blank line between documents;
`=SHARE` after a name takes that share of its documents. Everything is kept in
the run's folder: the tokenizer, the packed rows, the curve, and the state from
which the same command goes on after an interruption. The finished checkpoint
is `FOLDER/model`, readable by fillmask and by transformers.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from transformers import ModernBertForMaskedLM

from fillmask.training import pretrain
from fillmask.training.corpus import Source, tokenize
from fillmask.training.packing import SpecialIds, packed
from fillmask.training.tokenizer import save_tokenizer, special_ids, train_tokenizer


def _source(text: str) -> Source:
    name, _, share = text.partition("=")
    return Source(Path(name), float(share or 1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("corpus", nargs="+", type=_source, metavar="FILE[=SHARE]")
    parser.add_argument("--validation", type=Path, required=True, help="text file never trained on")
    parser.add_argument("--tokens", type=float, default=70e6, help="training tokens in all")
    parser.add_argument(
        "--initial", type=Path, help="checkpoint to start from: its tokenizer, its size and its weights"
    )
    parser.add_argument("--vocab-size", type=int, default=24576)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--intermediate-size", type=int, default=384)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--lr", type=float, default=2e-3, help="AdamW's peak rate")
    parser.add_argument("--muon-lr", type=float, default=0.02, help="Muon's peak rate")
    parser.add_argument("--warmup-steps", type=int, default=300)
    parser.add_argument("--phrase-share", type=float, default=0.35, help="share of documents cut into single phrases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    return parser.parse_args()


def _tokenizer(arguments: argparse.Namespace, model_folder: Path) -> Tokenizer:
    path = model_folder / "tokenizer.json"
    if arguments.initial and not path.exists():
        save_tokenizer(Tokenizer.from_file(str(arguments.initial / "tokenizer.json")), model_folder, 512)
    elif not path.exists():
        sample = [Source(s.path, s.share * 0.25) for s in arguments.corpus]
        save_tokenizer(train_tokenizer(sample, arguments.vocab_size, seed=arguments.seed), model_folder, 512)
    return Tokenizer.from_file(str(path))


def _samples(model: ModernBertForMaskedLM, tokenizer: Tokenizer, special: SpecialIds) -> str:
    """The five likeliest words for one phrase, to see the model learn."""
    ids = tokenizer.encode("I am <mask> to the bakery").ids
    inputs = torch.tensor([ids], device=model.device)
    model.eval()
    with torch.no_grad():
        hidden = pretrain.encode(model, inputs, torch.ones_like(inputs))
        best = model.decoder(model.head(hidden[0, ids.index(special.mask)])).topk(5).indices
    model.train()
    return " ".join(tokenizer.decode([int(i)]).strip() for i in best)


def main() -> None:
    arguments = _arguments()
    console = Console()
    model_folder = arguments.folder / "model"
    tokenizer = _tokenizer(arguments, model_folder)
    special = special_ids(tokenizer)
    recipe = pretrain.Recipe(
        tokens=int(arguments.tokens), batch_tokens=arguments.batch_tokens, lr=arguments.lr, muon_lr=arguments.muon_lr,
        warmup_steps=arguments.warmup_steps, seed=arguments.seed,
    )  # fmt: skip
    shape = pretrain.Shape(arguments.hidden_size, arguments.layers, arguments.intermediate_size)
    (arguments.folder / "recipe.json").write_text(
        json.dumps({"recipe": asdict(recipe), "shape": asdict(shape)}, indent=2) + "\n"
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        reading = bar.add_task("tokenising", total=None)
        cache = arguments.folder / "cache"
        corpus = tokenize(
            arguments.corpus, tokenizer, cache, seed=arguments.seed, phrase_share=arguments.phrase_share,
            on_progress=lambda characters: bar.advance(reading, characters),
        )  # fmt: skip
        held_out = tokenize([Source(arguments.validation)], tokenizer, cache)
        bar.update(reading, description=f"{len(corpus.tokens):,} tokens", total=1, completed=1)
        lengths = {stage.length for stage in recipe.stages}
        rows = {length: packed(corpus, special, length, arguments.seed, cache) for length in sorted(lengths)}
        validation = packed(held_out, special, 128, 0, cache)[:1024]

        torch.manual_seed(arguments.seed)
        if arguments.initial:
            model = ModernBertForMaskedLM.from_pretrained(arguments.initial, dtype=torch.float32)
        else:
            model = ModernBertForMaskedLM(shape.config(tokenizer.get_vocab_size(), special))
        run = pretrain.Pretraining(
            model, rows, validation, special, recipe, device=arguments.device, compile=arguments.compile
        )
        training = bar.add_task("training", total=recipe.steps)
        for progress in run.run(arguments.folder):
            line = f"loss {progress.loss:.3f} · {progress.tokens_per_second:,.0f} tokens/s"
            bar.update(training, completed=progress.step, description=line)
            if progress.validation:
                v = progress.validation
                console.print(
                    f"step {progress.step:>6} · {progress.tokens / 1e6:6.1f}M tokens · {line} · validation loss {v['loss']:.3f}"
                    f" top-1 {v['top1']:.1%} top-5 {v['top5']:.1%} · I am <mask> to the bakery: {_samples(model, tokenizer, special)}"
                )
                pretrain.export(model, model_folder)
    console.print(f"checkpoint in {model_folder}")


if __name__ == "__main__":
    main()
