"""Ways to break a file, as strategies of hypothesis."""

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from .targets import HEADER, Target

CONTROL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066b\u2069"
HOSTILE_TEXT = (
    "", " ", "x", "0", "-1", "nan", "inf", "1e400", "9" * 5000, "true", "../../etc/passwd", "/etc/passwd", "a/b", "\\",
    "\x00", CONTROL, "\ud800", "\ufeff", "\u2028", "é", "e\u0301", "x" * 70_000, "[" * 3000, "%s{0}{x}", "[bold]x[/]",
    "http://user:pw@host/v1#m", "|`*_#<script>",
)  # fmt: skip
HOSTILE_NUMBERS = (0, -0.0, -1, 1, 0.5, 1e-320, 1e308, 1e9, 2**31, 2**53 + 1, 2**63, 2**70, -(2**70), 10**300)
HOSTILE_BYTES = (
    b"", b"\x00", b"\n", b"\r", b"\n\n", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1b[31m",
    b"\x9b31m", "\u202e".encode(), b",", b'"', b"{", b"[" * 200_000, b"9" * 5000, b"nan", b"\x00" * 4096, b"\t", b"=",
)  # fmt: skip

values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(HOSTILE_TEXT),
    st.sampled_from(HOSTILE_NUMBERS),
    st.sampled_from([None, True, False, [], {}, [[]], {"": None}, [None] * 3, float("nan"), float("inf")]),
    st.integers(1, 4).map(lambda power: _nested(10**power)),
)
"""What no value should be."""


def _nested(depth: int) -> Any:
    out: Any = 0
    for _ in range(depth):
        out = [out]
    return out


def _places(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is a value in parsed JSON."""
    if len(place) > 20:
        return [place]
    inner = data.items() if isinstance(data, dict) else enumerate(data[:20]) if isinstance(data, list) else ()
    return [place, *(found for key, item in inner for found in _places(item, (*place, key)))]


def _dump(data: Any) -> str:
    """JSON text, of any depth: the encoder of the standard library would give up."""
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], list):
        depth = 0
        while isinstance(data, list) and len(data) == 1:
            data, depth = data[0], depth + 1
        return "[" * depth + _dump(data) + "]" * depth
    if isinstance(data, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_dump(item)}" for key, item in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ",".join(_dump(item) for item in data) + "]"
    return json.dumps(data)


@st.composite
def json_text(draw: st.DrawFn, text: str) -> str:
    """JSON with some values, keys or items that are something else."""
    data = json.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(data)))
        if not place:
            if draw(st.integers(0, 9)) == 0:
                return _dump(draw(values))
            continue
        at = data
        for part in place[:-1]:
            at = at[part]
        how = draw(st.sampled_from(["change", "change", "change", "drop", "add"]))
        if how == "drop":
            del at[place[-1]]
        elif how == "add" and isinstance(at, dict):
            at[draw(st.sampled_from(HOSTILE_TEXT))] = draw(values)
        else:
            at[place[-1]] = draw(values)
    return _dump(data)


@st.composite
def _lines(draw: st.DrawFn, text: str) -> str:
    """JSON lines with one that is broken, blank, twice, elsewhere or gone."""
    lines = text.splitlines()
    at = draw(st.integers(0, max(0, len(lines) - 1)))
    how = draw(st.sampled_from(["json", "json", "json", "blank", "twice", "swap", "drop", "cut"]))
    if how == "json" and lines:
        lines[at] = draw(json_text(lines[at]))
    elif how == "blank":
        lines.insert(at, draw(st.sampled_from(["", " ", "\t"])))
    elif how == "twice" and lines:
        lines.insert(at, lines[at])
    elif how == "swap":
        lines.sort(key=len)
    elif how == "drop":
        del lines[at:]
    elif lines:
        lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n"]))


@st.composite
def _words(draw: st.DrawFn, text: str) -> str:
    """Text in which some words or numbers are others."""
    for _ in range(draw(st.integers(1, 3))):
        found = list(re.finditer(r"[^\s,=\[\]{}\"]+", text))
        if not found:
            break
        word = draw(st.sampled_from(found))
        value = draw(st.one_of(st.sampled_from(HOSTILE_TEXT), st.sampled_from(HOSTILE_NUMBERS).map(str)))
        text = text[: word.start()] + value + text[word.end() :]
    return text


@st.composite
def _raw(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes that are cut, flipped, doubled, dropped or put in."""
    reach = min(len(data), HEADER)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, reach - 1)))
        end = min(len(data), at + draw(st.integers(1, 64)))
        how = draw(st.sampled_from(["cut", "flip", "flip", "flip", "put in", "put in", "double", "drop", "all"]))
        if how == "cut":
            data = data[: draw(st.integers(0, len(data)))]
        elif how == "flip":
            data = data[:at] + bytes(byte ^ draw(st.integers(1, 255)) for byte in data[at : at + 4]) + data[at + 4 :]
        elif how == "put in":
            data = data[:at] + draw(st.sampled_from(HOSTILE_BYTES)) + data[at:]
        elif how == "double":
            data = data[:end] + data[at:]
        elif how == "drop":
            data = data[:at] + data[end:]
        elif draw(st.integers(0, 3)) == 0:
            data = draw(st.sampled_from(HOSTILE_BYTES))
        reach = min(len(data), HEADER)
    return data


@st.composite
def _tensors(draw: st.DrawFn, data: bytes) -> bytes:
    """A safetensors file whose header is another, and mostly as long as it says."""
    length = int.from_bytes(data[:8], "little")
    header = draw(json_text(data[8 : 8 + length].decode())).encode("utf-8", "surrogatepass")
    says = draw(st.sampled_from([len(header)] * 5 + [0, 1, len(header) - 1, len(header) + 1, 2**31, 2**63, 2**64 - 1]))
    return says.to_bytes(8, "little") + header + data[8 + length :]


def broken(target: Target, data: bytes) -> st.SearchStrategy[bytes]:
    """The target's file, broken."""
    if target.format == "bytes":
        return _raw(data)
    if target.format == "tensors":
        return st.one_of(_tensors(data), _raw(data))
    text = data.decode()
    by_format: dict[str, Callable[[str], st.SearchStrategy[str]]] = {
        "json": json_text, "lines": _lines, "toml": _words, "text": _words,
    }  # fmt: skip
    known = by_format[target.format](text).map(lambda found: found.encode("utf-8", "surrogatepass"))
    return st.one_of(known, known, _raw(data))
