"""Random damaged documents in each notation, printed together with the damage they must be read as.

The printer knows the notations from their description, not from the readers:
what it prints, `parse` must read back.
"""

import html
from collections.abc import Callable
from random import Random

from fillmask.restore.damage import Element, Hole, Known, Lost

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZéßøñ"
_UNKNOWN = Lost(1, None, True)

Part = str | Hole
_Chunk = tuple[
    str, Callable[[bool], tuple[Element, ...]]
]  # as printed, and what it says (attached to letters or alone)


def document(random: Random, notation: str) -> tuple[str, tuple[Part, ...]]:
    """A document of one to three paragraphs: its source, and the parts of its damaged text."""
    printer = {"plain": _Plain, "leiden": _Leiden, "tei": _Tei}[notation](random)
    sources, parts = [], []
    for number in range(random.randint(1, 3)):
        source, found = _paragraph(random, printer)
        sources.append(source)
        parts += [*(["\n"] if number else []), *found]
    return printer.whole(sources), _merged(parts)


def _paragraph(random: Random, printer: "_Plain") -> tuple[str, list[Part]]:
    source, parts = "", []
    for number in range(random.randint(1, 6)):
        if number:
            printed, said = printer.blank()
            source += printed
            parts.append(said)
        printed, elements = _word(random, printer)
        source += printed
        parts.append(_hole_or_text(elements))
        if random.random() < 0.2 and not printed.endswith((".", "…")):
            mark = random.choice([",", ";", "!", ' "', " –", ":"])
            source += printer.text(mark)
            parts.append(mark)
    return source, parts


def _word(random: Random, printer: "_Plain") -> tuple[str, list[Element]]:
    """Known letters and lost stretches in turn: now and then one alone, mostly letters alone."""
    if random.random() < 0.15:
        printed, says = printer.lost(attached=False)
        return printed, list(says(False))
    chunks: list[_Chunk] = [printer.known()]
    if random.random() < 0.4:
        if random.random() < 0.5:
            chunks.insert(0, printer.lost(attached=True))
        chunks.append(printer.lost(attached=True))
        while random.random() < 0.4:
            chunks += [printer.known(), printer.lost(attached=True)]
        if random.random() < 0.6:
            chunks.append(printer.known())
    source = chunks[0][0]
    for chunk in chunks[1:]:
        source += printer.joint() + chunk[0]
    if source.startswith("_") and source.endswith("_"):  # emphasis
        return _word(random, printer)
    return printer.around(source), [element for _, says in chunks for element in says(True)]


def _hole_or_text(elements: list[Element]) -> Part:
    found: list[Element] = []
    for element in elements:
        last = found[-1] if found else None
        if isinstance(element, Known) and isinstance(last, Known) and element.certain == last.certain:
            found[-1] = Known(last.text + element.text, element.certain)
        else:
            found.append(element)
    if len(found) == 1 and isinstance(found[0], Known) and found[0].certain:
        return found[0].text
    return Hole(tuple(found))


def _merged(parts: list[Part]) -> tuple[Part, ...]:
    found: list[Part] = []
    for part in parts:
        if found and isinstance(part, str) and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)


class _Plain:
    def __init__(self, random: Random) -> None:
        self.random = random

    def whole(self, paragraphs: list[str]) -> str:
        ends = self.random.choice(["\n\n", "\n \n", "\r\n\r\n", "\n\n\n  "])
        return ends.join(paragraphs)

    def blank(self) -> tuple[str, str]:
        return self.random.choice([" ", " ", " ", "\n", "  ", "\r\n", "\t", "\f"]), " "

    def joint(self) -> str:
        return ""

    def around(self, word: str) -> str:
        return word

    def text(self, text: str) -> str:
        return text

    def letters(self) -> str:
        return "".join(self.random.choices(_LETTERS, k=self.random.randint(1, 5)))

    def known(self) -> _Chunk:
        letters = self.letters()
        if self.random.random() < 0.1:
            letters = letters + "'" + self.letters()
        return self.text(letters), lambda attached: (Known(letters),)

    def lost(self, *, attached: bool) -> _Chunk:
        if not attached and self.random.random() < 0.2:
            return self.random.choice(["<mask>", "[MASK]"]), lambda attached: (Lost(1, None),)
        if not attached and self.random.random() < 0.6:
            return self.random.choice(["...", "…", "___", "[...]", "[…]"]), lambda attached: (_UNKNOWN,)
        count = self.random.choice([1, 2, 4, 5, 6, 17])
        shown = [f"[{'.' * count}]", f"[{'_' * count}]", *(["_" * count] if attached else [])]
        return self.random.choice(shown), lambda attached: (Lost(count, count, not attached or count > 15),)


class _Leiden(_Plain):
    def known(self) -> _Chunk:
        letters = self.letters()
        dice = self.random.random()
        if dice < 0.15:
            dotted = "".join(letter + "\u0323" for letter in letters)
            return dotted, lambda attached: (Known(letters, False),)
        if dice < 0.4:
            opening, closing = self.random.choice([("[", "]"), ("<", ">"), ("[[", "]]"), ("⟦", "⟧"), ("[<", ">]")])
            return opening + letters + closing, lambda attached: (Known(letters),)
        if dice < 0.5:
            return letters + "{" + self.letters() + "}", lambda attached: (Known(letters),)
        return letters, lambda attached: (Known(letters),)

    def lost(self, *, attached: bool) -> _Chunk:
        count = self.random.choice([1, 2, 3, 4, 7, 12])
        spaces = not attached
        dice = self.random.random()
        if dice < 0.3:
            shown = self.random.choice(["[---]", "[- - -]", "[—]", "[--]"])
            return shown, lambda attached: (_UNKNOWN,)
        if dice < 0.5:
            slack = max(2, count // 2)
            lost = Lost(max(1, count - slack), count + slack, spaces, count)
            shown = self.random.choice(["[c. {}]", "[ca. {}]", "[c.{}]", "[- ca.{} -]", "[± {}]", "[-- c. {} --]"])
            return shown.format(count), lambda attached: (lost,)
        if dice < 0.6:
            return f"[c. {count}-{count + 2}]", lambda attached: (Lost(count, count + 2, spaces),)
        if dice < 0.65:
            return f"[-{count}-]", lambda attached: (Lost(count, count, spaces),)
        shown = f"[{'. ' * (count - 1)}.]" if dice < 0.75 and count > 1 else f"[{'.' * count}]"
        return shown, lambda attached: (Lost(count, count, spaces),)


class _Tei(_Plain):
    def whole(self, paragraphs: list[str]) -> str:
        name = self.random.choice(["p", "ab", "head"])
        body = "\n".join(f"<{name}>{paragraph}</{name}>" for paragraph in paragraphs)
        return f'<TEI xmlns="http://www.tei-c.org/ns/1.0">\n<teiHeader>lost <gap/></teiHeader><text><body>\n<div type="edition">{body}</div>\n</body></text></TEI>'

    def blank(self) -> tuple[str, str]:
        return self.random.choice([" ", " ", "\n  ", "<lb/>", '\n<lb n="2"/>', " <pb/> ", " <!-- a --> ", "&#32;"]), " "

    def joint(self) -> str:
        return self.random.choice(["", "", "", "<!--x-->", '\n <lb break="no"/>', "<note>n <gap/></note>", "<?p i?>"])

    def around(self, word: str) -> str:
        opening = self.random.choice(["", "", "<hi rend='bold'>", "<persName>", "<w>"])
        closing = opening.split()[0].replace("<", "</").rstrip(">") + ">" if opening else ""
        return opening + word + closing

    def text(self, text: str) -> str:
        return html.escape(text)

    def known(self) -> _Chunk:
        letters = self.letters()
        dice = self.random.random()
        shown = "".join(f"&#{ord(letter)};" if self.random.random() < 0.05 else letter for letter in letters)
        if dice < 0.15:
            return f"<unclear>{shown}</unclear>", lambda attached: (Known(letters, False),)
        if dice < 0.3:
            name = self.random.choice(["supplied", "add", "ex", "tei:hi xmlns:tei='http://www.tei-c.org/ns/1.0'"])
            return f"<{name}>{shown}</{name.split()[0]}>", lambda attached: (Known(letters),)
        if dice < 0.4:
            return f"{shown}<surplus>{self.letters()}</surplus>", lambda attached: (Known(letters),)
        return shown, lambda attached: (Known(letters),)

    def lost(self, *, attached: bool) -> _Chunk:
        count = self.random.choice([1, 2, 3, 4, 7, 12])
        spaces = not attached
        slack = max(2, count // 2)
        shown, lost = self.random.choice(
            [
                ('<gap reason="lost" extent="unknown" unit="character"/>', _UNKNOWN),
                ("<gap/>", _UNKNOWN),
                (f'<gap reason="lost" quantity="{count}" unit="character"/>', Lost(count, count, spaces)),
                (f"<gap unit='chars' quantity='{count}'></gap>", Lost(count, count, spaces)),
                (f'<gap atLeast="{count}" atMost="{count + 3}" unit="character"/>', Lost(count, count + 3, spaces)),
                (
                    f'<gap quantity="{count}" precision="low" unit="character"/>',
                    Lost(max(1, count - slack), count + slack, spaces, count),
                ),
                *([] if attached else [('<gap quantity="1" unit="word"/>', Lost(1, None))]),
            ]
        )
        return shown, lambda attached: (lost,)
