"""Chunks: the published behaviour told again, the corrected one's promises."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

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
    """The published cut for sentences on and no literal backslash: one 'sentence', cut at spaces, short ones merged."""
    rest, pieces = text.strip(), []
    if len(rest) <= max_chars:
        pieces = [rest] if rest else []
    else:
        while rest:
            if len(rest) <= max_chars:
                pieces.append(rest)
                break
            at = rest.rfind(" ", 0, max_chars + 1)
            at = at if at > 0 else max_chars
            pieces.append(rest[:at].strip())
            rest = rest[at:].strip()
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


@given(words, limits, st.integers(0, 80))
def test_published_cut_never_sees_a_sentence(text: str, max_chars: int, min_chars: int) -> None:
    assert chunk_text(text, knobs("mlx-harmony", max_chars, min_chars, True)) == published(text, max_chars, min_chars)


def test_published_pattern_matches_only_a_literal_backslash() -> None:
    options = knobs("mlx-harmony", 20, 1, True)
    assert chunk_text("One two. Three four. Five.", options) == ["One two. Three four.", "Five."]
    assert chunk_text(r"One two.\sThree four five.", options) == ["One two.", "Three four five."]


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
