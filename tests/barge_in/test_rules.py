"""Barge-in rules against their description."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.assistants import knobs_of
from workbench.assistants.protocol import ListenCycle
from workbench.barge_in import make_rule
from workbench.barge_in.mlx_harmony import decide
from workbench.barge_in.protocol import BargeInDecision, KnownFrame
from workbench.barge_in_knobs import BargeInKnobs, rule_parts
from workbench.cache import Store
from workbench.config import Config, override
from workbench.config_sections import ASKS_STT, BARGE_IN_COMBINED, BARGE_IN_RULES
from workbench.errors import WorkbenchError
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import open_session
from workbench.simulation.microphone import Microphone
from workbench.stages.protocols import SttStep
from workbench.stages.voice_detector import CachedVoice, VoiceDetector
from workbench.units import FRAME_SAMPLES, frame_end

RECORDINGS = Path(__file__).parents[2] / "recordings"


@given(st.lists(st.sampled_from([0.0, 0.0099, 0.01, 0.5]), max_size=30), st.integers(1, 5))
def test_energy_counts_loud_frames_in_a_row(levels: list[float], need: int) -> None:
    rule = make_rule(BargeInKnobs("energy", need, 0), 0.01)
    for last, level in enumerate(levels, 1):
        run = 0
        while run < last and levels[last - 1 - run] >= 0.01:
            run += 1
        assert rule.see(KnownFrame(level=level)) == (run if run >= need else 0)


def steps(knobs: BargeInKnobs, pieces: list[str], delay: int = 6, before: int = 20) -> list[int]:
    rule = make_rule(knobs, 0.01)
    frames = (KnownFrame(step=SttStep(piece), place=before + i, delay=delay) for i, piece in enumerate(pieces))
    return [rule.see(frame) for frame in frames]


@given(st.lists(st.sampled_from(["", " yeah", " no", " stop", "ping"]), max_size=20), st.integers(1, 4))
def test_words_that_are_no_backchannels_add_up(pieces: list[str], need: int) -> None:
    found = steps(BargeInKnobs("words_n", 1, 0, min_words=need, backchannels=("yeah",)), pieces)
    for last in range(1, len(pieces) + 1):
        words = [word for word in "".join(pieces[:last]).split() if not "yeah".startswith(word)]
        before = [word for word in "".join(pieces[: last - 1]).split() if not "yeah".startswith(word)]
        assert bool(found[last - 1]) == (len(words) >= need and len(words) > len(before))


def test_a_word_began_to_sound_before_its_text_came() -> None:
    """6 frames of the model's delay, and 4 that a word lasts; never before the answer."""
    assert steps(BargeInKnobs("words", 1, 0), ["", " no"]) == [0, 10]
    assert steps(BargeInKnobs("words", 1, 0), [" no"], before=3) == [4]


def test_words_of_an_utterance_begin_with_its_first() -> None:
    knobs = BargeInKnobs("words_n", 1, 0, min_words=2)
    assert steps(knobs, [" no", "", "", " stop"])[-1] == 13
    assert steps(knobs, [" no", *[""] * 12, " stop"])[-1] == 10, "more than a second apart, the first is another's"


def test_the_pause_head_is_not_looked_at_in_its_first_steps() -> None:
    rule = make_rule(BargeInKnobs("pause_head", 1, 0), 0.01)
    heads = SttStep("", (0.9, 0.9, 0.3, 0.9))
    assert [rule.see(KnownFrame(step=heads, place=place)) for place in range(10, 15)] == [0, 0, 1, 2, 3]
    assert rule.see(KnownFrame(step=SttStep(""), place=15)) == 0


def test_two_rules_must_mean_the_same_sound() -> None:
    def both(apart: int) -> int:
        rule = make_rule(BargeInKnobs("energy+words", 1, 0), 0.01)
        assert rule.see(KnownFrame(level=0.5, place=20, delay=6)) == 0
        return rule.see(KnownFrame(step=SttStep(" no"), place=20 + apart, delay=6))

    assert both(6) == 10
    assert both(15) == 16, "the word began to sound half a second after the loud frame"
    assert both(16) == 0


@pytest.mark.parametrize("rule", [*BARGE_IN_RULES, *BARGE_IN_COMBINED])
def test_only_rules_that_are_said_to_ask_the_stt_do(rule: str) -> None:
    class Frame(KnownFrame):
        asked = False

        @property
        def step(self) -> SttStep:  # type: ignore[override]
            Frame.asked = True
            return SttStep("")

        def __init__(self, place: int) -> None:
            object.__setattr__(self, "place", place)

    made = make_rule(BargeInKnobs(rule, 1, 0), 0.01)
    for place in range(20):
        made.see(Frame(place))
    assert Frame.asked == (not ASKS_STT.isdisjoint(rule_parts(rule)))


@pytest.mark.parametrize("changes", [{"barge_in_rule": "vad+words"}, {"barge_in_resume_ms": 500}])
def test_who_needs_the_stt_meanwhile_is_refused_where_it_stands_still(changes: dict[str, object]) -> None:
    name, value = next(iter(changes.items()))
    with pytest.raises(WorkbenchError, match=f"{name} = {value}.*placement to shared or split".replace("+", r"\+")):
        knobs_of(override(Config(), {"barge_in": True, **changes}))
    for fine in ({"placement": "shared"}, {"placement": "split"}, {"barge_in": False}, {"listener": "mlx-harmony"}):
        knobs_of(override(Config(), {"barge_in": True, **changes, **fine}))


def test_the_voice_detector_says_the_same_from_the_store() -> None:
    session, store = open_session(RECORDINGS / "barge-in"), Store(None)
    mic = Microphone(session, EchoPath(), store)
    detector = VoiceDetector()
    fresh = [detector.step(mic.frame(number)) for number in range(10, 60)]
    assert max(fresh) > 0.9 > 0.1 > min(fresh)
    for last in (30, 60):
        kept = CachedVoice(mic, store, 10)
        assert [kept.probability(number) for number in range(10, last)] == fresh[: last - 10]
        kept.close()


def test_the_voice_detector_hears_the_echo_of_the_agent() -> None:
    session, store = open_session(RECORDINGS / "barge-in"), Store(None)

    def said(gain: float) -> list[float]:
        mic = Microphone(session, EchoPath(((0, gain),)), store)
        agent = np.concatenate([session.read(0, 20 * FRAME_SAMPLES)[::-1]] * 2)
        mic.listen_to(lambda: [(20 * FRAME_SAMPLES, agent)])
        voice = CachedVoice(mic, store, 10)
        out = [voice.probability(number) for number in range(10, 60)]
        voice.close()
        return out

    first, loud = said(0.1), said(5.0)
    assert first[:9] == loud[:9]
    assert first != loud
    assert (said(0.1), said(5.0), said(0.1)) == (first, loud, first)


def test_mlx_harmony_is_stopped_by_text_alone() -> None:
    cycle = ListenCycle("silence", ended=40_000, last=12, gate=5, fed=(5, 6, 7))
    assert decide(cycle, "stop") == BargeInDecision(40_000, 5 * FRAME_SAMPLES, frame_end(12))
    assert decide(cycle, "") is None
    assert decide(ListenCycle("timeout", ended=40_000), "") is None
