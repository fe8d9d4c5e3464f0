"""Tokens in holes: every admissible text can be spelled as its tokenizer does it, and nothing else is."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from toys import AROUND, HOLES, KINDS, texts, toy

from fillmask.restore.damage import Damaged, Hole, Known, Lost
from fillmask.restore.decoding import vocabulary
from fillmask.restore.decoding.spelling import readings
from fillmask.restore.decoding.token_automaton import TokenAutomaton
from fillmask.restore.decoding.tokenized_context import Layout, TokenizedContext
from fillmask.restore.decoding.vocabulary import vocabulary_of
from fillmask.tokenization.tokenizer import Tokenizer


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return toy(request.param)


def context_of(tokenizer: Tokenizer, left: str, hole: Hole, right: str) -> TokenizedContext:
    return TokenizedContext(tokenizer, vocabulary_of(tokenizer), Damaged((left, hole, right)), window=64)


def proposed(context: TokenizedContext, canonical: Sequence[int]) -> Iterator[tuple[Layout, tuple[int, ...]]]:
    """The layouts by which the token_automaton admits the tokens of a whole text, and the tokens in the hole."""
    for layout in context.layouts[0]:
        left = context.between[0][: len(context.between[0]) - layout.before]
        right = context.between[1][layout.after :]
        inner = tuple(canonical[len(left) : len(canonical) - len(right)])
        if (*left, *inner, *right) == tuple(canonical) and accepts(context.token_automaton(layout), inner):
            yield layout, inner


def accepts(token_automaton: TokenAutomaton, tokens: Sequence[int]) -> bool:
    states = token_automaton.start
    for token in tokens:
        states = token_automaton.after(states, token)
    return bool((states & token_automaton.accepting).any())


@pytest.mark.parametrize("around", AROUND, ids=str)
@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_every_admissible_text_can_be_proposed(tokenizer: Tokenizer, hole: Hole, around: tuple[str, str]) -> None:
    left, right = around
    context = context_of(tokenizer, left, hole, right)
    unknown = tokenizer.convert_tokens_to_ids("[UNK]")
    for text in texts(3):
        if not text or not hole.admits(text):
            continue
        canonical = tokenizer.encode(left + text + right, add_special_tokens=False)
        if unknown in canonical or ("\u00a0" in text and context.vocabulary.kind != "byte-level BPE"):
            continue  # a letter that the vocabulary has not; a space that the tokenizer turns into another
        ways = list(proposed(context, canonical))
        assert ways, (left, text, right, tokenizer.backend.encode(left + text + right).tokens)
        spelled = {t for layout, tokens in ways for t in readings(context.vocabulary, layout.region, tokens)}
        assert written(context, hole, text) in spelled, (text, spelled)


def written(context: TokenizedContext, hole: Hole, text: str) -> str:
    """A text as it comes back from a tokenizer that lower-cases: known letters as they are, others as it writes them."""
    if context.vocabulary.kind == "byte-level BPE" or hole.targets is not None:
        return text
    plain = "".join(map(context.vocabulary.normalize, text))
    kept = [e for e in hole.elements if isinstance(e, Known)]
    if not kept or plain == text:
        return plain
    from fillmask.restore.decoding.spelling import restored

    found = restored(context.vocabulary, hole, plain)
    assert found is not None
    return found


@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_nothing_else_is_proposed(tokenizer: Tokenizer, hole: Hole) -> None:
    context = context_of(tokenizer, 'ab "', hole, '." ab')
    seen = 0
    for layout in context.layouts[0]:
        token_automaton = context.token_automaton(layout)
        for count in (1, 2, 3):
            for tokens in sequences(token_automaton, count, 300):
                found = readings(context.vocabulary, layout.region, tokens)
                assert found, (layout, [context.vocabulary.spelled(t) for t in tokens])
                assert all(hole.admits(text) for text in found)
                seen += 1
    assert seen > 0


def sequences(token_automaton: TokenAutomaton, count: int, most: int) -> Iterator[tuple[int, ...]]:
    """Token sequences that the token_automaton admits, chosen from left to right, evenly among the many."""
    partial: list[tuple[int, ...]] = [()]
    for place in range(count):
        grown = []
        for tokens in partial:
            lefts, rights = token_automaton.frontier([*tokens, *[None] * (count - place)])
            grown += [(*tokens, int(t)) for t in token_automaton.admitted(lefts[place], rights[place + 1])]
        partial = grown[:: max(1, len(grown) // most)]
    yield from partial


@pytest.mark.parametrize("hole", HOLES[:6], ids=str)
def test_places_may_be_chosen_in_any_order(tokenizer: Tokenizer, hole: Hole) -> None:
    token_automaton = context_of(tokenizer, "ab ", hole, " ab").token_automaton(
        Layout(context_of(tokenizer, "ab ", hole, " ab").layouts[0][0].region)
    )
    everything = set(sequences(token_automaton, 2, 10**6))
    backwards = set()
    lefts, rights = token_automaton.frontier([None, None])
    for last in token_automaton.admitted(lefts[1], rights[2]).tolist():
        lefts_too, rights_too = token_automaton.frontier([None, last])
        backwards |= {(int(first), last) for first in token_automaton.admitted(lefts_too[0], rights_too[1])}
    assert backwards == everything


def test_the_best_tokens_are_those_of_a_full_look(tokenizer: Tokenizer) -> None:
    token_automaton = context_of(tokenizer, "ab ", Hole((Lost(1, 6, spaces=True),)), " ab").token_automaton(
        context_of(tokenizer, "ab ", Hole((Lost(1, 6, spaces=True),)), " ab").layouts[0][0]
    )
    rng = np.random.default_rng(0)
    lefts, rights = token_automaton.frontier([None] * 3)
    for place in range(3):
        values = rng.normal(size=len(tokenizer)).astype(np.float32)
        admitted = token_automaton.admitted(lefts[place], rights[place + 1])
        expected = admitted[np.argsort(-values[admitted], kind="stable")][:7]
        assert token_automaton.best(values, lefts[place], rights[place + 1], 7).tolist() == expected.tolist()


def test_lengths_are_what_can_be_spelled(tokenizer: Tokenizer) -> None:
    context = context_of(tokenizer, "ab ", Hole((Known("ab"), Lost(2, 2))), " ab")
    token_automaton = context.token_automaton(context.layouts[0][0])
    possible = (
        [k for k in range(8) if next(sequences(token_automaton, k, 1), None) is not None] if token_automaton else []
    )
    assert token_automaton.lengths(7) == [k for k in possible if k]


@pytest.mark.parametrize("marks", ["-" * 16, '."' * 500, "!" * 20_000])
def test_a_run_of_marks_at_a_hole_takes_no_time(tokenizer: Tokenizer, marks: str) -> None:
    """A state for every set of places where a token may have ended: sixteen dashes did not end."""
    begun = time.perf_counter()
    for left, right in (("ab ", marks), (f"ab {marks}", " ab")):
        context = context_of(tokenizer, left, Hole((Lost(1, None),)), right)
        assert context.layouts[0][0] == context.plain(0)
        found = [context.token_automaton(layout).lengths(4) for layout in context.layouts[0]]
        assert found[0] == [1, 2, 3, 4]
    assert time.perf_counter() - begun < 15


def test_threads_see_whole_tables(tokenizer: Tokenizer) -> None:
    token_automaton = vocabulary_of(tokenizer).token_automaton(
        context_of(tokenizer, "ab ", Hole((Lost(1, 9),)), "").plain(0).region
    )
    token_automaton.prepare()
    wanted = [token_automaton._dense(state).copy() for state in range(1, token_automaton.states)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(50):
                token_automaton.forget()
                together = Barrier(2)

                def look(together: Barrier = together) -> bool:
                    together.wait()
                    return all(
                        np.array_equal(token_automaton._dense(state).copy(), table)
                        for state, table in enumerate(wanted, start=1)
                    )

                assert all(found.result() for found in [pool.submit(look) for _ in range(2)])
    finally:
        sys.setswitchinterval(before)


def test_machines_are_bounded_by_bytes_and_forget_what_they_can_find_again(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = vocabulary.Vocabulary(tokenizer)
    regions = [context_of(tokenizer, "ab ", Hole((Lost(n, n + 9),)), "").plain(0).region for n in range(1, 9)]
    first = tokens.token_automaton(regions[0])
    first.prepare()
    size = first.kept
    assert size > 0
    everything = [first.ends(state)[0].tolist() for state in range(1, first.states)]
    monkeypatch.setattr(vocabulary, "_MOST_KEPT", 3 * size)
    for region in regions[1:]:
        tokens.token_automaton(region).prepare()
        assert sum(token_automaton.kept for token_automaton in tokens._token_automata.values()) <= 3 * size
    assert first.kept == 0
    assert [first.ends(state)[0].tolist() for state in range(1, first.states)] == everything
    assert first.kept > 0


def test_one_machine_is_made_of_a_region(tokenizer: Tokenizer) -> None:
    tokens = vocabulary.Vocabulary(tokenizer)
    region = context_of(tokenizer, "ab ", Hole((Lost(1, 9),)), "").plain(0).region
    with ThreadPoolExecutor(4) as pool:
        assert len({id(token_automaton) for token_automaton in pool.map(tokens.token_automaton, [region] * 8)}) == 1
