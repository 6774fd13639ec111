"""Sounds of each demo session and their times; ``build.py`` makes the audio from them."""

from dataclasses import dataclass

SPEECH = 0.05
"""RMS of a person near the microphone: -26 dBFS."""

READER = "sense_and_sensibility_01_austen_64kb-"


@dataclass(frozen=True)
class Sound:
    """One clip.

    Attributes:
        after: seconds from the end of the user's last turn (from the start, before the first) to its first sample.
        clip: stem of a file in ``sources/``, or a sound of ``sounds.py``.
        kind: as in labels.csv; ``speech`` is a turn of its own.
        rms: level over the trimmed clip, linear full scale.
        holds: (word, seconds): the pause that is put before that word.
    """

    after: float
    clip: str
    kind: str = "speech"
    rms: float = SPEECH
    holds: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Scene:
    """One session.

    Attributes:
        name: of the session's folder.
        shows: what it is there for.
        sounds: in order.
        tail: seconds after the last turn: room for the answer.
        room_rms: room noise; 0.001 is -60 dBFS.
        room_sway_db: how far its level rises and falls.
        echo: how the agent reaches the microphone, (delay in ms, gain in dB).
        nano_vocabulary: whether the stack ``nano`` knows the words.
    """

    name: str
    shows: str
    sounds: tuple[Sound, ...]
    tail: float = 6.0
    room_rms: float = 0.001
    room_sway_db: float = 0.0
    echo: tuple[tuple[float, float], ...] = ()
    nano_vocabulary: bool = True


SCENES = (
    Scene(
        "questions",
        "three plain requests: latency with nothing in the way",
        (
            Sound(2.03, "what-time-is-it"),
            Sound(9.01, "remind-me-to-call-anna-at-three"),
            Sound(9.52, "turn-off-the-radio-in-the-bedroom"),
        ),
    ),
    Scene(
        "hesitation",
        "one turn with holds of 1.1, 0.6 and 0.3 s",
        (Sound(2.11, "um-set-the-heater-to-twenty-degrees", holds=((1, 1.1), (4, 0.6), (6, 0.3))),),
        tail=7.0,
    ),
    Scene(
        "holds",
        "three turns with one hold each: 0.3, 0.6 and 1.1 s",
        (
            Sound(2.05, "set-a-timer-for-ten-minutes-please", holds=((3, 0.3),)),
            Sound(9.03, "open-the-window-please", holds=((3, 0.6),)),
            Sound(9.02, "let-me-think", holds=((2, 1.1),)),
        ),
    ),
    Scene(
        "soft-speech",
        "two turns near the threshold of 0.01: the gate clips one and misses much of the other",
        (
            Sound(2.07, "my-name-is-john", rms=0.012),
            Sound(9.04, "call-peter-now", rms=0.008),
        ),
    ),
    Scene(
        "cough-and-door",
        "a cough over the first answer, a door over the second: neither should stop the agent",
        (
            Sound(2.02, "what-is-the-weather-tomorrow"),
            Sound(4.2, "cough", "noise", 0.08),
            Sound(13.03, "what-is-on-my-list"),
            Sound(4.6, "door", "noise", 0.1),
        ),
        tail=12.0,
    ),
    Scene(
        "barge-in",
        "the user takes the floor over the agent with a sentence, then says good night",
        (
            Sound(2.09, "what-is-the-weather-today"),
            Sound(4.51, "wait-stop-that"),
            Sound(8.53, "good-night"),
        ),
    ),
    Scene(
        "barge-in-short",
        "one word, half a second long, takes the floor",
        (
            Sound(2.06, "how-are-you-today"),
            Sound(4.13, "stop"),
        ),
        tail=9.0,
    ),
    Scene(
        "backchannel",
        "mm-hm over the agent, twice: not a bid for the floor",
        (
            Sound(2.04, "how-are-you-today"),
            Sound(3.6, "mm-hm", "backchannel", 0.035),
            Sound(5.9, "mm-hm", "backchannel", 0.035),
            Sound(13.01, "turn-the-volume-down-a-little"),
        ),
    ),
    Scene(
        "television",
        "somebody else talks while the agent answers",
        (
            Sound(2.08, "what-is-the-weather-today"),
            Sound(3.4, READER + "0870", "background", 0.018),
            Sound(13.05, "set-a-timer-for-five-minutes"),
        ),
    ),
    Scene(
        "echo",
        "the loudspeaker is near the microphone: the agent hears itself, about -31 dBFS",
        (
            Sound(2.01, "what-is-the-weather-tomorrow"),
            Sound(13.02, "what-is-on-my-list"),
        ),
        tail=12.0,
        echo=((38.0, -12.0), (61.0, -18.0), (97.0, -24.0)),
    ),
    Scene(
        "noisy-room",
        "a fan at -44 dBFS that comes and goes, and typing before and after the request",
        (
            Sound(1.9, "keyboard", "noise", 0.016),
            Sound(5.81, "wake-me-up-at-seven-thirty"),
            Sound(10.04, "remind-me-to-buy-milk-tomorrow"),
            Sound(1.7, "keyboard", "noise", 0.016),
        ),
        tail=7.0,
        room_rms=0.006,
        room_sway_db=3.0,
    ),
    Scene(
        "reader",
        "a person, not a synthesised voice: two sentences of an audiobook",
        (Sound(2.1, READER + "0880"), Sound(10.02, READER + "0930")),
        tail=8.0,
        nano_vocabulary=False,
    ),
    Scene(
        "reader-holds",
        "the same person, one sentence with holds of 0.6 and 1.1 s",
        (Sound(2.02, READER + "0890", holds=((6, 0.6), (9, 1.1))),),
        tail=8.0,
        nano_vocabulary=False,
    ),
)
