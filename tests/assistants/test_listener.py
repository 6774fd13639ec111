"""The listen loops: the published one told again from its description, and what the corrected one promises."""

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.assistants.mlx_harmony_listener import MlxHarmonyListener, run_mlx_harmony_cycle
from workbench.assistants.protocol import ListenCycle, NextListen
from workbench.assistants.workbench_listener import run_listen_cycle
from workbench.knobs import ListenKnobs
from workbench.simulation.energy_gate import EnergyGate
from workbench.units import FRAME_SAMPLES, frame_end, ms_to_samples

OPTIONS = ListenKnobs(
    silence=True,
    threshold=0.01,
    silence_frames=9,
    min_speech_frames=3,
    vad=False,
    vad_threshold=0.5,
    vad_hits=2,
    max_wait=0,
    preroll_frames=3,
    max_speech_frames=375,
    flush=True,
)


@dataclass
class Scene:
    """A session for the listener: level, text and pause head of each frame, cost of hearing it."""

    levels: list[float]
    text: list[bool]
    pause: list[float]
    cost: list[int]

    def gate(self) -> EnergyGate:
        return EnergyGate(np.asarray(self.levels), 0.01)

    def costs(self, first: int, frames: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        return np.asarray(self.cost[first : first + frames], dtype=np.int64)


@dataclass
class Ears:
    """A transcription that says a word on the frames where the scene has text."""

    scene: Scene
    pieces: list[tuple[int, str]] = field(default_factory=list)
    pauses: list[tuple[float, ...] | None] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return len(self.heard)

    def hear(self, first: int, frames: int) -> None:
        for frame in range(first, first + frames):
            if self.scene.text[frame]:
                self.pieces.append((self.steps, " word"))
            self.pauses.append((0.0, 0.0, self.scene.pause[frame], 0.0))
            self.heard.append(frame)


def scenes(cost: int) -> st.SearchStrategy[Scene]:
    loud = st.sampled_from([0.001, 0.001, 0.02])
    frames = st.lists(
        st.tuples(loud, st.integers(1, 12), st.integers(0, 5), st.floats(0, 1), st.integers(0, cost)),
        min_size=1,
        max_size=20,
    )

    def build(runs: list[tuple[float, int, int, float, int]]) -> Scene:
        # Room for the two warm-up blocks, wherever in the first frames the cycle opens.
        scene = Scene([0.001] * 8, [False] * 8, [0.0] * 8, [0] * 8)
        for level, length, word, pause, spent in runs:
            for i in range(length):
                scene.levels.append(level)
                scene.text.append(i == word)
                scene.pause.append(pause)
                scene.cost.append(spent)
        return scene

    return frames.map(build)


def told_again(scene: Scene, options: ListenKnobs, started: int, opened: int) -> tuple[str, int, list[int], int]:
    """One call of the published loop, from its description: (why it ended, when, encoded blocks, first of them)."""
    block_queue: deque[int] = deque()
    now, arrived = opened, -(-opened // FRAME_SAMPLES)

    def pump(until: int) -> None:
        nonlocal arrived
        while arrived < len(scene.levels) and (arrived + 1) * FRAME_SAMPLES <= until:
            if len(block_queue) == 4:
                block_queue.popleft()
            block_queue.append(arrived)
            arrived += 1

    def get() -> int | None:
        nonlocal now
        pump(now)
        if not block_queue:
            if arrived >= len(scene.levels):
                return None
            now = (arrived + 1) * FRAME_SAMPLES
            pump(now)
        return block_queue.popleft()

    for _ in range(2):
        get()
    speech_ms = silence_ms = 0.0
    speech_started, transcript, hits, encoded = False, False, 0, []
    while True:
        if options.max_wait > 0 and not speech_started and now > started + options.max_wait:
            return ("limit" if transcript else "timeout"), now, encoded, -1
        block = get()
        if block is None:
            return "end", now, encoded, -1
        if options.silence:
            if scene.levels[block] >= options.threshold:
                speech_ms += 80
                silence_ms = 0.0
                if not speech_started:
                    if speech_ms < options.min_speech_frames * 80:
                        continue
                    speech_started = True
            elif speech_started:
                silence_ms += 80
            else:
                speech_ms = 0.0
                continue
        encoded.append(block)
        now += scene.cost[block]
        if options.vad and scene.pause[block] > options.vad_threshold:
            hits += 1
        if scene.text[block]:
            transcript, hits = True, 0
        if options.vad and hits >= options.vad_hits and transcript:
            return "pause", now, encoded, block
        if options.silence and speech_started and silence_ms >= options.silence_frames * 80 and transcript:
            return "silence", now, encoded, block


def skipping(scene: Scene, options: ListenKnobs, started: int, opened: int) -> ListenCycle:
    """The loop as a replay runs it: by skipping, and block by block where that cannot tell."""
    gate = scene.gate()
    cycle = run_mlx_harmony_cycle(Ears(scene), gate, scene.costs, options, opened, started)
    if cycle.reason == "overrun":
        cycle = MlxHarmonyListener(lambda: Ears(scene), gate, scene.costs, options, opened, started).run()
    return cycle


knobs = st.builds(
    replace,
    st.just(OPTIONS),
    silence_frames=st.integers(0, 12),
    min_speech_frames=st.integers(1, 6),
    vad=st.booleans(),
    vad_hits=st.integers(1, 4),
    vad_threshold=st.floats(0, 1),
    max_wait=st.sampled_from([0, 1, 20_000, 60_000, 192_000]),
    silence=st.sampled_from([True, True, True, False]),
)


@pytest.mark.parametrize("cost", [1500, 9000])
def test_mlx_harmony_cycles_equal_their_description(cost: int) -> None:
    @settings(max_examples=200, deadline=None)
    @given(scenes(cost), knobs, st.integers(0, 9000))
    def check(scene: Scene, options: ListenKnobs, started: int) -> None:
        opened = started + 48
        reason, ended, encoded, last = told_again(scene, options, started, opened)
        for cycle in (
            skipping(scene, options, started, opened),
            MlxHarmonyListener(lambda: Ears(scene), scene.gate(), scene.costs, options, opened, started).run(),
        ):
            assert (cycle.reason, list(cycle.fed)) == (reason, encoded)
            if last >= 0:
                assert (cycle.last, cycle.ended) == (last, ended)
            if reason == "timeout":
                assert cycle.ended == ended
            heard_or_lost = sorted([*cycle.fed, *cycle.dropped])
            assert len(set(heard_or_lost)) == len(heard_or_lost)
            if cycle.fed:
                assert heard_or_lost == list(range(cycle.fed[0], cycle.fed[-1] + 1))

    check()


@settings(max_examples=200, deadline=None)
@given(scenes(4000), knobs, st.integers(0, 30), st.integers(0, 6))
def test_corrected_loop_loses_and_doubles_nothing(scene: Scene, options: ListenKnobs, begin: int, preroll: int) -> None:
    silence = max(1, options.silence_frames)
    options = replace(options, silence_frames=silence, preroll_frames=preroll, max_speech_frames=30)
    opened = begin * FRAME_SAMPLES
    ears = Ears(scene)
    cycle = run_listen_cycle(ears, scene.gate(), scene.costs, options, NextListen(opened, -1, begin), opened)
    assert cycle.reason in ("silence", "pause", "limit", "end")
    assert list(cycle.fed) == ears.heard
    if not cycle.fed:
        return
    assert list(cycle.fed) == list(range(cycle.fed[0], cycle.last + 1))
    assert cycle.fed[0] >= begin
    assert all(np.diff(cycle.done) >= 0)
    assert all(done >= frame_end(frame) for frame, done in zip(cycle.fed, cycle.done, strict=True))
    if options.silence:
        run = max(1, options.min_speech_frames)
        assert all(scene.levels[frame] >= 0.01 for frame in range(cycle.gate - run + 1, cycle.gate + 1))
        assert cycle.fed[0] == max(begin, cycle.gate - run + 1 - preroll)
    if cycle.reason == "silence":
        quiet = scene.levels[cycle.last - max(1, options.silence_frames) + 1 : cycle.last + 1]
        assert all(level < 0.01 for level in quiet)
        assert cycle.silence_from == frame_end(cycle.last) - (scene.gate().quiet_run(cycle.last) * FRAME_SAMPLES)
    if cycle.reason == "limit":
        assert cycle.last == cycle.gate + 29


def hold_scene(hold_ms: int) -> Scene:
    """1 s of room, 1 s of speech with a word, a hold, 1 s of speech, 3 s of room, all on frame borders."""
    parts = [(0.001, 12), (0.02, 12), (0.001, hold_ms // 80), (0.02, 12), (0.001, 36)]
    levels = [level for level, frames in parts for _ in range(frames)]
    return Scene(levels, [i == 14 for i in range(len(levels))], [0.0] * len(levels), [0] * len(levels))


@pytest.mark.parametrize(("silence_ms", "inside"), [(560, True), (640, True), (641, False), (720, False)])
def test_a_hold_of_640_ms(silence_ms: int, inside: bool) -> None:
    scene = hold_scene(640)
    options = replace(OPTIONS, silence_frames=-(-ms_to_samples(silence_ms) // FRAME_SAMPLES))
    for cycle in (
        run_listen_cycle(Ears(scene), scene.gate(), scene.costs, options, NextListen(0), 0),
        skipping(scene, options, 0, 0),
    ):
        assert cycle.reason == "silence"
        assert (24 <= cycle.last < 32) == inside


def test_mlx_harmony_clips_the_onset_and_workbench_does_not() -> None:
    scene = hold_scene(80)
    assert skipping(scene, OPTIONS, 0, 0).fed[0] == 14
    cycle = run_listen_cycle(Ears(scene), scene.gate(), scene.costs, OPTIONS, NextListen(0), 0)
    assert cycle.fed[0] == 12 - OPTIONS.preroll_frames


def test_published_loop_hangs_on_noise_without_words() -> None:
    scene = hold_scene(80)
    scene.text = [False] * len(scene.text)
    assert skipping(scene, OPTIONS, 0, 0).reason == "end"
    assert run_listen_cycle(Ears(scene), scene.gate(), scene.costs, OPTIONS, NextListen(0), 0).reason == "silence"


def test_a_slow_stt_makes_the_published_queue_drop_the_oldest() -> None:
    scene = hold_scene(80)
    scene.cost = [3 * FRAME_SAMPLES] * len(scene.cost)
    cycle = skipping(scene, OPTIONS, 0, 0)
    assert cycle.dropped
    assert skipping(replace(scene, cost=[FRAME_SAMPLES] * len(scene.cost)), OPTIONS, 0, 0).dropped == ()
