"""Reasons of faults: each names its cause, and the setting that it names does help there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from workbench.config import Config, override
from workbench.metrics import SessionScores, read_scores
from workbench.metrics.rows import ReasonRow
from workbench.runs import run_sessions, score_run
from workbench.sessions.labels import Label, validate, write_labels
from workbench.sessions.session import write_manifest
from workbench.sessions.tracks import write_track
from workbench.units import SAMPLE_RATE, seconds_to_samples

BASE = override(Config(), {"stack.name": "scripted", "step_costs.source": "fixed", "barge_in": True})


@dataclass(frozen=True)
class Part:
    """Speech of a turn: seconds, and level as linear RMS."""

    start: float
    end: float
    turn: int = 1
    level: float = 0.05


def session(folder: Path, parts: list[Part], seconds: float = 20.0, room: float = 0.0005) -> Path:
    random = np.random.default_rng(0)
    signs = random.integers(0, 2, seconds_to_samples(seconds)) * 2.0 - 1.0  # the same RMS over any stretch
    level = np.full(len(signs), room)
    for part in parts:
        level[seconds_to_samples(part.start) : seconds_to_samples(part.end)] = part.level
    folder.mkdir(parents=True)
    write_track(folder / "mic.flac", iter([(signs * level).astype(np.float32)]), "PCM_24")
    labels = [
        Label(seconds_to_samples(p.start), seconds_to_samples(p.end), "speech", p.turn, "what time is it")
        for p in parts
    ]
    write_labels(folder / "labels.csv", validate(labels, len(signs), "made"))
    write_manifest(folder, tracks={"mic": "mic.flac"}, labels_source="constructed")
    return folder


def scored(folder: Path, out: Path, **changes: object) -> SessionScores:
    _run, (scores,), _ = (run := run_sessions([folder], override(BASE, changes), out), *score_run(run))
    return scores


def only(scores: SessionScores) -> ReasonRow:
    (row,) = scores.reasons
    return row


def test_a_cut_in_names_the_silence_that_would_have_waited(tmp_path: Path) -> None:
    held = session(tmp_path / "held", [Part(1.0, 2.0), Part(2.88, 4.0)])
    row = only(scored(held, tmp_path / "run"))
    assert (row.what, row.kind, row.turn) == ("cut-in", "silence", 1)
    assert row.text == "the gate counted 720 ms of silence; 960 would have waited"
    assert (row.knob, row.value) == ("stt_silence_ms", 960.0)
    assert scored(held, tmp_path / "less", stt_silence_ms=880).turns[0].cutins == 1
    assert scored(held, tmp_path / "more", stt_silence_ms=960).turns[0].cutins == 0


def test_a_cut_in_on_soft_speech_names_a_threshold(tmp_path: Path) -> None:
    soft = session(tmp_path / "soft", [Part(1.0, 2.0), Part(2.0, 4.0, level=0.008)])
    row = scored(soft, tmp_path / "run").reasons[0]
    assert (row.what, row.kind, row.knob) == ("cut-in", "too_soft", "stt_silence_threshold")
    assert "spoke at up to -41.9 dBFS, under the threshold of -40.0" in row.text
    assert scored(soft, tmp_path / "lower", stt_silence_threshold=row.value).turns[0].cutins == 0


def test_a_turn_that_is_too_soft_names_a_threshold_that_hears_it(tmp_path: Path) -> None:
    soft = session(tmp_path / "soft", [Part(1.0, 3.0, level=0.008)])
    row = only(scored(soft, tmp_path / "run"))
    assert (row.what, row.kind) == ("missed end", "too_soft")
    assert row.text.startswith("too soft: peak -41.9 dBFS, under the threshold of -40.0; stt_silence_threshold = 0.00")
    assert scored(soft, tmp_path / "lower", stt_silence_threshold=row.value).turns[0].end_found


def test_a_turn_in_a_room_as_loud_gets_no_threshold(tmp_path: Path) -> None:
    row = only(scored(session(tmp_path / "soft", [Part(1.0, 3.0, level=0.008)], room=0.008), tmp_path / "run"))
    assert (row.kind, row.knob, row.value) == ("too_soft", "", None)
    assert "the room is as loud as that" in row.text


def test_a_short_turn_in_a_loud_room_names_less_speech(tmp_path: Path) -> None:
    short = session(tmp_path / "short", [Part(0.96, 1.12)], room=0.009)
    row = only(scored(short, tmp_path / "run"))
    assert (row.kind, row.knob, row.value) == ("too_short", "stt_min_speech_ms", 160.0)
    assert scored(short, tmp_path / "less", stt_min_speech_ms=160).turns[0].end_found


def test_a_turn_during_an_answer_is_deaf_where_barge_in_is_off(tmp_path: Path) -> None:
    over = session(tmp_path / "over", [Part(1.0, 2.0, 1), Part(6.0, 7.5, 2)])
    row = only(scored(over, tmp_path / "run", barge_in=False))
    assert (row.turn, row.kind, row.knob) == (2, "deaf", "barge_in")
    assert not scored(over, tmp_path / "on", barge_in=True).turns[1].missed


def test_a_turn_too_short_to_interrupt_names_the_length_that_does(tmp_path: Path) -> None:
    over = session(tmp_path / "over", [Part(1.0, 2.0, 1), Part(6.0, 7.04, 2)])
    row = only(scored(over, tmp_path / "run", barge_in_min_ms=2400))
    assert (row.kind, row.knob) == ("deaf", "barge_in_min_ms")
    assert not scored(over, tmp_path / "shorter", barge_in_min_ms=int(row.value or 0)).turns[1].missed


def test_a_room_that_is_never_quiet_names_a_threshold_above_it(tmp_path: Path) -> None:
    loud = session(tmp_path / "loud", [Part(1.0, 3.0)], room=0.012)
    rows = scored(loud, tmp_path / "run").reasons
    assert [(row.kind, row.knob) for row in rows] == [("never_quiet", "stt_silence_threshold")]
    assert "the room stays at -38.4 dBFS, the threshold is -40.0" in rows[0].text
    assert scored(loud, tmp_path / "higher", stt_silence_threshold=rows[0].value).turns[0].end_found


def test_more_silence_than_there_is_time_for_is_named(tmp_path: Path) -> None:
    row = only(scored(session(tmp_path / "one", [Part(1.0, 2.0)]), tmp_path / "run", stt_silence_ms=4000))
    assert row.kind == "too_patient"


def test_a_listen_call_that_times_out_in_a_turn_is_named(tmp_path: Path) -> None:
    cut = session(tmp_path / "cut", [Part(2.9, 3.16)])
    changes = {"listener": "mlx-harmony", "stt_max_seconds": 3.0, "barge_in": False}
    row = only(scored(cut, tmp_path / "run", **changes))
    assert (row.kind, row.knob, row.value) == ("timed_out", "stt_max_seconds", 0.0)
    assert scored(cut, tmp_path / "waits", **changes | {"stt_max_seconds": 0}).turns[0].end_found


def test_the_answer_to_a_cut_in_is_why_the_end_was_missed(tmp_path: Path) -> None:
    held = session(tmp_path / "held", [Part(1.0, 2.0), Part(2.88, 4.0)])
    rows = scored(held, tmp_path / "run", barge_in=False).reasons
    assert [(row.what, row.kind) for row in rows] == [("cut-in", "silence"), ("missed end", "cut_in")]
    assert rows[1].value == 960.0


@pytest.mark.parametrize("step", [95, 130])
def test_an_underrun_names_the_late_step_and_frames_enough(tmp_path: Path, step: int) -> None:
    one = session(tmp_path / "one", [Part(1.0, 2.0)], seconds=40.0)
    rows = scored(one, tmp_path / "run", tts_step_ms=step).reasons
    assert {(row.what, row.kind) for row in rows} == {("underrun", "tts")}
    assert rows[0].text.startswith(f"a TTS step took {step} ms, a frame lasts 80; tts_prebuffer_frames = ")
    assert scored(one, tmp_path / "all", tts_step_ms=step, tts_prebuffer_frames=int(rows[0].value or 0)).underruns == ()
    assert scored(one, tmp_path / "less", tts_step_ms=step, tts_prebuffer_frames=int(rows[0].value or 0) - 1).underruns


def test_late_text_is_the_language_models(tmp_path: Path) -> None:
    one = session(tmp_path / "one", [Part(1.0, 2.0)], seconds=40.0)
    slow = {"tts_stream": True, "lm_token_ms": 900, "tts_chunk_min_chars": 0, "tts_chunk_chars": 20}
    rows = scored(one, tmp_path / "run", placement="split", **slow).reasons
    assert {row.kind for row in rows} == {"lm"}
    assert rows[0].text.startswith("the text of chunk 2 came 1250 ms after the speech before it was made")


def test_reasons_come_back_from_scores_json(tmp_path: Path) -> None:
    held = session(tmp_path / "held", [Part(1.0, 2.0), Part(2.88, 4.0)])
    scores = scored(held, tmp_path / "run")
    assert read_scores(tmp_path / "run" / "scores.json")[0] == (scores,)
    assert scores.reasons[0].t % SAMPLE_RATE > 0
