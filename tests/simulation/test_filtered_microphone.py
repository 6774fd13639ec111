"""Microphone with filters behind it: the order of asking does not matter; a filter of no effect has none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.echo_knobs import FilterKnobs
from workbench.errors import WorkbenchError
from workbench.live.assistant import check_live
from workbench.live.paced import check_paced
from workbench.replay.engine import cost_source, replay
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.heard_levels import heard_levels
from workbench.sessions.tracks import write_track
from workbench.simulation.filtered_microphone import FilteredMicrophone
from workbench.simulation.filters import FilterChain
from workbench.simulation.filters import ratio as ratio_file
from workbench.stages.scripted import ScriptedStack
from workbench.trace import Commit, Trace
from workbench.trace_file import trace_digest
from workbench.units import FRAME_SAMPLES, frame_end

from ..conftest import MakeSession
from ..live.fake_duplex import Parrot
from ..replay.test_engine import MATRIX, TALK, run

RATIO = FilterKnobs(canceller="ratio", ratio_db=-20)
PATH = EchoPath(((960, 0.05),))
RANDOM = np.random.default_rng(2)
SOUND = (RANDOM.standard_normal(40_000) * 0.3).astype(np.float32)


class Nothing:
    """A filter that does nothing."""

    delay, cost_ms = 0, 0.0

    def __init__(self, knobs: FilterKnobs) -> None:
        self.steps = 0

    def step(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        self.steps += 1
        return near


class Slow(Nothing):
    """A filter that does nothing, slowly."""

    cost_ms = 30.0


class Mindful(Nothing):
    """A filter whose frames depend on all that it heard, of both sides."""

    def __init__(self, knobs: FilterKnobs) -> None:
        self._sum = np.float32(0)

    def step(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        self._sum = np.float32(0.9) * self._sum + far[-1] + np.float32(0.1) * near[0]
        return near + np.float32(0.01) * self._sum


Use = Callable[[type], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Puts another filter behind the name ``ratio``."""
    return lambda kind: monkeypatch.setattr(ratio_file, "FILTER", kind)


def whole(session, path: EchoPath, played: list) -> np.ndarray:  # type: ignore[no-untyped-def, type-arg]
    """What the filter makes of the session if all that was played is known from the start."""
    chain = FilterChain(RATIO)
    samples = session.frames * FRAME_SAMPLES
    far = np.zeros(samples, dtype=np.float32)
    for at, pcm in played:
        far[at : at + len(pcm)] += pcm
    near = session.read(0, samples) + path.echo(played, 0, samples)
    frames = zip(near.reshape(-1, FRAME_SAMPLES), far.reshape(-1, FRAME_SAMPLES), strict=True)
    return np.stack([chain.step(*frame) for frame in frames])


def test_frames_are_those_of_one_pass(make_session: MakeSession, use: Use) -> None:
    use(Mindful)
    session, _ = make_session(TALK, 28)
    mic = FilteredMicrophone(session, PATH, Store(None), RATIO)
    assert mic.mark(9) == ""
    played = [(30_000, SOUND), (150_000, SOUND[:9000])]
    mic.listen_to(lambda: played[:1])
    mic.frame(35)
    mic.listen_to(None)
    mic.hear(played[:1])
    mic.frame(60)
    mic.hear(played[1:])
    wanted = whole(session, PATH, played)
    for frame in (3, 20, 149, 77, 21):
        assert np.array_equal(mic.frame(frame), wanted[frame])
        assert mic.level(frame) == pytest.approx(float(np.sqrt(np.mean(wanted[frame] ** 2))), rel=1e-5)
    assert mic.mark(30_000 // FRAME_SAMPLES - 1) == ""
    assert mic.mark(60) != ""


def test_an_answer_that_was_cut_off_is_heard_as_it_was(make_session: MakeSession, use: Use) -> None:
    use(Mindful)
    session, _ = make_session(TALK, 28)
    for given in ([(30_000, SOUND[:15_000])], []):
        mic = FilteredMicrophone(session, PATH, Store(None), RATIO)
        mic.levels_with([(30_000, SOUND)], 0, 60)  # looked at as if nobody interrupted
        mic.hear(given)
        assert np.array_equal(np.stack([mic.frame(i) for i in range(100)]), whole(session, PATH, given)[:100])


def test_what_another_replay_heard_is_not_filtered_again(make_session: MakeSession, use: Use) -> None:
    taken = []

    class Counting(Mindful):
        def step(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
            taken.append(1)
            return super().step(near, far)

    use(Counting)
    session, _ = make_session(TALK, 28)
    store, once, other = Store(None), [(30_000, SOUND)], [(30_000, SOUND[:15_000])]
    for played, steps in ((once, 100), (once, 0), (other, 100), (once, 0)):
        taken.clear()
        mic = FilteredMicrophone(session, PATH, store, RATIO)
        mic.hear(played)
        heard = [mic.frame(i) for i in range(100)]
        assert len(taken) == steps
        assert np.array_equal(np.stack(heard), whole(session, PATH, played)[:100])


def test_frames_come_one_by_one_and_late_by_the_cost(make_session: MakeSession, use: Use) -> None:
    use(Slow)
    session, _ = make_session([], 4)
    mic = FilteredMicrophone(session, EchoPath(), Store(None), RATIO)
    assert (len(mic.gate(0.01).loud), mic.gate(0.01).total) == (0, 50)
    assert mic.arrived(7) == frame_end(7) + 720
    assert mic.gate(0.01).come_by(frame_end(7) + 719) == 7
    assert mic.gate(0.01).come_by(frame_end(7) + 720) == 8
    for count in range(1, 51):
        assert mic.more()
        assert len(mic.gate(0.01).loud) == count
    assert not mic.more()


@pytest.mark.parametrize("echo", [None, {"taps": [[40, -16], [95, -24]]}], ids=["dry", "echo"])
@pytest.mark.parametrize("changes", [*MATRIX[:6], *MATRIX[8:11]], ids=lambda changes: ",".join(changes) or "defaults")
def test_a_filter_that_does_nothing_changes_nothing(
    make_session: MakeSession,
    changes: dict,
    echo: object,
    use: Use,  # type: ignore[type-arg]
) -> None:
    use(Nothing)
    made = make_session([*TALK, (8.0, 8.5, "noise", None, "cough")], 40, echo=echo)
    with_filter = run(made, {**changes, "canceller": "ratio"}).trace
    assert with_filter.events == run(made, changes).trace.events


@pytest.mark.parametrize("echo", [None, {"taps": [[40, -16], [95, -24]]}], ids=["dry", "echo"])
@pytest.mark.parametrize("changes", [MATRIX[0], MATRIX[1], MATRIX[2], MATRIX[4], MATRIX[5]], ids=",".join)
def test_a_filter_that_does_nothing_moves_nobody_who_reacts(
    make_session: MakeSession,
    changes: dict,
    echo: object,
    use: Use,  # type: ignore[type-arg]
) -> None:
    use(Nothing)
    made = make_session(
        [*TALK, (8.0, 8.5, "noise", None, "cough"), (33.0, 34.0, "speech", 3, "thank you")], 40, echo=echo
    )
    changes = {**changes, "timing": "reactive", "stt_silence_ms": 1200}
    with_filter, store = run(made, {**changes, "canceller": "ratio"}), Store(None)
    without = run(made, changes)
    assert with_filter.trace.events == without.trace.events
    assert with_filter.trace.header.samples == without.trace.header.samples
    assert with_filter.mic is not None
    assert without.mic is not None
    assert np.array_equal(np.concatenate([*with_filter.mic()]), np.concatenate([*without.mic()]))
    use(Mindful)
    first = trace_digest(run(made, {**changes, "canceller": "ratio"}, store).trace)
    assert trace_digest(run(made, {**changes, "canceller": "ratio"}, store).trace) == first
    assert trace_digest(run(made, {**changes, "canceller": "ratio"}, Store(None)).trace) == first


@pytest.mark.parametrize("changes", MATRIX[1:7:2], ids=lambda changes: ",".join(changes))
def test_a_cost_moves_all_that_was_heard(make_session: MakeSession, changes: dict, use: Use) -> None:  # type: ignore[type-arg]
    made = make_session(TALK, 30)

    def commits(trace: Trace) -> list[int]:
        return [event.t for event in trace.events if isinstance(event, Commit)]

    use(Nothing)
    quick = commits(run(made, {**changes, "canceller": "ratio", "step_costs.source": "fixed"}).trace)
    use(Slow)
    slow = commits(run(made, {**changes, "canceller": "ratio", "step_costs.source": "fixed"}).trace)
    assert slow[0] == quick[0] + 720


@pytest.mark.parametrize(
    ("filters", "changes"),
    [
        ({"canceller": "ratio"}, MATRIX[1]),
        ({"canceller": "ratio"}, MATRIX[5]),
        ({"canceller": "aec3"}, MATRIX[1]),
        ({"filter": "speech"}, MATRIX[5]),
    ],
    ids=str,
)
def test_same_digest_again_and_with_a_full_store(make_session: MakeSession, changes: dict, filters: dict) -> None:  # type: ignore[type-arg]
    if "aec3" in filters.values():
        pytest.importorskip("pywebrtc_audio")
    made = make_session([*TALK, (8.0, 8.5, "noise", None, "cough")], 30, echo={"taps": [[40, -16]]})
    store = Store(None)
    first = trace_digest(run(made, {**changes, **filters}, store).trace)
    assert trace_digest(run(made, {**changes, **filters}, store).trace) == first
    assert trace_digest(run(made, {**changes, **filters}, Store(None)).trace) == first


def test_a_canceller_ends_false_barge_ins_by_echo(make_session: MakeSession) -> None:
    made = make_session(TALK[:1], 24, echo={"taps": [[40, -6]]})

    def stops(changes: dict) -> int:  # type: ignore[type-arg]
        return sum(type(event).__name__ == "BargeIn" for event in run(made, {"barge_in": True, **changes}).trace.events)

    assert stops({}) > 0
    assert stops({"canceller": "ratio", "echo_ratio_db": -3}) == 0


def duplex(session, changes: dict) -> Trace:  # type: ignore[no-untyped-def, type-arg]
    knobs = knobs_of(override(Config(), {"stack.name": "moshi-duplex", "step_costs.source": "fixed", **changes}))
    return replay(session, Parrot(delay=25), knobs, cost_source(knobs, None, session.name), Store(None)).trace


def test_a_duplex_model_hears_what_comes_out(make_session: MakeSession, use: Use) -> None:
    session, _ = make_session(TALK[:1], 20, echo={"taps": [[40, -6]]})
    use(Nothing)
    plain = duplex(session, {})
    assert duplex(session, {"canceller": "ratio"}).events == plain.events
    use(Mindful)
    assert duplex(session, {"canceller": "ratio"}).events != plain.events


def test_where_filters_do_not_act_they_are_refused() -> None:
    knobs = knobs_of(override(Config(), {"filter": "speech"}))
    with pytest.raises(WorkbenchError, match="act in replays only"):
        check_live(knobs, ScriptedStack().stages(()))
    with pytest.raises(WorkbenchError, match="set canceller and filter to none"):
        check_paced(knobs)


def test_pages_show_the_levels_that_the_listener_heard(make_session: MakeSession, use: Use, tmp_path: Path) -> None:
    use(Mindful)
    session, _ = make_session(TALK, 28)
    whole = np.zeros(session.samples, dtype=np.float32)
    whole[30_000 : 30_000 + len(SOUND)] = np.rint(np.clip(SOUND, -0.9, 0.9) * 2**15) / 2**15
    write_track(tmp_path / "agent.flac", iter([whole]))
    mic = FilteredMicrophone(session, PATH, Store(None), RATIO)
    mic.hear([(30_000, whole[30_000 : 30_000 + len(SOUND)])])
    shown = heard_levels(session, tmp_path / "agent.flac", PATH, FilterChain(RATIO).step)
    assert shown.tolist() == [mic.level(index) for index in range(session.frames)]
    assert shown.tolist() != heard_levels(session, tmp_path / "agent.flac", PATH).tolist()
