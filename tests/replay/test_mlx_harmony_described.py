"""MLX-Harmony's main loop with barge-in, written down once more from its description, and replays held against it.

Threads are generators on a clock of their own: one listens, thinks and speaks; each chunk starts one that watches and
that nobody waits for. All need one device, which does their steps in the order in which they become ready.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from workbench.stages.protocols import Stages
from workbench.trace import BargeIn, Chunk, Listen, Pcm, Play, SharedModel, Transcript
from workbench.units import FRAME_SAMPLES, ms_to_samples, seconds_to_samples

from ..live.fake_microphone import run_replay
from .test_watched_answer import SaysAlways, Tones, WordsAt, config, of, session

Thread = Generator[tuple[str, Any], None, Any]


@dataclass
class Stream:
    """An open microphone: the blocks that wait, four at most, and who waits for one."""

    first: int
    blocks: deque[int] = field(default_factory=lambda: deque(maxlen=4))
    waiting: Callable[[], None] | None = None


@dataclass
class Scene:
    loud: list[bool]
    words: set[int]
    changes: dict[str, Any]
    chunks: dict[str, int]


class Described:
    """One session of the described loop.

    Attributes:
        turns, chunks, ready, stops, played, opened: moments at which what it says happened.
        order: frames in the order in which the model stepped them.
        ties: whether a chunk ended in the moment in which a watch had heard a frame. Either may then go on first.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene, knobs = scene, scene.changes
        self.now, self._free, self._threads = 0, 0, 0
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._streams: list[Stream] = []
        self.turns: list[tuple[int, str]] = []
        self.ready: list[list[int]] = []
        self.chunks, self.stops, self.played, self.opened, self.order = ([] for _ in range(5))  # type: ignore[var-annotated]
        self._stt, self._lm, self._set_up, self._tts = (
            ms_to_samples(knobs[name]) for name in ("stt_step_ms", "lm_ttft_ms", "tts_start_ms", "tts_step_ms")
        )
        for frame in range(len(scene.loud)):
            self._at((frame + 1) * FRAME_SAMPLES, 0, lambda frame=frame: self._arrive(frame))  # type: ignore[misc]
        self._chunk_ends, self._heard = set[int](), set[int]()
        self._start(self._main())
        while self._heap:
            self.now, _, _, go_on = heapq.heappop(self._heap)
            go_on()
        self.ties = bool(self._chunk_ends & self._heard)

    def _at(self, moment: int, rank: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (moment, rank, next(self._numbers), what))

    def _arrive(self, frame: int) -> None:
        for stream in self._streams:
            if frame >= stream.first:
                stream.blocks.append(frame)
                if stream.waiting is not None:
                    go_on, stream.waiting = stream.waiting, None
                    go_on()

    def _start(self, thread: Thread) -> None:
        self._threads += 1
        rank = self._threads

        def go_on() -> None:
            asks, what = next(thread, ("nothing", None))
            if asks == "sleep":
                self._chunk_ends.add(what)
                self._at(what, rank, go_on)
            elif asks == "compute":
                self._free = max(self.now, self._free) + what
                if rank > 1:
                    self._heard.add(self._free)
                self._at(self._free, rank, go_on)
            elif asks == "block":
                what.waiting = lambda: self._at(self.now, rank, go_on)

        self._at(self.now, rank, go_on)

    def _listen(self, most: int) -> Generator[tuple[str, Any], None, str]:
        knobs, opened = self.scene.changes, self.now
        stream = Stream(-(-opened // FRAME_SAMPLES))
        self._streams.append(stream)
        speech_ms, silence_ms, begun, text = 0, 0, False, list[str]()
        for number in itertools.count():
            if number >= 2 and most > 0 and not begun and self.now > opened + most:
                break
            while not stream.blocks:
                yield "block", stream
            block = stream.blocks.popleft()
            if number < 2:
                continue
            if self.scene.loud[block]:
                speech_ms, silence_ms = speech_ms + 80, 0
                begun = begun or speech_ms >= knobs["stt_min_speech_ms"]
            elif begun:
                silence_ms += 80
            else:
                speech_ms = 0
            if not begun:
                continue
            self.order.append(block)
            yield "compute", self._stt
            text += ["w"] if block in self.scene.words else []
            if silence_ms >= knobs["stt_silence_ms"] and text:
                break
        self._streams.remove(stream)
        return " ".join(text)

    def _main(self) -> Thread:
        while True:
            self.opened.append(self.now)
            text = yield from self._listen(seconds_to_samples(self.scene.changes["stt_max_seconds"]))
            if not text:
                continue
            self.turns.append((self.now, text))
            yield "compute", self._lm
            for frames in self.scene.chunks.values():
                self.chunks.append(self.now)
                stop: list[int] = []
                self._start(self._watch(stop))
                yield from self._speak(frames, stop)
                if stop:
                    self.stops += stop
                    break

    def _watch(self, stop: list[int]) -> Thread:
        text = yield from self._listen(seconds_to_samples(self.scene.changes["barge_in_window_seconds"]))
        if text:
            stop.append(self.now)

    def _speak(self, frames: int, stop: list[int]) -> Thread:
        yield "compute", self._set_up
        opened, ready = self.now, list[int]()
        for _ in range(frames):
            yield "compute", self._tts
            if stop:
                break
            ready.append(self.now)
        yield "sleep", self.now + ms_to_samples(100)
        request = opened - FRAME_SAMPLES
        for moment in ready:
            request = max(request + FRAME_SAMPLES, opened - (opened - moment) // FRAME_SAMPLES * FRAME_SAMPLES)
            if request >= self.now:
                break
            self.played.append(request)
        if ready:
            self.ready.append(ready)
        if self.played and self.played[-1] + FRAME_SAMPLES > self.now:
            yield "sleep", self.played[-1] + FRAME_SAMPLES


scenes = st.builds(
    lambda talk, words, changes, frames: Scene(
        [loud for silent, sound in talk for loud in [False] * silent + [True] * sound] + [False] * 20,
        words,
        changes,
        dict(zip(("aaa", "bbb", "ccc"), frames, strict=False)),
    ),
    st.lists(st.tuples(st.integers(3, 30), st.sampled_from([1, 2, 3, 5, 8, 12, 20])), min_size=2, max_size=9),
    st.sets(st.integers(0, 250), max_size=40),
    st.fixed_dictionaries(
        {
            "barge_in_window_seconds": st.sampled_from([0.0, 0.4, 1.0, 2.0, 5.0, 8.0]),
            "stt_silence_ms": st.sampled_from([80, 240, 400, 720]),
            "stt_min_speech_ms": st.sampled_from([80, 160, 240]),
            "stt_max_seconds": st.sampled_from([0.0, 0.7, 8.0]),
            "stt_step_ms": st.sampled_from([10.0, 23.0, 41.0, 90.0]),
            "lm_ttft_ms": st.sampled_from([55.0, 101.0]),
            "tts_start_ms": st.sampled_from([7.0, 10.0]),
            "tts_step_ms": st.sampled_from([11.0, 37.0, 61.0, 93.0]),
        }
    ),
    st.lists(st.integers(2, 30), min_size=1, max_size=3),
)


TIED = Scene(
    [loud for silent, sound in [(3, 3), (16, 3)] for loud in [False] * silent + [True] * sound] + [False] * 20,
    {5},
    {"barge_in_window_seconds": 0.0, "stt_silence_ms": 80, "stt_min_speech_ms": 240, "stt_max_seconds": 0.0,
     "stt_step_ms": 41.0, "lm_ttft_ms": 55.0, "tts_start_ms": 7.0, "tts_step_ms": 93.0},
    {"aaa": 18, "bbb": 2},
)  # fmt: skip
"""A chunk that ends as a watch has heard a frame: see :attr:`Described.ties`."""


def test_replays_equal_the_description(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = 0

    @settings(max_examples=150)
    @given(scenes)
    def check(scene: Scene) -> None:
        nonlocal shared
        monkeypatch.setattr(f"{SaysAlways.__module__}.CHUNKS", scene.chunks)
        runs = [range(at, at + 1) for at, loud in enumerate(scene.loud) if loud]
        made = session(runs, len(scene.loud), tmp_path_factory.mktemp("scene"))
        stt = WordsAt(dict.fromkeys(scene.words, " w"))
        wanted = Described(scene)
        assume(not wanted.ties)
        events = run_replay(made, (), config(**scene.changes), Stages(stt, SaysAlways(" ".join(scene.chunks)), Tones()))
        assert [(event.t, event.text) for event in of(events, Transcript)] == wanted.turns
        assert [event.t for event in of(events, Chunk)] == wanted.chunks
        assert [list(event.ready) for event in of(events, Pcm)] == wanted.ready
        assert [event.t for event in of(events, BargeIn)] == wanted.stops
        plays = of(events, Play)
        assert [item.t + at for item in plays for at in range(0, item.samples, FRAME_SAMPLES)] == wanted.played
        assert [event.t for event in of(events, Listen)][: len(wanted.opened)] == wanted.opened
        if scene.changes["stt_step_ms"] < 80:  # a replay that cannot skip has heard some frames in vain
            assert stt.asked == wanted.order
        shared += bool(of(events, SharedModel))

    assert Described(TIED).ties
    check()
    assert shared > 50, "sessions in which two cycles step one model"
