"""Rows of a scored session: the raw values that every statistic is computed from.

Conventions:
    Every time and duration is in samples at 24 kHz; intervals are ``[start, end)``. Milliseconds appear in the
    summary only. A field is None where there was nothing to measure. Negative durations are kept.
"""

from dataclasses import dataclass

CAUSES = ("backchannel", "noise", "background", "echo", "unknown")
"""What can set off a false barge-in, in the order in which one is chosen."""

EVENT_KINDS = ("backchannel", "noise", "background")
"""Kinds of label that are no bid for the floor: the agent should talk on."""

PARTS = (
    "framing_wait",
    "endpoint_hold",
    "stt_compute",
    "stt_flush",
    "lm_ttft",
    "text_aggregation",
    "tts_ttfb",
    "prebuffer_wait",
    "playout_delay",
    "tts_leading_silence",
)
"""The waterfall in order of time; the parts add up to ``voice_to_voice``."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The way from the reference end of the user's speech to the first audible sample of the answer.

    Attributes:
        silence_hold: the part of ``endpoint_hold`` that counted silence cost; not a part of the sum by itself.
        voice_to_voice: measured directly, not summed: ``residual`` compares the two.
    """

    framing_wait: int
    endpoint_hold: int
    silence_hold: int
    stt_compute: int
    stt_flush: int
    lm_ttft: int
    text_aggregation: int
    tts_ttfb: int
    prebuffer_wait: int
    playout_delay: int
    tts_leading_silence: int
    voice_to_voice: int

    @property
    def residual(self) -> int:
        """What the parts leave unexplained; 0 for every answered turn."""
        parts: list[int] = [getattr(self, part) for part in PARTS]
        return self.voice_to_voice - sum(parts)


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One user turn and what became of it.

    Attributes:
        reply: number of the answer, or None where no commit belongs to the turn.
        end_found: a commit lies in the window around the turn's end: the endpointer found the end.
        missed: no commit from 0.25 s before to 3.0 s after the end.
        censored: the session ends before that window does and no commit was seen: neither found nor missed.
        cutins: commits before the turn's end.
        endpoint_delay: end of the frame that decided, minus the turn's end; negative for a cut-in.
        waterfall: None where the answer never became audible.
        onset_clipped: user speech before the first sample that the STT heard; None if it heard nothing of the turn.
        tail_clipped: user speech after the answering commit.
        words, word_errors: reference words of the turn; substitutions, deletions and insertions of the transcript.
        counterfactual: the replayed agent had already behaved differently from the recorded one.
    """

    turn: int
    start: int
    end: int
    reply: int | None
    end_found: bool
    missed: bool
    censored: bool
    cutins: int
    endpoint_delay: int | None
    waterfall: Waterfall | None
    onset_clipped: int | None
    tail_clipped: int | None
    words: int
    word_errors: int
    counterfactual: bool


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A pause of 0.2 to 5 s inside a turn, and whether the endpointer took it for the end."""

    turn: int
    start: int
    end: int
    cut: bool


@dataclass(frozen=True, slots=True)
class BargeInRow:
    """A barge-in that stopped an answer.

    Attributes:
        t: when it was decided.
        onset: where the sound began that did it.
        cause: ``speech`` where a label explains it, else one of :data:`CAUSES`.
        detection: from the user's onset over agent speech to ``t``; None if false or before any agent speech.
        reaction: from the same onset to the end of the last audible agent frame; may be negative.
        resumed: how long the agent was silent before it went on; None where it was stopped for good.
    """

    t: int
    reply: int
    onset: int
    cause: str
    detection: int | None
    reaction: int | None
    resumed: int | None = None


@dataclass(frozen=True, slots=True)
class FloorRow:
    """The user begins to speak while the agent does. ``missed``: the agent had not stopped 2.0 s later."""

    turn: int
    start: int
    reply: int
    missed: bool


@dataclass(frozen=True, slots=True)
class EventRow:
    """A labelled event over agent speech that is no bid for the floor. ``stopped``: it made the agent stop."""

    start: int
    end: int
    kind: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class UnderrunRow:
    """A maximal run of missing samples inside one answer. ``voiced``: speech surrounds the hole."""

    t: int
    reply: int
    samples: int
    voiced: bool


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Why something went wrong, and the setting that would have prevented it; :mod:`workbench.metrics.reasons`.

    Attributes:
        what: ``cut-in``, ``missed end`` or ``underrun``.
        t: when it happened.
        turn: number of the turn; None for an underrun.
        kind: cause in one word, for programs.
        text: cause and remedy, for people.
        knob, value: the setting that would have helped here; empty and None where no single one is known to.
    """

    what: str
    t: int
    turn: int | None
    kind: str
    text: str
    knob: str
    value: float | None


@dataclass(frozen=True, slots=True)
class LossRow:
    """What one labelled turn cost the user, in samples; :mod:`workbench.metrics.loss` says how.

    Attributes:
        delay: voice-to-voice delay, at least 0; of a turn without an answer the longest that is counted.
        missed_end: price of a turn without an answer.
        cut_in, false_barge_in, missed_barge_in, stutter, clipped_onset: price of each fault charged to the turn.
        total: what is counted; at most ``delay + missed_end`` of a turn without an answer.
    """

    turn: int
    delay: int
    missed_end: int
    cut_in: int
    false_barge_in: int
    missed_barge_in: int
    stutter: int
    clipped_onset: int
    total: int


@dataclass(frozen=True)
class SessionScores:
    """Raw values of one session under one config.

    Attributes:
        session: name.
        samples: length of the session.
        labelled: whether there were labels; without them only playback and compute are scored.
        spans, false_ends: stretches between the labelled ends of turns, and those with a commit that ends no turn.
        played: samples of agent audio that left the loudspeaker, silence inside the PCM included.
        midword_splits: chunks whose end cuts a word in two.
        chunk_gaps: silence at each chunk border inside an answer.
        reserve: (PCM frames left after one was taken, how often), while more of the answer was still to come.
        stt_steps, tts_steps: (cost of a step, how often), ascending.
        tts_audio: samples that the TTS made.
        replies_unheard: answers that were never audible.
        xruns, xrun_samples: what the audio device reported of itself.
        dropped: microphone samples lost because the listener's queue was full.
        shared_model: listen cycles that stepped the STT model between steps of another one.
        late_frames, timed_frames: PCM frames that came more than 80 ms after the one before, of all that follow one.
        reasons: of cut-ins, missed ends and underruns; empty where settings and levels were not at hand.
        losses: what each counted turn cost the user.
    """

    session: str
    samples: int
    labelled: bool
    turns: tuple[TurnRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    spans: int = 0
    false_ends: int = 0
    barge_ins: tuple[BargeInRow, ...] = ()
    floor: tuple[FloorRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    played: int = 0
    underruns: tuple[UnderrunRow, ...] = ()
    midword_splits: int = 0
    chunk_gaps: tuple[int, ...] = ()
    reserve: tuple[tuple[int, int], ...] = ()
    stt_steps: tuple[tuple[int, int], ...] = ()
    tts_steps: tuple[tuple[int, int], ...] = ()
    tts_audio: int = 0
    replies_unheard: int = 0
    xruns: int = 0
    xrun_samples: int = 0
    dropped: int = 0
    shared_model: int = 0
    late_frames: int = 0
    timed_frames: int = 0
    reasons: tuple[ReasonRow, ...] = ()
    losses: tuple[LossRow, ...] = ()


ROWS: dict[str, type] = {
    "turns": TurnRow,
    "holds": HoldRow,
    "barge_ins": BargeInRow,
    "floor": FloorRow,
    "events": EventRow,
    "underruns": UnderrunRow,
    "reasons": ReasonRow,
    "losses": LossRow,
}
"""Fields of :class:`SessionScores` that hold rows."""
