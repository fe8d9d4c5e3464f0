"""Elements of TEI, written with the prefix that their place asks for and with who is responsible for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fillmask import __version__
from fillmask.restore.editions.shown import UNCALIBRATED, certainty
from fillmask.restore.notation.xml_tree import escape, quoted

RESPONSIBLE = "fillmask"  # the xml:id by which readings name their author, and their author's name


@dataclass(frozen=True)
class Markup:
    """Writes elements.

    Attributes:
        prefix: of the namespace of TEI, with its colon, "" for none.
        responsible: what `resp` of every element points to.
    """

    prefix: str = ""
    responsible: str = f"#{RESPONSIBLE}"

    def element(
        self, name: str, content: str, probability: float | None = None, attributes: Mapping[str, str] | None = None
    ) -> str:
        """An element.

        Args:
            content: what is in it, as XML.
            probability: what its `cert` says; None for an element that is no reading, which has neither `cert` nor `resp`.
            attributes: others, values not yet escaped.
        """
        values = dict(attributes or {})
        if probability is not None:
            values |= {"cert": certainty(probability), "resp": self.responsible}
        tag = self.prefix + name + "".join(f" {key}={quoted(value)}" for key, value in values.items())
        return f"<{tag}>{content}</{self.prefix}{name}>" if content else f"<{tag}/>"

    def degree(self, probability: float) -> str:
        """The probability of the reading that it stands in, as a number."""
        return self.element(
            "certainty", "", probability, {"match": "..", "locus": "value", "degree": f"{probability:.2f}"}
        )

    def supplied(self, text: str, probability: float, attributes: Mapping[str, str] | None = None) -> str:
        """Letters that were lost."""
        return self.element("supplied", escape(text), probability, {"reason": "lost", **(attributes or {})})

    def responsibility(self, *, calibrated: bool) -> str:
        """Who is responsible for the readings, for the header, and what their probabilities are worth."""
        rough = "" if calibrated else f"; {UNCALIBRATED}"
        resp = self.element("resp", escape(f"restoration of lost text by a masked language model{rough}"))
        name = self.element("name", escape(f"fillmask {__version__}"))
        return self.element("respStmt", resp + name, attributes={"xml:id": self.responsible.removeprefix("#")})
