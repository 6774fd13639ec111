"""The answer of a study: one screen in plain words, its numbers those of replays, its files what it says."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from made_sessions import REPOSITORY, conversation, make_session, with_noises

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.metrics import Summary
from workbench.moshi_json import KEYS, moshi_json
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.answer import LONGEST_NAMES, _sure
from workbench.tuning.output.plain import amount, cell, part

SILENCE = '[assistant]\nstt_silence_ms = { type = "frames", low = 400, high = 1200 }\n'
ONE_SCREEN = {"lines": 25, "columns": 100, "console": 30}


def run(*arguments: str):
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def tuned(folders, *arguments: str, space: str = SILENCE, budget: str = "[budget]\n", name: str = "mine"):
    Path("space.toml").write_text(space)
    Path("budget.toml").write_text(budget)
    files = ("--config", f"{REPOSITORY}/configs/baseline.toml", "--space", "space.toml", "--budget", "budget.toml")
    return run("tune", *map(str, folders), "--name", name, *files, "--stack", "scripted", "--no-page", *arguments)


def result(name: str = "mine") -> dict:
    return json.loads(Path(f"studies/{name}/result.json").read_text())


def first_screen(name: str = "mine") -> list[str]:
    text = Path(f"configs/{name}/checklist.md").read_text()
    return text.partition("\n\n<details>")[0].splitlines()


def talker(folder: Path, count: int, hold: tuple[float, float], every: float = 4.0) -> list[Path]:
    """Sessions of somebody who pauses so long inside a turn, with a knock now and then."""
    for number in range(count):
        generator = np.random.default_rng(50 + number)
        sounds, seconds = conversation(generator, 3, hold=hold, gap=(12, 15))
        make_session(folder / f"r{number}", with_noises(sounds, generator, 0.02, every), seconds, seed=number)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Two recordings of somebody with pauses of a second."""
    return talker(tmp_path_factory.mktemp("slow"), 2, (0.9, 1.0))


@pytest.fixture(scope="module")
def unlike(tmp_path_factory):
    """Two rooms with nothing in common: somebody with pauses of half a second, and somebody with none that counts."""
    folder = tmp_path_factory.mktemp("unlike")
    return [talker(folder / "a", 2, (0.5, 0.55), 99.0)[0], talker(folder / "b", 2, (0.1, 0.15), 99.0)[1]]


# --- words ---


def test_a_sentence_has_the_numbers_of_two_replays(here, slow):
    tuned(slow, "--trials", "8")
    told, evaluator = result(), evaluator_of(slow)
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    names = evaluator.names
    before, after = (evaluator.summary(one, names) for one in (baseline, load(Path("configs/mine/tuned.toml"))))
    says = told["answer"]["sentence"]
    k, n = after.counts["cutin_per_hold"]
    was = before.counts["cutin_per_hold"][0]
    assert says.startswith(f"Interrupted in {k:.0f} of {n:.0f} pauses, was {was:.0f} of {n:.0f}; ")
    waits = [round(side.scores["voice_to_voice_ms_p50"] / 1000, 1) for side in (before, after)]
    assert f"answers come {waits[1] - waits[0]:.1f} s later ({waits[1]:.1f} s after you stop)" in says
    losses = [side.scores["loss_s_per_turn"] for side in (before, after)]
    assert f"{losses[1]:.2f} s lost per turn, today {losses[0]:.2f}." in says
    assert says.endswith("Same direction in both recordings, 4 more would prove it.")
    assert (told["mark"], told["held_out"]["better"], told["tuning"]["better"]) == ("promising", 2, 2)


def evaluator_of(folders) -> Evaluator:
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    return Evaluator(folders, baseline, Store(None))


def summary(**scores: float) -> Summary:
    counts = {"cutin_per_hold": (scores.get("cutin_per_hold", 0) * 20, 20)}
    counts["false_bargein_per_agent_hour"] = (scores.get("false_bargein_per_agent_hour", 0), 1.0)
    return Summary(dict(scores), {}, counts, ())


@pytest.mark.parametrize(
    ("key", "before", "after", "says", "short"),
    [
        ("cutin_per_hold", 1.0, 0.1, "interrupted in 2 of 20 pauses, was 20 of 20", "interrupted 20 → 2 of 20"),
        ("cutin_per_hold", 0.0, 0.0, "interrupted in 0 of 20 pauses, as today", "interrupted 0 → 0 of 20"),
        ("voice_to_voice_ms_p50", 400.0, 1100.0, "answers come 0.7 s later (1.1 s after you stop)",
         "you wait 0.4 → 1.1 s"),
        ("voice_to_voice_ms_p50", 1100.0, 400.0, "answers come 0.7 s sooner (0.4 s after you stop)",
         "you wait 1.1 → 0.4 s"),
        ("voice_to_voice_ms_p50", -900.0, 1100.0, "answers come 1.1 s after you stop, was: before you have finished",
         "you wait 0.0 → 1.1 s"),
        ("voice_to_voice_ms_p50", 1101.0, 1102.0, "answers come 1.1 s after you stop, as today",
         "you wait 1.1 → 1.1 s"),
        ("false_bargein_per_agent_hour", 6, 1, "stopped by a noise or an mm-hm 1 time, was 6", "false stops 6 → 1"),
        ("onset_clipped_ms_p95", 157.0, 0.0, "loses up to 0 ms of your first words, was 157 ms",
         "first words lost 157 → 0 ms"),
        ("stall_ratio", 0.073, 0.0, "stutters 0.0 % of the time, was 7.3 %", "stutters 7.3 → 0.0 %"),
    ],
)  # fmt: skip
def test_scores_in_plain_words(key, before, after, says, short):
    sides = [summary(**{key: value}) for value in (before, after)]
    assert part(*sides, key) == says
    assert cell(*sides, key) == short


def test_what_was_not_measured_is_not_said():
    assert amount(Summary({"wer": None}, {}, {}, ()), "wer") == ""
    assert part(Summary({"wer": None}, {}, {}, ()), summary(wer=0.1), "wer") == ""


def sure(split: str, mark: str, total: int, better: int, unseen: int) -> str:
    """What is said of a config that is better in so many recordings, and of what was tried on unseen ones."""
    held = None if split == "none" else SimpleNamespace(sessions=range(total), better=unseen, worse=total - unseen)
    made = SimpleNamespace(
        spec=SimpleNamespace(split=split),
        held_out=held,
        tuning=SimpleNamespace(better=better),
        recommendation=SimpleNamespace(mark=mark),
    )
    return _sure(made)  # type: ignore[arg-type]


def test_how_sure_it_is_says_of_which_settings():
    """What was searched for without a recording is never said to be the config that is written."""
    assert sure("none", "promising", 1, 1, 0) == "One recording, and none to check this on: 5 more could prove it."
    assert sure("leave-one-out", "promising", 2, 2, 2) == "Same direction in both recordings, 4 more would prove it."
    assert sure("leave-one-out", "promising", 3, 2, 3).startswith("Better in 2 of 3 recordings; what searches found")
    others = "recordings; what searches found without a recording was better on it"
    says = sure("leave-one-out", "promising", 4, 4, 3)
    assert says == f"Same direction in all 4 {others} in 3 of 4: not proven."
    assert sure("leave-one-out", "shown", 8, 8, 8) == f"Same direction in all 8 {others} too: shown."
    assert sure("held-out", "shown", 6, 12, 6) == "Of these 6 recordings 6 got better: shown."
    assert (
        sure("held-out", "promising", 6, 12, 4)
        == "Of these 6 recordings 4 got better and 2 got worse: not proven, it may be chance."
    )


# --- one screen ---


def test_one_screen_without_a_word_of_the_authors(here, slow):
    done = tuned(slow, "--trials", "20", space=(REPOSITORY / "configs/space.toml").read_text(), budget=shipped_budget())
    lines = first_screen()
    assert len(lines) <= ONE_SCREEN["lines"]
    assert max(len(line) for line in lines if not line.startswith("cp ")) <= ONE_SCREEN["columns"]
    text = "\n".join(lines)
    for word in ("loss_s", "objective", "held-out", "baseline", "knob", "trial", "PED", "p95", "cutin", "hold", "eot"):
        assert not re.search(rf"\b{word}", text.replace("threshold", "")), word
    shown = done.stdout.splitlines()
    assert len(shown) <= ONE_SCREEN["console"]
    assert max(map(len, shown)) <= ONE_SCREEN["columns"]
    order = ["| change |", "**Leave alone:**", "```sh", "# back up", "# apply", "# verify"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    for name in ("stt_silence_threshold", "stt_silence_ms", "tts_chunk_chars"):
        assert f"`{name}`" in text
    whole = Path("configs/mine/checklist.md").read_text()
    assert "**hotmic would say:** `stt_silence_threshold` 0." in text
    assert whole.count("<details>") == whole.count("</details>") == 5


def shipped_budget() -> str:
    return (REPOSITORY / "configs/budget.toml").read_text()


def test_the_scripted_stack_is_said_to_be_no_yardstick(here, slow):
    done = tuned(slow[:1], "--trials", "2")
    named = str(slow[0]) if len(str(slow[0])) <= LONGEST_NAMES else "SESSION..."
    again = f"workbench tune {named} --name mine-kyutai --stack moshi --models models"
    for text in (done.stdout, "\n".join(first_screen()), " ".join(result()["answer"]["banner"])):
        plain = re.sub(r"[\s>`]+", " ", text)
        assert "The figures show the workbench, not a model." in plain
        assert again in plain


# --- files ---


def test_the_copy_commands_do_what_they_say(here, slow):
    theirs = here / "MLX-Harmony/configs/moshi.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"barge_in": true}')
    files = ("--space", "space.toml", "--budget", "budget.toml", "--stack", "scripted", "--trials", "8", "--no-page")
    Path("space.toml").write_text(SILENCE)
    Path("budget.toml").write_text("[budget]\n")
    run("tune", *map(str, slow), "--name", "mine", "--config", str(theirs), *files)
    commands = [line for line in first_screen() if line.startswith(("cp", "cmp"))]
    assert len(commands) == 3
    assert shutil.which("cmp")
    done = subprocess.run(["sh", "-ec", "\n".join(commands)], capture_output=True, text=True, check=True)
    assert done.stdout == "applied\n"
    assert theirs.read_bytes() == Path("configs/mine/moshi.json").read_bytes()
    assert Path("configs/mine/moshi.before.json").read_text() == '{"barge_in": true}'


def test_where_nothing_helps_the_file_is_todays(here, slow):
    """Byte for byte; the next best is in candidate.json."""
    space = '[assistant]\ntts_chunk_chars = { type = "int", low = 100, high = 220, step = 40 }\n'
    tuned(slow, "--trials", "4", space=space)
    told = result()
    assert (told["mark"], told["reason"]) == ("keep", "nothing better")
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    run_alone = json.dumps(moshi_json(baseline, {}), indent=2) + "\n"
    assert Path("configs/mine/moshi.json").read_text() == run_alone
    assert load(Path("configs/mine/tuned.toml")).assistant == baseline.assistant
    assert first_screen()[0] == "# mine: keep today's config"
    assert not told["answer"]["changes"]


def test_what_is_worse_on_left_out_sessions_goes_to_the_candidate(here, unlike):
    tuned(unlike, "--trials", "12")
    told = result()
    judged = told["held_out"]
    worse = next(row for row in judged["differences"] if row["key"] == "loss_s_per_turn")["difference"] > 0
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    written = json.loads(Path("configs/mine/moshi.json").read_text())
    assert worse, "else there is nothing to see here"
    assert (told["mark"], told["reason"]) == ("keep", "worse")
    assert written == moshi_json(baseline, {})
    candidate = json.loads(Path("configs/mine/candidate.json").read_text())
    assert candidate["stt_silence_ms"] == told["candidate"]["stt_silence_ms"] != written["stt_silence_ms"]
    assert list(candidate) == list(KEYS)
    says = told["answer"]["sentence"]
    assert says.startswith("Each recording was left out in turn, and what a search found without it was tried on it: ")
    assert "| candidate.json | from → to |" in "\n".join(first_screen())


def test_a_file_of_a_candidate_goes_when_there_is_none(here, slow):
    Path("configs/mine").mkdir(parents=True)
    Path("configs/mine/candidate.json").write_text("{}")
    tuned(slow, "--trials", "8")
    assert result()["mark"] == "promising"
    assert sorted(path.name for path in Path("configs/mine").iterdir()) == ["checklist.md", "moshi.json", "tuned.toml"]


def test_limits_that_cannot_be_kept_say_what_would_have_to_change(here, slow):
    done = tuned(
        slow, "--trials", "8", budget="[budget]\nvoice_to_voice_ms_p50 = 2300\ncutin_per_hold = 0.1\nwer = 0\n"
    )
    assert done.return_value == 1
    told = {row["key"]: row for row in result()["not_kept"]}
    wait = told["voice_to_voice_ms_p50"]
    assert (wait["limit"], wait["keepable"]) == (2300.0, True)
    assert "cutin_per_hold" in wait["instead"]
    text = re.sub(r"\s+", " ", "\n".join(first_screen()))
    value = f"{wait['value'] / 1000:.1f}"
    assert f"typical answer ({value} s, limit 2.3 s): what keeps this breaks the limit on interruptions" in text


# --- prices ---


def test_a_price_changes_what_is_recommended_and_is_kept(here, slow):
    tuned(slow, "--trials", "8", "--price", "cut_in=0", "--price", "missed_end=0", name="free")
    tuned(slow, "--trials", "8", name="dear")
    free, dear = (result(name) for name in ("free", "dear"))
    assert free["recommended"]["stt_silence_ms"] < dear["recommended"]["stt_silence_ms"]
    assert (free["prices"]["cut_in"], dear["prices"]["cut_in"]) == (0.0, 3.0)
    assert "cut_in = 0.0" in Path("studies/free/budget.toml").read_text()
    again = run("score", replayed(slow), "--budget", "studies/free/budget.toml", "--json")
    assert json.loads(again.stdout)["scores"]["loss_s_per_turn"] == free["values"][0]


def replayed(folders) -> str:
    run("replay", *map(str, folders), "--config", "configs/free/tuned.toml", "--out", "reports/free", "--no-page")
    return "reports/free"


def test_resumed_with_another_price_a_study_is_refused_by_name(here, slow):
    tuned(slow[:1], "--trials", "2", "--price", "cut_in=2")
    with pytest.raises(WorkbenchError, match="--price cut_in=4: study 'mine' was made with cut_in=2"):
        run("tune", "--name", "mine", "--resume", "--price", "cut_in=4")
    with pytest.raises(WorkbenchError, match="unknown price 'cutin'"):
        run("tune", "--name", "mine", "--resume", "--price", "cutin=4")
    assert run(
        "tune", "--name", "mine", "--resume", "--price", "cut_in=2", "--trials", "3", "--no-page"
    ).return_value in (0, 1)
    assert result()["trials"] == 3
