"""A whole trace is checked before it is scored: what no replay can bring is named."""

from typing import Any

import pytest

from workbench.errors import WorkbenchError
from workbench.metrics import evaluate
from workbench.metrics.trace_checks import LARGEST, check_trace
from workbench.trace import (
    BargeIn,
    Cancel,
    Chunk,
    Commit,
    Done,
    Dropped,
    Header,
    Heard,
    Pcm,
    Play,
    Remark,
    SharedModel,
    Steps,
    Tokens,
    Trace,
    Transcript,
    Underrun,
    Xrun,
)

GOOD = (
    Heard(10, 0, 1920),
    Commit(20, 20, 0, "silence", 5),
    Transcript(30, 0, "hello"),
    Tokens(40, 0, "Hi.", (40, 50)),
    Chunk(60, 0, 0, "Hi."),
    Steps(65, "tts", (1, 0, 2)),
    Pcm(70, 0, 0, (70,), "1", 3),
    Play(80, 0, 0, 0, 1920),
    Remark(90, 0, "cut off"),
    SharedModel(95, 95),
    Done(2100, 0),
)


def refused(*events: Any, header: Header | None = None) -> str:
    with pytest.raises(WorkbenchError) as error:
        evaluate(Trace(header or Header("s", 24000), events), ())
    assert str(error.value).startswith("s: ")
    return str(error.value)


def test_a_good_trace_passes() -> None:
    check_trace(Trace(Header("s", 24000), GOOD))


@pytest.mark.parametrize(
    "event",
    [
        Steps(1, "tts", (3, -1)),
        Steps(1, "stt", (10**400,)),
        Play(1, 0, 0, 0, -5),
        Play(1, 0, 0, -1920, 5),
        Underrun(1, 0, -1, False),
        Xrun(1, "mic", -480),
        Heard(1, -1, 5),
        Heard(1, 9, 5),
        Dropped(1, 9, 5),
        SharedModel(9, 5),
        Tokens(1, 0, "x", (-5,)),
        Pcm(1, 0, 0, (1, -2), "11", 0),
        Pcm(1, 0, 0, (1,), "0", -2),
        Done(LARGEST + 1, 0),
        Commit(1, 1, -1, "silence", 0),
        Chunk(1, 0, -1, "x"),
    ],
)
def test_a_number_that_cannot_be_is_named(event: Any) -> None:
    name = type(event).__name__.lower()
    assert f"{name} at " in refused(event)


@pytest.mark.parametrize(
    "event",
    [
        Play(90, 7, 0, 0, 5),
        Underrun(90, 7, 5, False),
        Done(90, 7),
        BargeIn(90, 7, 80, 90),
        Cancel(90, 7, "barge_in"),
        Remark(90, 7, "x"),
    ],
)
def test_a_reply_that_does_not_exist_is_named(event: Any) -> None:
    assert refused(*GOOD[:-1], event) == f"s: {type(event).__name__.lower()} at 90: there is no reply 7"


@pytest.mark.parametrize("header", [Header("s", -1), Header("s", 5, -1), Header("s", 10**400)])
def test_a_header_that_cannot_be_is_named(header: Header) -> None:
    assert "samples and playout of the header" in refused(header=header)
