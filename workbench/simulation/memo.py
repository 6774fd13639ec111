"""What replays of one session under one setting after the other have in common, kept by what it depends on.

A replay goes from listening to answering and back. Each step is a function of what came before it and of the few knobs
it reads; where a replay with other knobs comes to a step with the same of both, the outcome is remembered, not worked
out again. Nothing is approximated: the steps are the replay's own, and a forgotten one costs time, never a result.

A memory is good for one session, its stages and costs, and one setting of all knobs but :data:`TOLD_APART`.
"""

from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

from workbench.config import Config, to_dict
from workbench.files import canonical_json
from workbench.simulation.microphone import Microphone
from workbench.trace import Event

TOLD_APART = frozenset(
    (
        "stt_silence_threshold",
        "stt_silence_ms",
        "stt_min_speech_ms",
        "stt_preroll_ms",
        "stt_max_speech_seconds",
        "tts_chunk_chars",
        "tts_chunk_min_chars",
        "tts_chunk_sentences",
        "tts_stream",
        "chunker",
        "tts_prebuffer_frames",
        "barge_in_min_ms",
        "placement",
    )
)
"""Knobs that the keys of the steps take account of. Any other knob asks for a memory of its own."""

ROOM = 4000
"""Outcomes that one memory keeps: a bound on what a long study holds, chosen and not measured."""

Part = TypeVar("Part")
Value = TypeVar("Value")


def applies(config: Config) -> bool:
    """Whether replays under a config can be remembered.

    MLX-Harmony's loop clears nothing between turns, so that a step there depends on all before it; the pause head is
    asked frame by frame; and costs that are measured differ each time.
    """
    return (
        config.workbench.listener == "workbench"
        and not config.assistant.stt_vad
        and config.step_costs.source != "measured"
    )


def scope(config: Config) -> str:
    """Names the settings for which one memory is good."""
    tree = to_dict(config)
    return canonical_json(
        {section: {k: v for k, v in knobs.items() if k not in TOLD_APART} for section, knobs in tree.items()}
    )


class MemoEntry(NamedTuple, Generic[Value]):
    """A remembered outcome. ``number`` names it: outcomes that are built on it are kept under that."""

    number: int
    value: Value


class Memo(Generic[Part]):
    """Outcomes of the steps of one session's replays.

    Args:
        condense: what to keep of the events of a step.
        room: outcomes to keep; when there are more, all are forgotten.

    Attributes:
        mic: the session's microphone, once there is one.
        parts: of the running replay, what is kept of each step so far.
        numbers: and the number of each.
        notes: and what happened between the steps: after how many of them, and the event.
        past: names what the agent has left in the microphone so far; 0 where it cannot be heard.
    """

    def __init__(self, condense: Callable[[list[Event]], Part], room: int = ROOM) -> None:
        self._condense = condense
        self._room = room
        self._outcomes: dict[Hashable, MemoEntry[Any]] = {}
        self._steps: dict[Hashable, tuple[MemoEntry[Any], Part]] = {}
        self._count = 0
        self.mic: Microphone | None = None
        self.begin()

    def begin(self) -> None:
        """A replay begins."""
        self.parts: list[Part] = []
        self.numbers: list[int] = []
        self.notes: list[tuple[int, Event]] = []
        self.past = 0
        if self.mic is not None:
            self.mic.put_back(None)
        if len(self._outcomes) + len(self._steps) > self._room:
            self._outcomes.clear()
            self._steps.clear()

    def _number(self) -> int:
        # Never given twice, even when what it named is forgotten: a key that holds it cannot come to mean another.
        self._count += 1
        return self._count

    def note(self, event: Event) -> None:
        """Note what happens between two steps, and is remembered with neither: no score asks for it."""
        self.notes.append((len(self.parts), event))

    def recall(self, key: Hashable, work: Callable[[], Value]) -> MemoEntry[Value]:
        """The outcome under ``key``, worked out if it is not known."""
        found = self._outcomes.get(key)
        if found is None:
            found = self._outcomes[key] = MemoEntry(self._number(), work())
        return found

    def step(self, key: Hashable, events: list[Event], work: Callable[[], Value]) -> MemoEntry[Value]:
        """As :meth:`recall`, of a step of the replay.

        Args:
            key: of the step.
            events: where ``work`` says what happened; it is taken from there.
            work: the step.
        """
        step = self._steps.get(key)
        if step is None:
            first = len(events)
            known: MemoEntry[Any] = MemoEntry(self._number(), work())
            step = self._steps[key] = (known, self._condense(events[first:]))
            del events[first:]
        self.parts.append(step[1])
        self.numbers.append(step[0].number)
        return step[0]
