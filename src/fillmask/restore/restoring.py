"""Restore a damaged text: parse it, decode its holes, and say what was found."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fillmask.errors import FillMaskWarning
from fillmask.restore import word_list
from fillmask.restore.capitals import casing, ordinary_case
from fillmask.restore.decoding.document_decoder import BEAM, decode, settings_for
from fillmask.restore.language import foreign_language, model_language
from fillmask.restore.options import RestoreOptions
from fillmask.restore.restoration import Progress, Restoration
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.tokenizer import check_text

if TYPE_CHECKING:
    from fillmask.restore.notation import Document


def restore(
    model: MaskedLM,
    source: str,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> Restoration:
    """Read a damaged text.

    Args:
        model: what reads it.
        source: the text with its holes, in one of the notations.
        on_progress: called whenever holes have been settled.
        cancelled: called before each batch of the model, and while a hole is made ready; True ends the work, and what
            was found so far is returned.
        options: the fields of `RestoreOptions`.

    Raises:
        NotationError: the source is malformed.
        InputError: an option cannot be used; nothing can stand in a hole.
    """
    restore_options = RestoreOptions(**options)
    return restore_document(
        model, parse_source(source, restore_options), restore_options, on_progress=on_progress, cancelled=cancelled
    )


def parse_source(source: str, options: RestoreOptions) -> Document:
    """The parsed text.

    Raises:
        NotationError: the source is malformed.
        InputError: it is no text.
    """
    from fillmask.restore.notation import parse

    check_text(source)
    # A byte order mark is no part of the text; the model would read it.
    return parse(
        source.removeprefix("\ufeff"), notation=options.notation, keep_ellipses=options.keep_ellipses, div=options.div
    )


def restore_document(
    model: MaskedLM,
    document: Document,
    options: RestoreOptions | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Restoration:
    """`restore` for a document that was parsed before.

    Raises:
        InputError: an option does not fit the document; nothing can stand in a hole.
    """
    from fillmask.restore.results import restoration

    options = options or RestoreOptions()
    damaged = options.for_damage(document.damaged)
    folder = model.checkpoint.folder
    words = word_list.of_checkpoint(folder) if damaged.holes else None
    tokenizer = model.tokenizer
    cased = casing(words, lambda word: len(tokenizer.encode_plain([f" {word}"])[0] or ()))
    case = ordinary_case(damaged, cased)
    settings = settings_for(options.strategy, BEAM if options.beam is None else options.beam)
    if options.readings > settings.options.finalists > 0:
        settings = replace(settings, options=replace(settings.options, finalists=options.readings))
    decoded = decode(
        model,
        case.damaged,
        settings,
        lexicon=options.lexicon,
        locked={hole: case.ordinary(hole, text) for hole, text in (options.locked or {}).items()},
        on_progress=on_progress,
        cancelled=cancelled,
    )
    result = restoration(document, damaged, decoded, case, model.tokenizer, options)
    remark = foreign_language(case.damaged, document.language, model_language(folder), words)
    if remark and damaged.holes:
        warnings.warn(f"{remark}; its readings are not calibrated", FillMaskWarning, stacklevel=2)
        result = replace(result, calibrated=False, remarks=(remark,))
    return replace(result, model=model.checkpoint.title)
