"""Reasons of cut-ins, missed ends and underruns, each with the setting that would have prevented it there.

Conventions:
    Samples at 24 kHz; levels are the RMS of each 80 ms frame as the listener heard it, the agent's echo included.
    A remedy is worked out for the one place; what the setting does elsewhere, ``workbench sweep`` says.
    ``docs/metrics.md`` lists the kinds.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.arrays import Floats
from workbench.knobs import Knobs
from workbench.metrics.index import Span, index, union
from workbench.metrics.late_steps import late_steps
from workbench.metrics.reference import Reference
from workbench.metrics.rows import ReasonRow, SessionScores, TurnRow
from workbench.metrics.turns import LATE
from workbench.sessions.labels import Label, Turn
from workbench.trace import Chunk, Commit, Heard, Listen, Onset, Trace
from workbench.units import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, frame_at, samples_to_ms


def reasons(
    trace: Trace, labels: Sequence[Label], scores: SessionScores, knobs: Knobs, levels: Floats
) -> tuple[ReasonRow, ...]:
    """Reasons of everything that went wrong in a session, in order of time.

    Args:
        trace: of the session.
        labels: of the session.
        scores: of the trace.
        knobs: that it was replayed with.
        levels: linear RMS of each frame, shape (frames,).
    """
    found = _Listener(trace, Reference(labels), scores, knobs, levels)
    rows = [*found.cut_ins(), *found.missed_ends(), *late_steps(index(trace), trace, scores.underruns, knobs)]
    return tuple(sorted(rows, key=lambda row: (row.t, row.what)))


def dbfs(level: float) -> float:
    """Linear RMS as dB of full scale.

    >>> dbfs(0.01)
    -40.0
    """
    return 20 * math.log10(max(level, 1e-9))


def below(level: float) -> float:
    """The level cut to three digits: a threshold there calls the frame loud.

    >>> below(0.012399)
    0.0123
    """
    digits = 2 - math.floor(math.log10(max(level, 1e-9)))
    return float(round(math.floor(level * 10**digits) / 10**digits, digits))


def above(level: float) -> float:
    """The level cut to three digits and raised by the last: a threshold there calls the frame quiet.

    >>> above(0.012399), above(0.012)
    (0.0124, 0.0121)
    """
    digits = 2 - math.floor(math.log10(max(level, 1e-9)))
    return float(round((math.floor(level * 10**digits) + 1) / 10**digits, digits))


class _Why(NamedTuple):
    """Cause of one fault and its remedy, see :class:`workbench.metrics.rows.ReasonRow`."""

    kind: str
    text: str
    knob: str = ""
    value: float | None = None


class _Listener:
    """What the listener did in one session."""

    def __init__(self, trace: Trace, reference: Reference, scores: SessionScores, knobs: Knobs, levels: Floats) -> None:
        self._knobs, self._listen, self._levels = knobs, knobs.listen, levels
        self._loud = levels >= knobs.listen.threshold
        self._turns = {turn.number: turn for turn in reference.turns}
        self._rows = scores.turns
        self._commits = sorted(
            (event for event in trace.events if isinstance(event, Commit)), key=lambda commit: commit.frame_end
        )
        self._opened = [event.t for event in trace.events if isinstance(event, Listen)]
        self._closed = sorted([*self._opened, *(commit.frame_end for commit in self._commits)])
        self._onsets = [event.t for event in trace.events if isinstance(event, Onset)]
        self._chunks = [event.t for event in trace.events if isinstance(event, Chunk)]
        self._heard = [event for event in trace.events if isinstance(event, Heard)]
        self._listening = self._spans()
        speech = np.zeros(len(levels), dtype=bool)
        for label in reference.speech.labels:
            speech[frame_at(label.start) : frame_at(label.end) + 1] = True
        self._room = float(np.median(levels[~speech])) if (~speech).any() else 0.0

    def _spans(self) -> list[Span]:
        """When the listener listens: from the opening of each cycle to its commit, or to the next opening."""
        spans = [(event.start, event.end) for event in self._heard]
        for number, opened in enumerate(self._opened):
            following = (
                self._opened[number + 1] if number + 1 < len(self._opened) else len(self._levels) * FRAME_SAMPLES
            )
            decided = next((commit.frame_end for commit in self._commits if commit.t >= opened), following)
            spans.append((opened, min(following, max(opened, decided))))
        return union(spans)

    def cut_ins(self) -> Iterator[ReasonRow]:
        """A row for each commit before the end of a turn that did not find its end."""
        for row in self._rows:
            for commit in self._early(row):
                why = self._cut_in(self._turns[row.turn], commit)
                yield ReasonRow("cut-in", commit.frame_end, row.turn, *why)

    def _early(self, row: TurnRow) -> list[Commit]:
        return [
            commit
            for commit in self._commits
            if row.start < commit.frame_end < row.end and not (row.end_found and commit.reply == row.reply)
        ]

    def _cut_in(self, turn: Turn, commit: Commit) -> _Why:
        if commit.reason == "pause":
            text = (
                "the model's pause head reported a pause; a higher stt_vad_threshold or more stt_vad_hits wait longer"
            )
            return _Why("pause_head", text)
        if commit.reason == "limit":
            if self._knobs.assistant == "workbench":
                seconds = math.ceil((turn.end - turn.start) / SAMPLE_RATE) + 1
                text = f"the longest turn allowed was over; stt_max_speech_seconds = {seconds} would have waited"
                return _Why("limit", text, "stt_max_speech_seconds", float(seconds))
            return _Why("limit", "the listen call was over (stt_max_seconds)")
        if commit.reason != "silence":
            return _Why(commit.reason, "the model itself began to speak")
        first, stop = frame_at(commit.silence_from), commit.frame_end // FRAME_SAMPLES
        counted = f"the gate counted {samples_to_ms(commit.frame_end - commit.silence_from):.0f} ms of silence"
        spoken = [frame for frame in range(first, stop) if self._speaks(turn, frame)]
        end = min(frame_at(turn.end), len(self._loud))
        resumed = next((frame for frame in range(stop, end) if self._loud[frame]), None)
        needed = (resumed - first + 1) * FRAME_MS if resumed is not None else None
        if spoken and (needed is None or 2 * len(spoken) >= stop - first):
            return self._soft_cut_in(counted, spoken, needed)
        if needed is None:
            return _Why("silence", f"{counted}; the rest of the turn stayed under the threshold")
        return _Why("silence", f"{counted}; {needed} would have waited", "stt_silence_ms", float(needed))

    def _soft_cut_in(self, counted: str, spoken: list[int], needed: int | None) -> _Why:
        peak = float(self._levels[spoken].max())
        text = f"{counted}, in which the user spoke at up to {self._under(peak)}"
        if below(peak) <= self._room:
            return _Why("too_soft", f"{text}; the room is as loud as that")
        wait = f", stt_silence_ms = {needed} would have waited" if needed is not None else ""
        text = f"{text}; stt_silence_threshold = {below(peak):g} would have heard it{wait}"
        return _Why("too_soft", text, "stt_silence_threshold", below(peak))

    def _under(self, peak: float) -> str:
        return f"{dbfs(peak):.1f} dBFS, under the threshold of {dbfs(self._listen.threshold):.1f}"

    def _speaks(self, turn: Turn, frame: int) -> bool:
        """Whether a frame is speech of the turn, all of it."""
        start, end = frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES
        return any(part.start <= start and end <= part.end for part in turn.parts)

    def missed_ends(self) -> Iterator[ReasonRow]:
        """A row for each turn whose end brought no commit."""
        for number, row in enumerate(self._rows):
            if row.missed:
                following = self._rows[number + 1].start if number + 1 < len(self._rows) else row.end + LATE
                yield ReasonRow("missed end", row.end, row.turn, *self._missed(row, min(row.end + LATE, following)))

    def _missed(self, row: TurnRow, close: int) -> _Why:
        if early := self._early(row):
            why = self._cut_in(self._turns[row.turn], early[-1])
            at = early[-1].frame_end / SAMPLE_RATE
            text = f"the agent was answering a pause that it took for the end at {at:.2f} s: {why.text}"
            return why._replace(kind="cut_in", text=text)
        frames = range(frame_at(row.start), min(frame_at(row.end) + 1, len(self._loud)))
        if not self._listen.silence:
            return _Why("no_words", "the energy gate is off (stt_silence), and the pause head found no end")
        onset = self._gate_opened(row)
        if onset is not None:
            return self._no_end(row, frame_at(onset), close)
        wanted = self._listen.min_speech_frames
        there = _longest(self._loud[frames.start : frames.stop])
        if there >= wanted:
            return self._deaf(row, there)
        peak = float(self._levels[frames.start : frames.stop].max(initial=0.0))
        opens = _held(self._levels[frames.start : frames.stop], wanted)
        if there == 0:
            text = f"too soft: peak {self._under(peak)}"
        else:
            text = (
                f"too short: {there * FRAME_MS} ms over the threshold, stt_min_speech_ms asks for {wanted * FRAME_MS}"
            )
            if below(opens or 1e-9) <= self._room:
                shorter = f"{text}; stt_min_speech_ms = {there * FRAME_MS} would have heard it"
                return _Why("too_short", shorter, "stt_min_speech_ms", float(there * FRAME_MS))
        kind = "too_soft" if there == 0 else "too_short"
        if not opens or below(opens) <= self._room:
            return _Why(kind, f"{text}; the room is as loud as that: come closer to the microphone")
        heard = f"{text}; stt_silence_threshold = {below(opens):g} would have heard it"
        return _Why(kind, heard, "stt_silence_threshold", below(opens))

    def _gate_opened(self, row: TurnRow) -> int | None:
        """When the gate opened for a turn: in it, or before it without having closed again."""
        for t in self._onsets:
            if row.start < t <= row.end + FRAME_SAMPLES:
                return t
            closed = bisect_right(self._closed, t) < bisect_right(self._closed, row.start)
            if t <= row.start and not closed and self._listens(row.start):
                return t
        return None

    def _listens(self, t: int) -> bool:
        return any(start <= t < end for start, end in self._listening)

    def _deaf(self, row: TurnRow, run: int) -> _Why:
        """The turn was loud enough, and nothing listened."""
        reopened = [t for t in self._opened[1:] if row.start < t < row.end and self._listens(t - 1)]
        if reopened:
            at = reopened[0] / SAMPLE_RATE
            text = f"the listen call timed out at {at:.2f} s, in the turn; stt_max_seconds = 0 would have waited"
            return _Why("timed_out", text, "stt_max_seconds", 0.0)
        text = "deaf while the agent answered"
        if self._knobs.barge_in is None:
            return _Why("deaf", f"{text}: barge_in is off; on, it lets the user interrupt", "barge_in", 1.0)
        if self._knobs.assistant == "workbench" and run < self._knobs.barge_in.frames:
            ms = run * FRAME_MS
            text = f"{text}: {ms} ms over the threshold do not interrupt it; barge_in_min_ms = {ms} would have"
            return _Why("deaf", text, "barge_in_min_ms", float(ms))
        if longer := self._longer_watch(row):
            return longer
        return _Why("deaf", f"{text}; no key fixes this (docs/mlx-harmony.md)")

    def _longer_watch(self, row: TurnRow) -> _Why | None:
        """A watch of a chunk (listener mlx-harmony) that had ended before the turn began."""
        assert self._knobs.barge_in is not None
        handed = max((t for t in self._chunks if t <= row.start), default=None)
        if handed is None or self._knobs.assistant == "workbench":
            return None
        needed = row.start + self._listen.min_speech_frames * FRAME_SAMPLES - handed
        if needed <= self._knobs.barge_in.window:
            return None
        seconds = math.ceil(needed / SAMPLE_RATE)
        text = f"deaf while the agent answered; barge_in_window_seconds = {seconds} would have listened then"
        return _Why("deaf", text, "barge_in_window_seconds", float(seconds))

    def _no_end(self, row: TurnRow, onset: int, close: int) -> _Why:
        """The gate opened, and no commit came in time."""
        wanted, stop = self._listen.silence_frames, min(close // FRAME_SAMPLES, len(self._loud))
        after = frame_at(row.end)
        if wanted > (stop - after):
            text = (
                f"stt_silence_ms = {wanted * FRAME_MS} is longer than the {(stop - after) * FRAME_MS} ms that are left"
            )
            return _Why("too_patient", text)
        if _longest(~self._loud[onset:stop]) >= wanted:
            return _Why("no_words", "the silence was there, but the STT had understood no words")
        room = dbfs(float(np.median(self._levels[after:stop])))
        text = f"never quiet for {wanted * FRAME_MS} ms: the room stays at {room:.1f} dBFS"
        text = f"{text}, the threshold is {dbfs(self._listen.threshold):.1f}"
        raised = above(-_held(-self._levels[after:stop], wanted))
        if raised >= _held(self._levels[frame_at(row.start) : after], self._listen.min_speech_frames):
            return _Why("never_quiet", f"{text}; no threshold is between the room and this speech")
        heard = f"{text}; stt_silence_threshold = {raised:g} would have ended the turn"
        return _Why("never_quiet", heard, "stt_silence_threshold", raised)


def _longest(flags: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of true values.

    >>> _longest(np.array([True, False, True, True]))
    2
    """
    best = run = 0
    for flag in flags.tolist():
        run = run + 1 if flag else 0
        best = max(best, run)
    return best


def _held(levels: Floats, frames: int) -> float:
    """The greatest level that ``frames`` frames in a row reach; 0 where there are not as many.

    >>> _held(np.array([0.1, 0.3, 0.2, 0.4]), 2)
    0.2
    """
    if frames < 1 or len(levels) < frames:
        return 0.0
    return float(np.lib.stride_tricks.sliding_window_view(levels, frames).min(axis=1).max())
