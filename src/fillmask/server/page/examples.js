// Texts to begin with.

export const EXAMPLES = [
  ["The bakery", "I am ... to the bakery"],
  [
    "A letter from the mill",
    `Dear brother,

I write by the ... lamp, for the days are short
and the mill does not ... before dark. The river
rose again on Sunday and c_____d off the little bridge
that you and ... built; nothing is left of it.

Mother is better. She walked to the b__ery on
Thursday and came ... with news: the schoolmaster
is to marry in the s_ring, and nobody had guessed.

Send ... when you come. We keep your room warm.

Your loving sister`,
  ],
  [
    "A stone (Leiden)",
    `Here lies [---] the son of a fisherman,
who kept the lig[..]house for thirty [c. 5]
and never let the [....] go out.
His wi[..] set up this stone.`,
  ],
  [
    "A diary page (TEI)",
    `<TEI xmlns="http://www.tei-c.org/ns/1.0">
  <teiHeader><fileDesc><titleStmt><title>A page of a diary</title></titleStmt><publicationStmt><p>Unpublished</p></publicationStmt><sourceDesc><p>Written for this page</p></sourceDesc></fileDesc></teiHeader>
  <text><body>
    <p>It rained all <gap reason="lost" extent="unknown" unit="character"/> and we could not leave the <supplied reason="lost">house</supplied>.
    My brother read to us from an old b<gap reason="lost" quantity="2" unit="character"/>k until the <gap reason="lost" quantity="6" unit="character"/> went out.</p>
  </body></text>
</TEI>`,
  ],
];
