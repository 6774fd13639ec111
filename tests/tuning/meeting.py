"""Sessions in which different pasts come to the same moment: what the keys of a study's memory must tell apart.

Times are in frames of 80 ms. Where the user interrupts the agent, the next cycle opens at the end of the frame that
decided, whatever came before it: that is how two pasts meet. Where the STT lags behind, two turns that end at
different frames have their text at one time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from made_sessions import Sound

from workbench.config import Knob

_FRAME = 0.08
Knobs = Mapping[str, Knob]


def _speech(first: int, last: int, text: str, turn: int, rms: float = 0.2) -> Sound:
    return Sound(first * _FRAME, last * _FRAME, rms, "speech", turn, text)


def _noise(first: int, last: int, rms: float) -> Sound:
    return Sound(first * _FRAME, last * _FRAME, rms, "")


@dataclass(frozen=True)
class Meeting:
    """A session, and settings under which it is replayed one after the other with one memory.

    Attributes:
        sounds: what is in the microphone.
        frames: length.
        settings: knobs of the replays, one to be remembered when the next one comes.
        always: knobs of all of them.
        echo: taps of the echo path.
    """

    sounds: Sequence[Sound]
    frames: int
    settings: Sequence[Knobs]
    always: Knobs = field(default_factory=dict)
    echo: list[list[float]] | None = None

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames * _FRAME

    @property
    def replays(self) -> list[dict[str, Knob]]:
        """All knobs of each replay."""
        return [dict(self.always) | dict(knobs) for knobs in self.settings]


_LOUD = {"stt_silence_threshold": 0.02}
_SOFT = {"stt_silence_threshold": 0.003}

COUNTS = Meeting(
    [_noise(6, 16, 0.006), _speech(38, 41, "stop", 1), _speech(100, 112, "hello there", 2),
     _speech(170, 182, "thank you", 3)],
    250,
    [
        _LOUD | {"stt_min_speech_ms": 80},  # the third turn in the third cycle
        _SOFT | {"stt_min_speech_ms": 480},  # the second in the third: a knock, but not the short word
        _SOFT | {"stt_min_speech_ms": 80},  # the third in the fourth
    ],
)  # fmt: skip
"""An interruption that comes after as many cycles or as many turns, but not both."""

AGAIN = Meeting(
    [_speech(12, 24, "stop", 1), _speech(80, 92, "stop", 2), _speech(150, 162, "stop", 3)],
    220,
    [{}, {"tts_prebuffer_frames": 4}, {"stt_silence_ms": 400}],
)
"""The same is said, and answered, more than once."""

PLAYING = Meeting(
    [_noise(12, 24, 0.2), _noise(100, 112, 0.2)],
    240,
    [
        {"tts_prebuffer_frames": 1, "stt_silence_threshold": 0.04},
        {"tts_prebuffer_frames": 60, "stt_silence_threshold": 0.04},
        {"tts_prebuffer_frames": 1, "stt_silence_threshold": 0.01},
        {"tts_prebuffer_frames": 60, "stt_silence_threshold": 0.01},
    ],
    {"stt_preroll_ms": 800},
    [[40.0, -14.0]],
)
"""The agent is in the pre-roll of what interrupts it, or has not begun to speak; it interrupts itself or not.

There are no labels: to the STT every 0.4 s of sound is a word, the agent's too.
"""


def _later(*more: Sound) -> Meeting:
    return Meeting(
        [_speech(12, 24, "what", 1), _speech(66, 70, "stop", 2), *more],
        200,
        [{"tts_prebuffer_frames": 8}, {"tts_prebuffer_frames": 30}],
        {"step_costs.source": "fixed", "stt_silence_ms": 240, "barge_in_min_ms": 80},
        [[2000.0, -8.0]],
    )


LATER_IN_ANSWER = _later()
"""What is left of the first answer is heard during the second, a short one, for which both settings wait in full."""

LATER_IN_TURN = _later(_speech(74, 78, "thank you", 3))
"""Or during the turn that interrupts the second."""

BEHIND = Meeting(
    [_speech(12, 22, "what", 1), _speech(32, 40, "thank you", 2), _speech(120, 132, "stop", 3)],
    220,
    [
        knobs | {"placement": executors}
        for executors in ("serial", "shared")
        for knobs in (
            {"stt_preroll_ms": 800, "stt_silence_ms": 400},
            {"stt_preroll_ms": 720, "stt_silence_ms": 480},
        )
    ],
    {"step_costs.source": "fixed", "step_costs.stt_step_ms": 160 / 3, "tts_chunk_chars": 40},
    [[40.0, -40.0]],
)
"""An STT that takes two thirds of a frame for each: after as many frames, the text is there at the same time."""

RESET = Meeting(
    [_speech(1, 13, "stop", 1), _speech(46, 58, "what", 2)],
    100,
    [{}, {"tts_prebuffer_frames": 6}, {"stt_min_speech_ms": 80}],
    {"step_costs.source": "fixed", "step_costs.stt_reset_ms": 400.0, "stt_preroll_ms": 0},
)
"""An STT that is not ready when the turn begins: earlier or later, as the answer before it was over."""

ENDING = Meeting(
    [_speech(12, 37, "one two three four five six", 1)],
    42,
    [{"stt_silence_ms": 480}, {"stt_silence_ms": 400}],
)
"""The session ends in the very frame in which the turn does, or would have done."""

HOLD = Meeting(
    [_speech(20, 30, "what can", 1), _speech(35, 45, "you tell me", 1), _speech(200, 210, "thank you", 2)],
    280,
    [
        {"stt_silence_ms": 320},
        {},
        {"stt_silence_ms": 720, "stt_preroll_ms": 160},
        {"tts_chunk_chars": 40},
        {"tts_stream": True, "placement": "split"},
        {"tts_stream": True, "placement": "serial"},
        {"tts_stream": True, "placement": "shared"},
        {"barge_in_min_ms": 80},
        {"barge_in_min_ms": 320},
    ],
)
"""Settings that differ in one knob: no two pasts that meet, but each step takes another course."""

STRETCHES = Meeting(
    [_speech(20, 40, "what can you tell me", 1), _noise(40, 43, 0.006)],
    90,
    [
        _LOUD | {"stt_silence_ms": 640},
        _LOUD | {"stt_silence_ms": 800, "stt_max_speech_seconds": 2.08},  # ends as early, for another reason
        _SOFT | {"stt_silence_ms": 400},  # ends as early, after less silence
        _LOUD | {"stt_silence_ms": 640, "stt_min_speech_ms": 80},  # begins earlier, and hears as much
        _LOUD | {"stt_silence_ms": 640, "stt_preroll_ms": 80},  # hears less of what came before
        _LOUD | {"stt_max_speech_seconds": 1.04},  # is broken off, here and there
        _LOUD | {"stt_max_speech_seconds": 1.2},
    ],
)
"""Cycles that hear nearly the same stretch."""

CHUNKS = Meeting(
    [_speech(12, 24, "what time is it", 1)],
    230,
    [
        {"tts_chunk_sentences": True, "tts_chunk_chars": 80},
        {"tts_chunk_sentences": False, "tts_chunk_chars": 60},
    ],
    {"step_costs.source": "fixed", "tts_chunk_min_chars": 0, "tts_prebuffer_frames": 1000, "barge_in_min_ms": 2400},
    [[40.0, -8.0]],
)
"""As many frames of an answer at the same times, with the pause between its chunks early or late."""

MEETINGS: dict[str, Meeting] = {
    name.lower().replace("_", "-"): found for name, found in sorted(globals().items()) if isinstance(found, Meeting)
}
"""All of them by name."""
