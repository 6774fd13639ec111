"""Protocols of the roles that a stack fills; ``stacks.py`` says which stages make up a stack.

The output of a stage is a pure function of its input, weights, options and seed; its costs stand elsewhere
(``simulation/step_costs.py``). Each stage names itself by a ``fingerprint``: a digest of code version, weights and
options, under which its outputs are kept. Two stages with one fingerprint give the same outputs for the same inputs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.sessions.labels import Label
from workbench.simulation.step_costs import Profile

PAUSE_HEAD = 2
"""Which pause head is read: probability of a pause of 2 s (as the delayed-streams scripts and unmute do)."""


@dataclass(frozen=True, slots=True)
class SttStep:
    """Output of the STT for one frame.

    Attributes:
        piece: text, with a leading space where a word begins; empty on most frames.
        pause: probability of a pause of 0.5, 1, 2 and 3 s, where the checkpoint has the heads; else None.
    """

    piece: str
    pause: tuple[float, ...] | None = None


class SttStream(Protocol):
    """One transcription, from a clean state on."""

    def step(self, frame: Audio, at: int) -> SttStep:
        """Hear one frame.

        Args:
            frame: float32 of shape (1920,).
            at: its number in the session, or -1 for silence put in by the listener. Models have no use for it;
                stages that read from labels do.
        """
        ...


@runtime_checkable
class KnownFramesStream(Protocol):
    """A transcription that hears frames known beforehand sooner than one by one, and says the same."""

    def steps(self, pcm: Audio) -> list[SttStep]:
        """Hear whole frames, float32 of shape (1920 n,); as many steps."""
        ...


class Stt(Protocol):
    """Speech to text, frame by frame.

    Attributes:
        fingerprint: names code, weights and options.
        delay_frames: a word's text comes this many frames after its sound.
        prefix_frames: frames of silence the model wants before the first frame of speech.
        has_pause_heads: whether the steps carry ``pause``.
    """

    fingerprint: str
    delay_frames: int
    prefix_frames: int

    @property
    def flush_frames(self) -> int:
        """Frames of silence that bring out what the model still holds back."""
        ...

    has_pause_heads: bool

    def open(self, fresh: bool = True) -> SttStream:
        """Start a listen cycle; a stream opened earlier must not be used any more.

        Args:
            fresh: everything reset; if false, only what MLX-Harmony resets, so that state of the cycle
                before leaks into this one (MLX-Harmony clears neither codec nor caches).
        """
        ...


@runtime_checkable
class ResumableStt(Protocol):
    """An STT that can go on from where it has been, and says the same."""

    def keep(self, name: str) -> None:
        """Keep the state of the open stream under a name; the oldest go when there is no room, and where it cannot
        be had nothing is kept.
        """
        ...

    def resume(self, name: str) -> SttStream | None:
        """Start a listen cycle from a kept state; None where there is none."""
        ...


@runtime_checkable
class BatchStt(Protocol):
    """An STT that can hear several recordings at once.

    Attributes:
        together: how many recordings are best heard at once; 1 where that is of no use.
    """

    together: int

    def hear_together(self, recordings: Sequence[Iterable[Audio]]) -> list[list[SttStep]]:
        """Steps of each recording as a fresh stream gives them, but for rounding; ends the open stream.

        Args:
            recordings: blocks of whole frames each, float32 of shape (1920 n,).
        """
        ...


class TextLm(Protocol):
    """Text in, text out."""

    fingerprint: str

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """The answer's tokens as text pieces, as they come; joined, they are the reply.

        Args:
            history: user and agent texts in turn, the newest last.

        Raises:
            ReplyRemark: behind the last token, where the reply is cut off or empty.
        """
        ...


@runtime_checkable
class TimedLm(Protocol):
    """An LM that knows when its tokens came, a server's or a recording: its times are its own, not the stack's."""

    def timed_reply(self, history: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        """As :meth:`TextLm.reply`: (token, ms after the request at which it came); times never run backwards."""
        ...


class ReplyRemark(WorkbenchError):
    """Raised behind the last token of a reply that is not what it seems: cut off, empty, or broken off.

    Args:
        text: the remark, in one line.
        is_final: whether asking again would bring the same, so that the reply is kept and the remark goes into the
            trace; if not, nothing of the reply is kept.
    """

    def __init__(self, text: str, is_final: bool = True) -> None:
        super().__init__(text)
        self.is_final = is_final


class Tts(Protocol):
    """Text to speech, step by step."""

    fingerprint: str

    def synthesize(self, text: str, seed: int) -> Iterator[Audio | None]:
        """Speak one chunk. Each item is one model step: a PCM frame of shape (1920,), or None for a step without.

        Closing the iterator cancels the rest.
        """
        ...


@dataclass(frozen=True)
class Stages:
    """The stages of one stack, for one session."""

    stt: Stt
    lm: TextLm
    tts: Tts


@dataclass(frozen=True, slots=True)
class DuplexStep:
    """Output of a duplex model, which hears and speaks at once, for one frame.

    Attributes:
        piece: the agent's own text, with a leading space where a word begins; empty on most frames.
        pcm: the agent's sound, float32 of shape (1920,); None while its first frames are still inside.
    """

    piece: str
    pcm: Audio | None


class DuplexModelStream(Protocol):
    """One conversation, from a clean state on."""

    def step(self, frame: Audio) -> DuplexStep:
        """Hear one frame, float32 of shape (1920,), and say one."""
        ...


class DuplexModel(Protocol):
    """Speech to speech, frame by frame.

    Attributes:
        fingerprint: names code, weights and options.
    """

    fingerprint: str

    def open(self, seed: int) -> DuplexModelStream:
        """Start a conversation; a stream opened earlier must not be used any more."""
        ...


class Stack(Protocol):
    """Loads once, serves every session.

    Attributes:
        name: as in ``[stack] name``.
        weights: model name → digest of its weights, for ``run.json``.
        profile: cost profile that comes with the stack, or None where it must be measured.
        vocabulary: all words the stack knows, or None where any word can be said.
        several: whether copies of it in other processes do more in the same time; what fills the memory, or a GPU,
            does not.
    """

    name: str
    weights: dict[str, str]
    profile: Profile | None
    vocabulary: frozenset[str] | None
    several: bool

    def stages(self, labels: tuple[Label, ...]) -> Stages | DuplexModel:
        """Stages for a session, or the one model that is all of them; only the scripted stack looks at the labels."""
        ...


def fingerprints(stages: Stages | DuplexModel) -> list[str]:
    """Fingerprints of all that hears and speaks in a session."""
    if not isinstance(stages, Stages):
        return [stages.fingerprint]
    return [stages.stt.fingerprint, stages.lm.fingerprint, stages.tts.fingerprint]
