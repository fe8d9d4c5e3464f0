"""`fillmask restore`: read a damaged document, and write it restored."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import EDITION_FORMATS, NOTATIONS, STRATEGIES
from fillmask.cli import complain
from fillmask.cli.options import TextFile, model_options
from fillmask.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from fillmask.restore import Progress, Restoration, RestoreOptions
    from fillmask.restore.damage import Hole
    from fillmask.restore.notation import Document

# Also in `fillmask.restore` and its packages, which are not imported for --help.
_FORMATS = ("terminal", *EDITION_FORMATS)
_SUFFIXES = {
    ".txt": "text",
    ".json": "json",
    ".md": "markdown",
    ".markdown": "markdown",
    ".xml": "tei",
    ".tei": "tei",
    ".html": "html",
    ".htm": "html",
    ".hocr": "ocr",
}
_ROUGH = "the probabilities are not calibrated for {}, only their order is sound; "
_NUMBERED = re.compile(r"(\d+)=(.*)", re.DOTALL)
_PAGE = 100  # columns of a drawing that goes to a file


@click.command("restore")
@click.argument("file", required=False, type=TextFile(), metavar="[FILE]")
@click.option("--text", "-t", metavar="TEXT", help="Restore this text, in place of a file.")
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(_FORMATS),
    help="What to write.  [default: by the ending of --output, else terminal on a terminal, and text]",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json: one JSON object.")
@click.option(
    "--notation",
    "-n",
    type=click.Choice(NOTATIONS),
    default="auto",
    show_default=True,
    help="How the damage is written; auto finds out.",
)
@click.option("--keep-ellipses", is_flag=True, help='"..." without brackets is punctuation, not damage.')
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="joint",
    show_default=True,
    help="How holes are read: each in the light of the others, or as the names say.",
)
@click.option("--readings", "-k", type=click.IntRange(min=1), default=10, show_default=True, help="Readings a hole.")
@click.option(
    "--lexicon",
    type=click.File("rb"),
    metavar="FILE",
    help="Names and terms that are likely here, one a line.",
)
@click.option("--targets", multiple=True, metavar="N=WORD,...", help="Hole N is one of these words; may be repeated.")
@click.option("--lock", multiple=True, metavar="N=TEXT", help="Hole N is this; may be repeated.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Leave holes open whose best reading is less probable; JSON has every reading.  [default: 0.5 for text and tei]",
)
@click.option("--marks/--no-marks", default=True, show_default=True, help="In text, put what is read in brackets.")
@click.option(
    "--div",
    metavar="NAME",
    help='In TEI, the <div type="edition"> to read: its number, xml:id, subtype, n or language.',
)
@click.option("--evidence", is_flag=True, help="Say which words of the context mattered to each hole.")
@click.option(
    "--adapt",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Adapt the model to this text of the author first; may be repeated.",
)
@model_options
def command(
    file: Any,
    text: str | None,
    form: str | None,
    output: Path | None,
    as_json: bool,
    notation: str,
    keep_ellipses: bool,
    strategy: str,
    readings: int,
    lexicon: Any,
    targets: tuple[str, ...],
    lock: tuple[str, ...],
    min_probability: float | None,
    marks: bool,
    div: str | None,
    evidence: bool,
    adapt: tuple[Path, ...],
    model: str | None,
    **engine: Any,
) -> int:
    """Read the damaged document in FILE, - for stdin, or in --text, and write it restored.

    What is lost is written as ..., [...], ___, b_k_ry or ba[..]ry, in the
    Leiden conventions, or as TEI.

    \b
      fillmask restore letter.txt
      fillmask restore letter.xml -o edition.xml
      fillmask restore letter.txt --format html -o letter.html
      fillmask restore -t "I am ... to the bakery"

    Holes have the numbers that the terminal shows, from 1:

    \b
      fillmask restore letter.txt --lock 2=Harriet --targets 3=June,July

    Ctrl-C stops the work and writes what was found so far; the exit code is
    then 130.
    """
    from fillmask.restore import RestoreOptions

    if (text is None) == (file is None):
        raise click.UsageError("expected a FILE (- for stdin) or --text, and not both")
    file = file or TextOfOption(text)
    names_format = form is not None
    form = _format(form, output, as_json)
    _check_folder(output)
    document = _parse(file, RestoreOptions(notation=notation, keep_ellipses=keep_ellipses, div=div))
    if form == "tei" and not names_format and document.notation in ("page", "alto", "hocr"):
        form = "ocr"  # its own XML
    holes = len(document.damaged.holes)
    options = RestoreOptions(
        notation=notation,
        keep_ellipses=keep_ellipses,
        div=div,
        strategy=strategy,
        readings=readings,
        lexicon=_terms(lexicon),
        targets=_targets(targets, document.damaged.holes),
        locked=_locks(lock, holes),
        evidence=evidence,
    )
    if not holes:
        complain(f"warning: nothing is lost in {file.name}, read as {document.notation}")
    with _adapted(model, adapt) as name:
        restoration = _restore(name, engine, document, options)
    if holes and not restoration.calibrated and not restoration.remarks:
        _warn_of_rough(strategy)
    _write(restoration, form, output, min_probability, marks)
    if restoration.complete:
        return 0
    complain("interrupted: what was found so far is written")
    return 130


def _warn_of_rough(strategy: str) -> None:
    from fillmask.restore.calibration.fitting import FITTED

    if strategy in FITTED:
        remedy = "fit them with fillmask train calibrate TEXT… --model FOLDER"
        complain("warning: " + _ROUGH.format("this model") + remedy)
    else:
        remedy = f"fillmask train calibrate fits those of {' and '.join(FITTED)}"
        complain("warning: " + _ROUGH.format(f"the strategy {strategy}") + remedy)


def _format(form: str | None, output: Path | None, as_json: bool) -> str:
    if as_json:
        if form not in (None, "json"):
            raise click.UsageError(f"--json and --format {form} ask for two formats")
        return "json"
    if form is not None:
        return form
    if output is not None and (output.is_file() or not output.exists()):
        form_of_suffix = _SUFFIXES.get(output.suffix.lower())
        if form_of_suffix is None:
            raise click.UsageError(
                f"--output {output} does not say what to write; end it in {', '.join(_SUFFIXES)}, or give --format"
            )
        return form_of_suffix
    if output is not None:  # a device or a pipe
        return "text"
    return "terminal" if sys.stdout.isatty() else "text"


def _check_folder(output: Path | None) -> None:
    """Before the work, not after it."""
    if output is not None and not output.resolve().parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.resolve().parent}")


class TextOfOption(io.BytesIO):
    """A text of the command line, read like a file."""

    name = "the text"

    def __init__(self, text: str | None) -> None:
        super().__init__((text or "").encode("utf-8", errors="surrogateescape"))


def _parse(file: Any, options: RestoreOptions) -> Document:
    from fillmask.errors import NotationError
    from fillmask.restore import parse_source
    from fillmask.restore.notation.encoding import decoded

    source = decoded(file.read(), file.name)
    if not source.strip():
        raise InputError(f"there is no text in {file.name}")
    try:
        return parse_source(source, options)
    except NotationError as error:
        raise InputError(f"{file.name}, {error}") from None


def _terms(lexicon: Any) -> list[str]:
    if lexicon is None:
        return []
    from fillmask.restore.notation.encoding import decoded

    lines = decoded(lexicon.read(), lexicon.name).splitlines()
    return [line.strip() for line in lines if line.strip()]


def _targets(values: tuple[str, ...], holes: Sequence[Hole]) -> dict[int, list[str]]:
    """The targets of each hole; those of an option that is repeated are added to those before.

    Raises:
        InputError: none of a hole's targets fits it.
    """
    from fillmask.restore.options import check_targets

    targets: dict[int, list[str]] = {}
    for number, text in _numbered(values, "--targets", len(holes)):
        targets.setdefault(number, []).extend(word for word in text.split(",") if word)
    for number, words in targets.items():
        check_targets(replace(holes[number], targets=tuple(words)), str(number + 1))
    return targets


def _locks(values: tuple[str, ...], holes: int) -> dict[int, str]:
    locks: dict[int, str] = {}
    for number, text in _numbered(values, "--lock", holes):
        if locks.setdefault(number, text) != text:
            raise click.UsageError(f"--lock {number + 1}={text}: the hole is locked to {locks[number]!r} already")
    return locks


def _numbered(values: tuple[str, ...], option: str, holes: int) -> Iterator[tuple[int, str]]:
    """What an option says of each hole; holes are counted from 1 here, and from 0 in the library."""
    for text in values:
        match = _NUMBERED.fullmatch(text)
        if match is None or not match[2].strip():
            raise click.UsageError(f"{option} {text}: expected the number of a hole and what stands in it, as 1=going")
        if not 1 <= int(match[1]) <= holes:
            there = f"holes 1 to {holes}" if holes > 1 else "one hole" if holes else "no holes"
            raise click.UsageError(f"{option} {text}: the document has {there}")
        yield int(match[1]) - 1, match[2]


@contextlib.contextmanager
def _adapted(model: str | None, texts: tuple[Path, ...]) -> Iterator[str | None]:
    """The name of the model, adapted to the texts if there are any."""
    if not texts:
        yield model
        return
    try:
        adapt = importlib.import_module("fillmask.training.adapt").adapt
    except ImportError as error:  # also that of the torch extra, which is a part of this one
        raise MissingExtraError("--adapt", "train") from error
    with tempfile.TemporaryDirectory(prefix="fillmask-adapted-") as folder:
        click.echo(f"adapting the model to {len(texts)} text{'s' * (len(texts) > 1)} …", err=True)
        yield str(adapt(model, list(texts), Path(folder) / "model"))


def _restore(model: str | None, engine: dict[str, Any], document: Document, options: RestoreOptions) -> Restoration:
    from fillmask.pipelines import FillMask
    from fillmask.restore import restore_document

    fill = FillMask(model, **engine)
    with _stoppable() as stopped, _bar() as on_progress:
        return restore_document(fill.model, document, options, on_progress=on_progress, cancelled=stopped)


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: once to stop and keep what was found, twice to stop at once."""
    pressed = threading.Event()

    def press(_: int, __: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None] | None]:
    """A progress bar on stderr, where someone is looking; gone when the work is done."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading holes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("holes", total=None)
        yield lambda progress: shown.update(task, completed=progress.done, total=progress.holes)


def _write(
    restoration: Restoration, form: str, output: Path | None, min_probability: float | None, marks: bool
) -> None:
    if form == "terminal" and min_probability is not None:
        restoration = restoration.with_open_holes(min_probability)
    if form == "terminal" and output is None:
        from rich.console import Console

        from fillmask.restore.editions.terminal import draw

        draw(restoration, Console(highlight=False))
        return
    if form == "terminal":
        text = _drawn(restoration)
    else:
        from fillmask.restore.editions import render

        text = render(restoration, form, min_probability=min_probability, marks=marks)
    if output is None:
        sys.stdout.buffer.write(text.encode("utf-8", errors="replace"))
        sys.stdout.flush()
    else:
        from fillmask.data.atomic import write_text

        write_text(output, text)


def _drawn(restoration: Restoration) -> str:
    from io import StringIO

    from rich.console import Console

    from fillmask.restore.editions.terminal import draw

    drawn = StringIO()
    draw(restoration, Console(file=drawn, width=_PAGE, highlight=False))
    return "\n".join(line.rstrip() for line in drawn.getvalue().split("\n"))
