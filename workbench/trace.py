"""Events of a trace: a closed set of what can happen on the virtual clock.

The trace is the bridge between models and metrics: a trace written by hand, or by another program, scores like a
replayed one. ``docs/trace.md`` describes each event, and :mod:`workbench.trace_file` holds the file format.

Conventions:
    Times and lengths are samples at 24 kHz. ``t`` is when an event is known; events are in order of ``t``.

Longer than 300 lines because it is one list: every event with its fields.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Ints = Sequence[int]


@dataclass(frozen=True, slots=True)
class Listen:
    """A listen cycle opens: the listener waits for speech from here."""

    t: int


@dataclass(frozen=True, slots=True)
class Onset:
    """The gate opened. ``fed_from`` is the first microphone sample of this cycle that the STT gets."""

    t: int
    fed_from: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Microphone samples ``[start, end)`` reached the STT in the cycle that ends at ``t``."""

    t: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """Microphone samples ``[start, end)`` were lost because the listener's queue was full."""

    t: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """The STT said a word. ``at`` is where the model puts its end on the session clock."""

    t: int
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The endpointer decided that the user's turn is over.

    Attributes:
        t: when the decision was there, computing included.
        frame_end: end of the frame that decided it.
        reply: number of the answer that follows, from 0.
        reason: ``silence``, ``pause`` (the model's head), ``limit`` (longest speech reached) or ``model`` (a duplex
            model began to speak).
        silence_from: where the silence that was counted began; ``frame_end`` where none was.
    """

    t: int
    frame_end: int
    reply: int
    reason: str
    silence_from: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The final transcript of the turn is there, flush included."""

    t: int
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The LM answered: ``times`` holds when each token was there, ``t`` is the first."""

    t: int
    reply: int
    text: str
    times: Ints


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer was handed to the TTS. ``midword`` says that its end cuts a word in two."""

    t: int
    reply: int
    chunk: int
    text: str
    midword: bool = False


@dataclass(frozen=True, slots=True)
class Pcm:
    """The PCM frames (1920 samples each) of one chunk.

    Attributes:
        t: when the first was ready.
        ready: when each was ready, in order.
        voiced: one character per frame, ``1`` where it holds an audible sample.
        lead: samples before the first audible one of the chunk; -1 if there is none.
    """

    t: int
    reply: int
    chunk: int
    ready: Ints
    voiced: str
    lead: int


@dataclass(frozen=True, slots=True)
class Play:
    """``samples`` of a chunk's PCM, from its sample ``offset`` on, left the loudspeaker without a gap from ``t`` on."""

    t: int
    reply: int
    chunk: int
    offset: int
    samples: int


@dataclass(frozen=True, slots=True)
class Underrun:
    """The device wanted samples of an utterance that were not there. ``voiced`` says that speech surrounds the hole."""

    t: int
    reply: int
    samples: int
    voiced: bool


@dataclass(frozen=True, slots=True)
class Done:
    """End-of-speech marker: the last sample of the answer has been played."""

    t: int
    reply: int


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The listener decided that the user interrupts. ``onset`` is where the sound began that did it."""

    t: int
    reply: int
    onset: int
    frame_end: int


@dataclass(frozen=True, slots=True)
class Pause:
    """The agent fell silent because of a barge-in, and may go on: ``resume`` or ``cancel`` follows."""

    t: int
    reply: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The barge-in was a false alarm: the agent goes on where it was heard."""

    t: int
    reply: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The answer was stopped. ``reason`` is ``barge_in``; samples after ``t`` are not played."""

    t: int
    reply: int
    reason: str


@dataclass(frozen=True, slots=True)
class Steps:
    """What a run of model steps cost. ``t`` is when the first began; a cost is in samples of the clock."""

    t: int
    stage: str
    costs: Ints


@dataclass(frozen=True, slots=True)
class Xrun:
    """The audio device reported an over- or underrun of its own (live and recorded sessions only)."""

    t: int
    device: str
    samples: int


@dataclass(frozen=True, slots=True)
class Remark:
    """What must be said of a reply that is not what it seems: the LM's answer was cut off, or empty."""

    t: int
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class SharedModel:
    """A listen cycle stepped the STT model between steps of another one: whose text it is cannot be known.

    Attributes:
        t: when its first step ended.
        until: when its last step ended.
    """

    t: int
    until: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A passage of the recording was laid elsewhere: the person reacts to the replayed agent (``timing = reactive``).

    Attributes:
        t: where it begins on the clock of the replay.
        start, end: samples of the recording that its labels cover.
        by: samples by which it moved, whole frames; negative: it comes earlier.
        how: ``kept`` (its distance to what came before), ``answer`` or ``assumed`` (its distance to an answer), or why
            it could not be placed: ``late``, ``no_answer``, ``new_answer``, ``answer_over``, ``left_out``.
        reply: number of that answer; -1 where there is none.
    """

    t: int
    start: int
    end: int
    by: int
    how: str
    reply: int


Event = (
    Listen
    | Onset
    | Heard
    | Dropped
    | Word
    | Commit
    | Transcript
    | Tokens
    | Chunk
    | Pcm
    | Play
    | Underrun
    | Done
    | BargeIn
    | Pause
    | Resume
    | Cancel
    | Steps
    | Xrun
    | Remark
    | SharedModel
    | Moved
)


@dataclass(frozen=True)
class Header:
    """What a trace is of.

    Attributes:
        session: name of the session.
        samples: length of the session on the clock of the replay.
        playout: device latency in samples, already contained in the times of ``play``.
        stack, listener, executors, costs, timing, fingerprint: how it was made; free text for a trace made elsewhere.
        profile: digest of the cost profile, or empty.
        echo: whether the agent's own sound reached the microphone.
    """

    session: str
    samples: int
    playout: int = 0
    stack: str = ""
    listener: str = ""
    executors: str = ""
    costs: str = ""
    profile: str = ""
    timing: str = "fixed"
    fingerprint: str = ""
    echo: bool = False


@dataclass(frozen=True)
class Trace:
    """A header and events in order of time."""

    header: Header
    events: tuple[Event, ...] = field(default_factory=tuple)


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Sort by time; events of one moment keep the order they were given in."""
    return tuple(sorted(events, key=lambda event: event.t))
