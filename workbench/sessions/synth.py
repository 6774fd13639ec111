"""Constructed sessions: clips, pauses and noises of a spec on a timeline, with labels exact by construction.

A sound is laid at a known sample, and that sample is its label. What a spec leaves open, numbers with a lowest and a
highest value and clips of which one is taken, is drawn from its seed, each from a stream of its own. Built again with
the same numpy, soxr and libsndfile, every sample is the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Floats
from workbench.errors import WorkbenchError
from workbench.files import read_json, sha256_file
from workbench.new_folder import new_folder
from workbench.sessions.clips import FLOOR_DB, OpenClip, SourceClip, faded, read_clips, trim
from workbench.sessions.echo_path import parse_echo, raised_echo
from workbench.sessions.folders import LABELS, MANIFEST
from workbench.sessions.labels import Label, one_line, validate, write_labels
from workbench.sessions.noises import LASTING, SOUNDS, random_numbers, room_noise
from workbench.sessions.reverberation import heard_from
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.synth_spec import LASTS_S, LONGEST_S, Each, Ends, EventForm, SynthSpec
from workbench.sessions.tracks import write_track
from workbench.units import FRAME_SAMPLES, samples_to_seconds, seconds_to_samples

MADE_BY = "workbench synth"
"""``provenance.made_by`` of a constructed session."""

_AFTER, _LEVEL, _CLIP, _SOUND, _PAUSE, _LASTS, _DISTANCE, _TAIL_NOISE, _STOP = range(9)
_NOISE, _SWAY, _TAIL, _NOISE_LEVEL, _REVERB, _ECHO_GAIN = range(6)
"""Streams of random numbers: of an event, and of the session (as event 0)."""


@dataclass
class _Timeline:
    """Sounds that were placed, and the moments that later ones count from, in samples."""

    mic: list[tuple[int, Floats]] = field(default_factory=list)
    agent: list[tuple[int, Floats]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=lambda: {"start": 0, "turn-end": 0})
    turn: int = 0
    end: int = 0
    clips: dict[str, SourceClip] = field(default_factory=dict)
    sounds: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Piece:
    """A stretch of sound without a pause: its audio at full level, its words, and the samples of pause before it."""

    wave: Floats
    text: str
    pause: int = 0


class _Builder:
    """Builds one session of a spec.

    Args:
        spec: checked spec.
        number: of the session, from 1.
        clips: clips by name.
    """

    def __init__(self, spec: SynthSpec, number: int, clips: dict[str, OpenClip]) -> None:
        self._spec, self._number, self._clips = spec, number, clips
        self._line = _Timeline()

    def build(self, folder: Path) -> None:
        """Write the session's files into an empty folder."""
        for index, event in enumerate(self._spec.events):
            self._place(index, event)
        line, head = self._line, self._spec.head
        wanted = line.anchors["turn-end"] + seconds_to_samples(self._draw(head.tail_s, 0, _TAIL))
        samples = -(-max(wanted, line.end) // FRAME_SAMPLES) * FRAME_SAMPLES
        if samples > seconds_to_samples(LONGEST_S):
            raise WorkbenchError(f"{self._spec.path}: {samples_to_seconds(samples):.0f} s, at most {LONGEST_S:.0f}")
        tracks = {"mic": self._heard(samples)}
        if line.agent:
            tracks["agent"] = _mixed(np.zeros(samples), line.agent)
        for track, wave in tracks.items():
            write_track(folder / f"{track}.flac", iter([self._check_peak(wave, track)]))
        write_labels(folder / LABELS, validate(line.labels, samples, str(self._spec.path)))
        write_manifest(
            folder,
            tracks={track: f"{track}.flac" for track in tracks},
            name=self._spec.names[self._number - 1],
            echo=self._echo,
            labels_source="constructed",
            provenance=self._provenance(),
        )

    def _draw(self, ends: Ends, event: int, *stream: int) -> float:
        """A number between two ends, to three decimals; the number itself where both are equal or it is listed."""
        if isinstance(ends, Each):
            return ends.values[(self._number - 1) % len(ends.values)]
        if ends[0] == ends[1]:
            return ends[0]
        share = float(random_numbers(1, self._seed(event, *stream))[0])
        return round(ends[0] + (ends[1] - ends[0]) * share, 3)

    def _seed(self, event: int, *stream: int) -> list[int]:
        return [self._spec.head.seed, self._number, event, *stream]

    def _place(self, index: int, event: EventForm) -> None:
        """Lay one event on the timeline and write down where."""
        line, where = self._line, self._spec.where(index)
        start = self._anchor(event, where) + seconds_to_samples(self._draw(event.after_s, index + 1, _AFTER))
        if start < 0:
            raise WorkbenchError(f"{where}: starts at {samples_to_seconds(start):.3f} s, before the session")
        if event.kind == "speech":
            self._check_turn(event, start, where)
            line.turn += not event.continues
        at = start
        for piece in self._pieces(index, event, where):
            at += piece.pause
            if event.kind == "agent":
                line.agent.append((at, piece.wave))
            else:
                line.mic.append((at, self._in_room(piece.wave, event, index)))
            end = at + len(piece.wave)
            if event.kind != "agent":
                turn = line.turn if event.kind == "speech" else None
                line.labels.append(Label(at, end, event.kind, turn, one_line(piece.text)))
            at = end
        if event.stops_agent_s is not None:
            self._stop_agent(start + seconds_to_samples(self._draw(event.stops_agent_s, index + 1, _STOP)))
        who = {"speech": "turn", "agent": "agent"}.get(event.kind)
        line.anchors |= {"event-start": start, "event-end": at}
        line.anchors |= {f"{who}-start": start, f"{who}-end": at} if who else {}
        line.end = max(line.end, at)

    def _stop_agent(self, stop: int) -> None:
        """What the agent has still to say from a sample on is not said."""
        line = self._line
        line.agent = [(at, faded(wave[: stop - at])) for at, wave in line.agent if at < stop]
        if "agent-end" in line.anchors:
            line.anchors["agent-end"] = min(line.anchors["agent-end"], stop)

    def _in_room(self, wave: Floats, event: EventForm, index: int) -> Floats:
        """A sound from its distance; a tail of reverberation goes on after its label."""
        if event.distance_m is None:
            return wave
        room, metres = self._spec.head.room, self._draw(event.distance_m, index + 1, _DISTANCE)
        seconds = self._draw(room.reverb_s, 0, _REVERB)
        return heard_from(wave, metres, seconds, room.volume_m3, self._seed(index + 1, _TAIL_NOISE))

    def _anchor(self, event: EventForm, where: str) -> int:
        found = self._line.anchors.get(event.anchor)
        if found is None:
            what = "agent event" if event.anchor.startswith("agent") else "event"
            raise WorkbenchError(f"{where}: from is {event.anchor!r}, and no {what} comes before it")
        return found

    def _check_turn(self, event: EventForm, start: int, where: str) -> None:
        """Nobody speaks twice at once, and only a turn that began can go on."""
        end = self._line.anchors["turn-end"]
        if event.continues and not self._line.turn:
            raise WorkbenchError(f"{where}: continues a turn, and no speech comes before it")
        if start < end:
            raise WorkbenchError(
                f"{where}: starts at {samples_to_seconds(start):.3f} s, while the user speaks until "
                f"{samples_to_seconds(end):.3f} s; raise after_s"
            )

    def _pieces(self, index: int, event: EventForm, where: str) -> list[_Piece]:
        """Pieces of an event at its level: several where there are pauses."""
        pieces = list(self._raw(index, event, where))
        wanted = 10 ** (self._draw(event.level_dbfs, index + 1, _LEVEL) / 20)
        scale = wanted / np.sqrt(np.mean(np.concatenate([piece.wave for piece in pieces]) ** 2))
        return [_Piece(piece.wave * scale, piece.text, piece.pause) for piece in pieces]

    def _raw(self, index: int, event: EventForm, where: str) -> Iterator[_Piece]:
        if event.sound is not None:
            self._line.sounds.add(event.sound)
            seed = self._seed(index + 1, _SOUND)
            if event.sound in LASTING:
                seconds = self._draw(event.lasts_s or (LASTS_S, LASTS_S), index + 1, _LASTS)
                wave = LASTING[event.sound](seed, seconds)
            else:
                wave = SOUNDS[event.sound](seed)
            yield _Piece(trim(wave, FLOOR_DB, where), event.sound if event.text is None else event.text)
            return
        if event.file is not None:
            path = self._spec.path.parent / event.file
            clip = OpenClip(path, SourceClip(file=path.name))
            wave, _ = clip.words(0, 0)
            self._line.clips[path.name] = clip.entry.model_copy(update={"sha256": sha256_file(path)})
            yield _Piece(wave, event.text or "")
            return
        assert event.clip is not None
        share = float(random_numbers(1, self._seed(index + 1, _CLIP))[0])
        name = event.clip[int(share * len(event.clip))]
        if name not in self._clips:
            raise WorkbenchError(f"{where}: no clip {name!r} in {self._spec.head.clips}")
        clip = self._clips[name]
        self._line.clips[name] = clip.entry
        yield from self._with_pauses(clip, index, event, where)

    def _with_pauses(self, clip: OpenClip, index: int, event: EventForm, where: str) -> Iterator[_Piece]:
        words = len(clip.entry.words)
        cuts = [pause.after_word for pause in event.pauses]
        if cuts and cuts[-1] >= words:
            raise WorkbenchError(f"{where}: pauses: after_word is {cuts[-1]}, {clip.path.name} has {words} words")
        lengths = [self._draw(pause.s, index + 1, _PAUSE, number) for number, pause in enumerate(event.pauses)]
        for (first, stop), pause in zip(pairwise([0, *cuts, words]), [0.0, *lengths], strict=True):
            yield _Piece(*clip.words(first, stop), seconds_to_samples(pause))

    def _heard(self, samples: int) -> Floats:
        """What the microphone hears: the room, everybody in it, and the agent where there is an echo path."""
        room = self._spec.head.room
        level = 10 ** (self._draw(room.noise_dbfs, 0, _NOISE_LEVEL) / 20)
        noise = level * room_noise(samples, self._seed(0, _NOISE), self._draw(room.sway_db, 0, _SWAY))
        mix = _mixed(noise, self._line.mic)
        path = parse_echo(self._echo)
        for at, wave in self._line.agent:
            for late, sound in path.parts(wave):
                mix = _mixed(mix, [(at + late, sound)])
        return mix

    @property
    def _echo(self) -> dict[str, Any] | None:
        """Echo path as ``session.json`` holds it."""
        head = self._spec.head
        raised = self._draw(head.echo_gain_db, 0, _ECHO_GAIN)
        if head.echo is None or raised == 0:
            return head.echo
        return raised_echo(head.echo, raised)

    def _check_peak(self, wave: Floats, track: str) -> Floats:
        peak = int(np.argmax(np.abs(wave)))
        if abs(wave[peak]) >= 1 - 2**-15:  # the highest step of 16 bits
            at = f"{samples_to_seconds(peak):.2f} s"
            raise WorkbenchError(
                f"{self._spec.path}: {track} is over full scale at {at}; lower level_dbfs of what sounds there"
            )
        return wave

    def _provenance(self) -> dict[str, Any]:
        spec, line = self._spec, self._line
        return {
            **spec.head.provenance,
            "shows": spec.head.shows,
            "made_by": MADE_BY,
            "spec": {"file": spec.path.name, "sha256": sha256_file(spec.path), "session": self._number},
            "sources": [
                {key: getattr(clip, key) for key in ("file", "voice", "licence", "sha256")}
                for _, clip in sorted(line.clips.items())
            ],
            "generated": ["room noise", *sorted(line.sounds)],
        }


def _mixed(wave: Floats, placed: list[tuple[int, Floats]]) -> Floats:
    """Sounds added to a wave, cut where it ends."""
    for at, sound in placed:
        part = wave[at : at + len(sound)]
        part += sound[: len(part)]
    return wave


def synthesise(spec: SynthSpec, into: Path, replace: bool = False) -> Iterator[Session]:
    """Make the sessions of a spec, one after the other.

    Args:
        spec: checked spec.
        into: folder for the sessions.
        replace: whether sessions of these names that synth made are replaced.

    Raises:
        WorkbenchError: names the event that cannot be placed, the clip that cannot be read, or the session whose name
            is taken.
    """
    for name in spec.names:
        _check_free(into / name, replace)
    path = spec.path.parent / spec.head.clips if spec.head.clips is not None else None
    clips = read_clips(path) if path else {}
    for number, name in enumerate(spec.names, 1):
        with new_folder(into / name, replace) as folder:
            _Builder(spec, number, clips).build(folder)
        yield open_session(into / name)


def _check_free(folder: Path, replace: bool) -> None:
    """Refuse to write over a session, unless it was constructed and is to be replaced."""
    if not folder.exists():
        return
    if not replace:
        raise WorkbenchError(f"{folder}: name is taken; --replace makes a constructed session again, --dir another")
    made = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
    provenance = made.get("provenance") if isinstance(made, dict) else None
    if not isinstance(provenance, dict) or provenance.get("made_by") != MADE_BY:
        raise WorkbenchError(f"{folder}: was not made by 'workbench synth' and is not replaced; choose another name")
