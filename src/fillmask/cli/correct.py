"""`fillmask correct`: mend what was misread in a text, and mark what is doubtful."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import MIN_CORRECTION_PROBABILITY
from fillmask.cli import complain
from fillmask.cli.options import model_options
from fillmask.errors import InputError

if TYPE_CHECKING:
    from fillmask.restore.correction.correction import Correction
    from fillmask.restore.correction.corrector import Corrector

_FORMATS = ("terminal", "text", "json", "tei", "xml")
_SUFFIXES = {".txt": "text", ".json": "json", ".tei": "tei", ".xml": "xml"}
_CHUNK = 1 << 16  # bytes that are read together


@click.command("correct")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(_FORMATS),
    help="What to write; xml is the same kind of XML as FILE.  [default: by the ending of --output, else terminal on a"
    " terminal, xml for XML, and text]",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json: one JSON object.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=MIN_CORRECTION_PROBABILITY,
    show_default=True,
    help="Change a word from this probability on; below it, mark it as doubtful.",
)
@click.option(
    "--channel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="How letters are misread, from fillmask train channel.  [default: a general channel]",
)
@click.option(
    "--word-list",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Words with counts, from fillmask train lexicon.  [default: the model's, else the bundled English one]",
)
@model_options
def command(
    file: Any,
    form: str | None,
    output: Path | None,
    as_json: bool,
    min_probability: float,
    channel: Path | None,
    word_list: Path | None,
    model: str | None,
    **engine: Any,
) -> int:
    """Mend what an OCR engine or a transcriber misread in FILE, - for stdin.

    FILE is plain text, TEI, or PAGE XML. Only what is surely misread is
    changed; names, numbers, and old spelling stay. In XML the original stands
    beside each change.

    \b
      fillmask correct page.txt
      fillmask correct page.txt --json
      fillmask correct edition.xml -o corrected.xml
      tesseract page.png - | fillmask correct -
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} ask for two formats")
    form = "json" if as_json else form or (_SUFFIXES.get(output.suffix.lower()) if output is not None else None)
    if output is not None and not output.resolve().parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.resolve().parent}")
    name = getattr(file, "name", "the standard input")
    start = file.read(_CHUNK)
    if not start.strip():
        raise InputError(f"there is no text in {name}")
    corrector = _corrector(model, engine, channel, word_list)
    is_xml = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    if not is_xml and form == "xml":
        raise click.UsageError(f"--format xml: {name} is no XML; expected tei for an edition of plain text")
    if not is_xml and output is None and form in (None, "text") and not (form is None and sys.stdout.isatty()):
        _stream(corrector, _pieces(start, file, name), min_probability)
        return 0
    from fillmask.restore.notation.encoding import decoded

    text = decoded(start + file.read(), name)
    form = form or ("terminal" if output is None and sys.stdout.isatty() else "xml" if is_xml else "text")
    _write(_rendered(corrector, text, is_xml, form, min_probability), output)
    return 0


def _corrector(model: str | None, engine: dict[str, Any], channel: Path | None, word_list: Path | None) -> Corrector:
    from fillmask.restore import word_list as word_lists
    from fillmask.restore.correction import channel as channels
    from fillmask.restore.correction.corrector import Corrector
    from fillmask.runtime.masked_lm import MaskedLM
    from fillmask.runtime.options import RuntimeOptions

    corrector = Corrector(
        MaskedLM(model, RuntimeOptions(**engine)),
        channel=None if channel is None else channels.load(channel),
        words=None if word_list is None else word_lists.load(word_list),
    )
    if not corrector.is_calibrated:
        complain(
            "warning: the probabilities are not calibrated for this model; fit them with"
            " fillmask train calibrate TEXT… --pairs PAIRS --model FOLDER"
        )
    return corrector


def _stream(corrector: Corrector, pieces: Iterator[str], min_probability: float) -> None:
    """Plain text in, plain text out, block by block: a long document takes time and not memory."""
    for block in corrector.blocks(pieces, min_probability=min_probability):
        sys.stdout.buffer.write(block.text.encode("utf-8", errors="replace"))
        sys.stdout.buffer.flush()


def _pieces(start: bytes, file: Any, name: str) -> Iterator[str]:
    """The text of a file in pieces that end at line ends, or are very long."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        from fillmask.restore.notation.encoding import decoded

        yield decoded(start + file.read(), name)
        return
    data, offset = start.removeprefix(b"\xef\xbb\xbf"), len(start) - len(start.removeprefix(b"\xef\xbb\xbf"))
    while data:
        end = data.rfind(b"\n") + 1
        more = file.read(_CHUNK)
        if not more:
            end = len(data)
        try:
            yield data[:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name} is not utf-8 at byte {offset + error.start}; convert it, for instance with iconv -t utf-8"
            ) from None
        offset += end
        data = data[end:] + more


def _rendered(corrector: Corrector, text: str, is_xml: bool, form: str, min_probability: float) -> str:
    from fillmask.restore.correction import editions
    from fillmask.restore.correction.xml_text import XmlText

    source = XmlText(text) if is_xml else None
    correction = corrector.correct(source.text if source else text, min_probability=min_probability)
    if source is not None and (form == "xml" or (form == "tei" and not source.is_page)):
        return editions.as_same_xml(correction, source)
    match form:
        case "json":
            return editions.as_json(correction)
        case "tei":
            return editions.as_tei(correction)
        case "terminal":
            return _drawn(correction)
        case _:
            return correction.text


def _drawn(correction: Correction) -> str:
    """The text with changes in green and doubtful words in yellow, and a list of both."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    from fillmask.restore.correction.editions import marked

    text = Text()
    for stretch, word in marked(correction.words, correction.text):
        text.append(stretch, "" if word is None else "green" if word.changed else "yellow")
    drawn = StringIO()
    console = Console(file=drawn, highlight=False, force_terminal=sys.stdout.isatty(), width=100)
    console.print(text, end="" if correction.text.endswith("\n") else "\n")
    for word in correction.words:
        best = word.readings[0].text if word.readings else ""
        verb = f"→ {word.text}" if word.changed else f"? {best}" if best != word.source else "?"
        source = " ".join(word.source.split())
        share = word.probability if word.changed or not word.readings else word.readings[0].probability
        console.print(f"  {word.line}:{word.column}  {source}  {verb}  {share:.2f}", style="dim", markup=False)
    return drawn.getvalue()


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(text.encode("utf-8", errors="replace"))
        sys.stdout.flush()
    else:
        from fillmask.data.atomic import write_text

        write_text(output, text)
