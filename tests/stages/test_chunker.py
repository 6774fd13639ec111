"""Chunks: the published behaviour told again, the corrected one's promises."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.assistants import assistant
from workbench.knobs import ChunkKnobs
from workbench.stages.chunker import STOPS, Cutter, midword

words = st.lists(
    st.tuples(st.text("abcdefgh", min_size=1, max_size=14), st.sampled_from(["", "", "", ".", "?", ",", ";", ":"])),
    max_size=40,
).map(lambda pairs: " ".join(word + stop for word, stop in pairs))
limits = st.integers(1, 60)


def knobs(chunker: str, most: int, least: int, sentences: bool) -> ChunkKnobs:
    return ChunkKnobs(chunker, False, most, least, sentences)


def chunk_text(text: str, options: ChunkKnobs) -> list[str]:
    return assistant(options.chunker).chunker.cut(text, options)


def chunk_stream(tokens: Iterable[str], options: ChunkKnobs) -> Iterator[tuple[int, str]]:
    return Cutter(assistant(options.chunker).chunker, replace(options, stream=True)).cut_all(tokens)


def published(text: str, max_chars: int, min_chars: int) -> list[str]:
    """The published cut for sentences on: split at a literal backslash and "s", packed, short ones merged."""
    pieces: list[str] = []
    waiting: list[str] = []
    for sentence in re.split(r"(?<=[.!?;:])[\\]s+", text.strip()):
        rest = sentence.strip()
        if not rest:
            continue
        if len(rest) <= max_chars:
            if waiting and len(" ".join([*waiting, rest])) > max_chars:
                pieces.append(" ".join(waiting))
                waiting = []
            waiting.append(rest)
            continue
        while rest:
            if len(rest) <= max_chars:
                pieces.append(rest)
                break
            at = rest.rfind(" ", 0, max_chars + 1)
            at = at if at > 0 else max_chars
            pieces.append(rest[:at].strip())
            rest = rest[at:].strip()
    pieces += [" ".join(waiting)] if waiting else []
    merged: list[str] = []
    held: list[str] = []
    for piece in pieces:
        if held and len(" ".join([*held, piece])) > max_chars:
            merged.append(" ".join(held))
            held = [piece]
            continue
        held.append(piece)
        if len(" ".join(held)) >= min_chars:
            merged.append(" ".join(held))
            held = []
    return merged + ([" ".join(held)] if held else [])


literal = st.lists(st.tuples(words, st.sampled_from([r".\s", r"?\ss", ". ", r" \s"])), max_size=6).map(
    lambda pairs: "".join(text + gap for text, gap in pairs)
)


@given(words | literal, limits, st.integers(0, 80))
def test_published_cut_never_sees_a_sentence(text: str, max_chars: int, min_chars: int) -> None:
    assert chunk_text(text, knobs("mlx-harmony", max_chars, min_chars, True)) == published(text, max_chars, min_chars)


def test_published_pattern_matches_only_a_literal_backslash() -> None:
    options = knobs("mlx-harmony", 20, 1, True)
    assert chunk_text("One two. Three four. Five.", options) == ["One two. Three four.", "Five."]
    assert chunk_text(r"One two.\sThree four five.", options) == ["One two.", "Three four five."]


def test_published_cut_sends_a_long_sentence_before_a_short_one() -> None:
    text = r"Yes.\sOne two three four five.\sNo."
    chunks = chunk_text(text, knobs("mlx-harmony", 12, 1, True))
    assert chunks == ["One two", "three four", "five.", "Yes. No."]
    assert midword(text, chunks) == [False] * 4


def test_published_cut_without_sentences_tears_words() -> None:
    chunks = chunk_text("abcdef ghijkl", knobs("mlx-harmony", 8, 1, False))
    assert chunks == ["abcdef g", "hijkl"]
    assert midword("abcdef ghijkl", chunks) == [True, False]


@given(words, limits, st.integers(0, 80), st.booleans(), st.booleans())
def test_no_letter_is_lost_or_doubled(text: str, most: int, least: int, sentences: bool, as_published: bool) -> None:
    options = knobs("mlx-harmony" if as_published else "workbench", most, least, sentences)
    squeezed = re.sub(r"\s", "", text)
    assert re.sub(r"\s", "", "".join(chunk_text(text, options))) == squeezed
    tokens = re.findall(r"\s*\S+", text)
    streamed = list(chunk_stream(tokens, options))
    assert re.sub(r"\s", "", "".join(piece for _, piece in streamed)) == squeezed
    assert [index for index, _ in streamed] == sorted(index for index, _ in streamed)


@given(words, limits, st.integers(0, 80), st.booleans())
def test_corrected_cut_tears_no_word_that_fits(text: str, most: int, least: int, sentences: bool) -> None:
    options = knobs("workbench", most, least, sentences)
    chunks = chunk_text(text, options)
    assert all(len(chunk) <= most for chunk in chunks)
    if all(len(word) <= most for word in text.split()):
        assert not any(midword(text, chunks))
        assert not any(midword(text, [piece for _, piece in chunk_stream(re.findall(r"\s*\S+", text), options)]))


@given(words, limits, st.integers(0, 40))
def test_published_stream_cut_told_again(text: str, most: int, least: int) -> None:
    tokens = re.findall(r"\s*\S+", text)
    buffer, out = "", []
    for index, token in enumerate(tokens):
        buffer += token
        while len(buffer) >= least:
            cut_at = -1
            for mark in STOPS:
                cut_at = max(cut_at, buffer.rfind(mark, 0, most + 1))
            if cut_at == -1 and len(buffer) < most:
                break
            if cut_at == -1:
                cut_at = most
            piece, buffer = buffer[: cut_at + 1].strip(), buffer[cut_at + 1 :].lstrip()
            if piece:
                out.append((index, piece))
            if not buffer:
                break
    if buffer.strip():
        out.append((len(tokens) - 1, buffer.strip()))
    assert list(chunk_stream(tokens, knobs("mlx-harmony", most, least, True))) == out


def test_corrected_stream_speaks_at_the_first_sentence() -> None:
    tokens = ["Yes", ".", " It", " is", " ten", " past", " nine", "."]
    assert list(chunk_stream(tokens, knobs("workbench", 100, 3, True))) == [(2, "Yes."), (7, "It is ten past nine.")]


def test_a_decimal_point_ends_no_sentence() -> None:
    assert chunk_text("It is 3.5 now. Good.", knobs("workbench", 15, 1, True)) == ["It is 3.5 now.", "Good."]


def corrected(most: int, least: int = 1) -> ChunkKnobs:
    return knobs("workbench", most, least, True)


def streamed(text: str, options: ChunkKnobs) -> list[str]:
    """Cut while it is written, word by word; character by character gives the same."""
    by_word = [piece for _, piece in chunk_stream(re.findall(r"\s*\S+", text), options)]
    assert by_word == [piece for _, piece in chunk_stream(text, options)]
    return by_word


WHOLE = (
    "I see that you are now with Dr. Johnson at three.",
    "Ask Mr. and Mrs. Smith, Prof. Li or St. John.",
    "J. R. R. Tolkien and John F. Kennedy read it.",
    "We meet at 9 a.m. or at 3 p.m. on Monday.",
    "The U.S. Army, e.g. Gen. Lee, i.e. him.",
    "Pi is 3.14159 and the rest is 2.5 and 1,000.75 more.",
    "The train leaves at 10:30 or 22:15:07 from gate 4.",
    "See https://example.com/a.b?c=d;e:f and www.example.org/x.html for more.",
    "Write to a.b@example.com about version 1.2.3 of it.",
    "It is No. 5 on Fig. 3 of Vol. 2, since Jan. 12.",
    "Apples, pears, etc. are cats vs. dogs of Smith Ltd. and Jones Inc. here.",
    "M. Dupont et Mme. Petit parlent (cf. la page).",
    '(Dr. Li) and "Mr. Bean" came.',
)


@pytest.mark.parametrize("sentence", WHOLE)
def test_no_cut_inside_a_sentence_with_stops(sentence: str) -> None:
    text = f"{sentence} Shall I go on?"
    assert streamed(text, corrected(200)) == [sentence, "Shall I go on?"]
    assert chunk_text(text, corrected(len(sentence))) == [sentence, "Shall I go on?"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I said no. Then I sat. So do I. Fine.", ["I said no.", "Then I sat.", "So do I.", "Fine."]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("(It is late.) Good night! Now?", ["(It is late.)", "Good night!", "Now?"]),
        ("Wait... what? Yes: two; three.", ["Wait...", "what?", "Yes:", "two;", "three."]),
        ("It is at example.com. Look.", ["It is at example.com.", "Look."]),
        ("It was in 1999. Then came 2000. Good.", ["It was in 1999.", "Then came 2000.", "Good."]),
        ("1. Open it. 2. Close it.", ["1. Open it.", "2. Close it."]),
        ("今天天气很好。我们去公园吧！好吗？好。", ["今天天气很好。", "我们去公园吧！", "好吗？", "好。"]),
        ("彼は「はい。」と言った。終わり。", ["彼は「はい。」", "と言った。", "終わり。"]),
        ("Das ist gut. Wirklich!", ["Das ist gut.", "Wirklich!"]),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str]) -> None:
    assert streamed(text, corrected(200)) == sentences


def test_a_long_sentence_is_not_cut_behind_an_abbreviation() -> None:
    text = "We will now go and visit old Dr. Johnson in his house"
    assert chunk_text(text, corrected(32)) == ["We will now go and visit old", "Dr. Johnson in his house"]
    assert streamed(text, corrected(32)) == ["We will now go and visit old", "Dr. Johnson in his house"]


def test_no_space_is_put_between_sentences_without() -> None:
    assert chunk_text("你好。再见。今天天气很好。", corrected(8)) == ["你好。再见。", "今天天气很好。"]
    assert chunk_text("你好。 再见。今天天气很好。", corrected(8)) == ["你好。 再见。", "今天天气很好。"]


@pytest.mark.parametrize(
    ("text", "chunks", "broken"),
    [
        ("今天天气很好。我们去公园吧", ["今天天", "气很好。我们", "去公园吧"], [False] * 3),
        ("ありがとうございます", ["ありがとう", "ございます"], [False] * 2),
        ("カッター", ["カ", "ッター"], [True, False]),
        ("สวัสดีครับ", ["สวัสดี", "ครับ"], [False] * 2),
        ("我用iPhone打电话", ["我用iPh", "one打电话"], [True, False]),
        ("안녕하세요 여러분", ["안녕하", "세요 여러분"], [True, False]),
        ("Ça va été", ["Ça va ét", "é"], [True, False]),
    ],
)
def test_scripts_without_spaces_have_no_words_to_break(text: str, chunks: list[str], broken: list[bool]) -> None:
    assert midword(text, chunks) == broken


@given(st.text('ab .。！？\u0301\u3042\u4eca"」', max_size=60), limits, st.integers(0, 80), st.booleans())
def test_any_text_is_cut_without_loss(text: str, most: int, least: int, sentences: bool) -> None:
    options = knobs("workbench", most, least, sentences)
    squeezed = "".join(text.split())
    for chunks in (chunk_text(text, options), [piece for _, piece in chunk_stream(text, options)]):
        assert "".join("".join(chunk.split()) for chunk in chunks) == squeezed
        assert all(len(chunk) <= most for chunk in chunks)
        assert len(midword(text, chunks)) == len(chunks)
