"""Everyday sentences with the words a person would say: at which rank does a model answer them?

    python benchmarks/everyday.py [MODEL]...

For each sentence, the best rank among its words; 1 is the first answer.
"""

from __future__ import annotations

import sys

from fillmask import FillMask

# A sentence with the words that fit, the first of which was written first. They were written before any model was asked.
SENTENCES: tuple[tuple[str, str], ...] = (
    ("I am <mask> to the bakery.", "going walking"),
    ("Read the rest of this <mask> to understand things in more detail.", "article post guide book chapter"),
    ("Let's meet at the <mask> for a cup of coffee.", "cafe bar restaurant"),
    ("My favorite subject at school is <mask>.", "mathematics math history"),
    ("The capital of France is <mask>.", "Paris"),
    ("Please close the <mask> when you leave.", "door window"),
    ("She poured herself a cup of <mask>.", "tea coffee"),
    ("The dog <mask> at the stranger.", "barked"),
    ("He brushed his <mask> before going to bed.", "teeth"),
    ("It was raining, so I took my <mask>.", "umbrella coat"),
    ("We had <mask> for dinner.", "chicken fish pizza pasta"),
    ("Can you <mask> me with my homework?", "help"),
    ("The baby started to <mask> because she was hungry.", "cry"),
    ("I forgot my <mask> at home, so I could not call you.", "phone"),
    ("He drives to work in his <mask>.", "car"),
    ("The train leaves at seven in the <mask>.", "morning evening"),
    ("There are seven days in a <mask>.", "week"),
    ("Happy birthday! How <mask> are you now?", "old"),
    ("Thank you very <mask> for your help.", "much"),
    ("The sun rises in the <mask>.", "east morning"),
    ("Bees make <mask>.", "honey"),
    ("I would like to book a <mask> for two people.", "table room"),
    ("The doctor told him to stop <mask>.", "smoking drinking"),
    ("She is taller <mask> her brother.", "than"),
    ("I have been waiting for more than an <mask>.", "hour"),
    ("Could you turn down the <mask>? It is too loud.", "music radio volume"),
    ("My grandmother was <mask> in 1932.", "born"),
    ("The shop was closed, so we went <mask>.", "home"),
    ("He lost the race because he was too <mask>.", "slow tired"),
    ("Winter is the coldest <mask> of the year.", "season time"),
    ("You should wash your <mask> before you eat.", "hands"),
    ("The children are playing in the <mask>.", "garden park yard"),
    ("I read an interesting <mask> about the history of the town.", "book article story"),
    ("Water freezes at zero <mask>.", "degrees"),
    ("We flew from London to New <mask>.", "York"),
    ("Her <mask> is Anna, and she is five years old.", "name"),
    ("I can't find my glasses. Have you <mask> them?", "seen"),
    ("They got <mask> last summer and moved to a bigger house.", "married"),
    ("Don't forget to <mask> the lights off.", "turn switch"),
    ("A year has twelve <mask>.", "months"),
)


def ranks(model: str | None) -> list[tuple[str, int, list[str]]]:
    """Each sentence with the best rank of its words, and the model's five likeliest answers."""
    fill = FillMask(model)
    size = len(fill.tokenizer)
    mask = fill.tokenizer.mask_token
    rows = []
    for sentence, words in SENTENCES:
        answers = fill(sentence.replace("<mask>", mask), top_k=size)
        tokens = [answer["token_str"].strip() for answer in answers]
        wanted = set(words.split())
        rank = next((number for number, token in enumerate(tokens, 1) if token in wanted), size)
        rows.append((sentence, rank, tokens[:5]))
    return rows


def main() -> None:
    """Print a table for each model."""
    for model in sys.argv[1:] or [None]:
        rows = ranks(model)
        places = sorted(rank for _, rank, _ in rows)
        print(
            f"{model or 'bundled'}: first {sum(p == 1 for p in places)}, within five {sum(p <= 5 for p in places)}, within"
            f" ten {sum(p <= 10 for p in places)} of {len(rows)}; median rank {places[len(places) // 2]}"
        )
        for sentence, rank, best in rows:
            print(f"  {rank:6} {sentence} {', '.join(best)}")


if __name__ == "__main__":
    main()
