"""Answer of a study: what to do, what it buys and costs, and how sure that is, for console, checklist and programs."""

import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.config import Knob, get, knobs
from workbench.files import RECORDINGS
from workbench.metrics import Summary
from workbench.metrics.stats import MIN_PAIRED
from workbench.stacks import generated, warnings
from workbench.tuning.ablation import Ablation
from workbench.tuning.front import WEIGHED, FrontSetting
from workbench.tuning.objective import LOSS
from workbench.tuning.output.hotmic import RELEASE_MS, Suggestion
from workbench.tuning.output.limits import limit_name, not_kept, unfixable
from workbench.tuning.output.phrases import counted, knob, number, spread
from workbench.tuning.output.plain import WORDS, amount, cell, moved, part
from workbench.tuning.recommendation import change
from workbench.tuning.result import Result

ASKED_FOR = ("stt_silence_threshold", "stt_silence_ms", "tts_chunk_chars", "tts_chunk_min_chars", "tts_chunk_sentences")
"""Keys that people tune for: how loud speech is, how long to wait, and how replies are cut."""


@dataclass(frozen=True)
class KeyChange:
    """One key of the change: from, to, and what that is good for; ``own`` is no key of ``moshi.json``."""

    name: str
    was: Knob
    now: Knob
    gain: str
    pay: str
    sure: str
    own: bool

    @property
    def turn(self) -> str:
        """From → to."""
        return f"{knob(self.was)} → {knob(self.now)}"


@dataclass(frozen=True)
class TradeOff:
    """A setting between answering fast and waiting patiently, on the tuning sessions."""

    name: str
    values: tuple[str, ...]
    settings: str


@dataclass(frozen=True)
class StudyAnswer:
    """What a study found.

    Attributes:
        banner: what its models are, where those are no yardstick.
        title: in a few words.
        sentence: in plain words with the numbers.
        changes: of the recommended config; of the candidate where today's is recommended.
        leave: what to leave alone, and why.
        unfixable: what no key can fix.
        not_kept: limits that no setting keeps together with the others.
        hotmic: what hotmic would have said, and what that does.
        heads: of the trade-offs.
    """

    banner: tuple[str, ...]
    title: str
    sentence: str
    changes: tuple[KeyChange, ...]
    leave: str
    unfixable: tuple[str, ...]
    not_kept: tuple[str, ...]
    hotmic: str
    heads: tuple[str, ...]
    trade_offs: tuple[TradeOff, ...]


def answer(result: Result, suggestions: Sequence[Suggestion], replayed: Summary) -> StudyAnswer:
    """Put the result into words.

    Args:
        result: of the study.
        suggestions: hotmic's, one per session.
        replayed: what hotmic's values score on the tuning sessions.
    """
    threshold = statistics.median(item.threshold for item in suggestions)
    said = f"`stt_silence_threshold` {threshold:.4f}, `stt_silence_ms` {RELEASE_MS}, nothing on chunks"
    return StudyAnswer(
        banner=banner(result),
        title=_title(result),
        sentence=_sentence(result),
        changes=tuple(_change(result, item) for item in result.ablations),
        leave=_leave(result),
        unfixable=tuple(unfixable(result)),
        not_kept=tuple(not_kept(result)),
        hotmic="; with these: ".join(filter(None, (said, _parts(result.tuning.baseline, replayed, 0)))),
        heads=_heads(result),
        trade_offs=tuple(_trade_offs(result)),
    )


_MAIN = ("cutin_per_hold", WEIGHED[0])


LONGEST_NAMES = 40
"""Characters of sessions in a command that must fit two lines."""


def banner(result: Result) -> tuple[str, ...]:
    """Warnings that a replay has too, and the command that runs the study on Kyutai's models."""
    spec = result.spec
    words = warnings(spec.config, generated(spec.config))
    if not words:
        return ()
    names = [ref.name if Path(ref.folder) == RECORDINGS / ref.name else ref.folder for ref in spec.sessions]
    sessions = shlex.join(names)
    sessions = "SESSION..." if len(names) > 2 or len(sessions) > LONGEST_NAMES else sessions
    listener = spec.config.workbench.listener
    more = "" if listener == "workbench" else f" --listener {listener}"
    again = f"tune {sessions} --name {spec.name}-kyutai{more} --stack moshi --models models"
    return (*words, f"On Kyutai's models (docs/moshi.md): `workbench {again}`")


def _title(result: Result) -> str:
    mark, keys = result.recommendation.mark, len([item for item in result.ablations if not _own(item.name)])
    if mark == "keep":
        return "keep today's config"
    ways = {"held-out": "on recordings that it was not chosen by", "leave-one-out": "by searches without each"}
    rests = f"shown {ways[result.spec.split]}" if mark == "shown" else "promising, not proven"
    return f"change {counted(keys, 'key') if keys else 'no key'} of moshi.json ({rests})"


def _own(name: str) -> bool:
    return f"assistant.{name}" not in knobs()


def _sentence(result: Result) -> str:
    chosen, judged = result.recommendation, result.judged
    if chosen.mark != "keep":
        lead = "on recordings that the search did not see: " if judged is result.held_out else ""
        found = f"{lead}{_parts(judged.baseline, judged.tuned)}"
        return f"{found[:1].upper()}{found[1:]}. {_objective(result)} {_sure(result)}"
    if chosen.reason == "nothing better":
        today = result.tuning.baseline
        state = "; ".join(WORDS[key].sentence.format(said) for key in _MAIN if (said := amount(today, key)))
        tried = f"{counted(result.trials, 'setting')} {'was' if result.trials == 1 else 'were'} tried, and none"
        next_best = f" {_objective(result, 'The next best (candidate.json)')}" if chosen.candidate else ""
        return f"{tried} is better than today's on these recordings ({state}).{next_best}"
    held = result.held_out
    assert held is not None
    row, saw, unseen = held.of(result.spec.objectives[0]), len(result.tuning.sessions), len(held.sessions)
    figures = f"{_worth(row.key, row.b)}, today's {_worth(row.key, row.a)}"
    if chosen.reason == "limit":
        both = held.tuned.scores, held.baseline.scores
        limits = [f"{limit_name(key)[0]} {', today '.join(number(x[key] or 0) for x in both)}" for key in chosen.limits]
        figures += f"; and limits are broken that today's config keeps: {', '.join(limits)}"
    if result.spec.split == "leave-one-out":
        return (
            "Each recording was left out in turn, and what a search found without it was tried on it: "
            f"{figures} (worse in {held.worse} of {unseen}). So what looks better here may not carry over: record "
            "more, and tune again."
        )
    return (
        f"candidate.json is better on the {saw} recordings that the search saw, but on {unseen} that it did not see: "
        f"{figures}. So it does not carry over."
    )


def _parts(before: Summary, after: Summary, most: int = 2) -> str:
    """Cut-ins and waits, and at most so many other scores that have changed."""
    others = [key for key in WORDS if key not in _MAIN and amount(before, key) != amount(after, key)]
    return "; ".join(filter(None, (part(before, after, key) for key in (*_MAIN, *others[:most]))))


def _worth(key: str, value: float | None) -> str:
    if value is None:
        return "nothing to measure"
    return f"{value:.2f} s lost per turn" if key == LOSS else f"{key} {number(value)}"


def _objective(result: Result, who: str = "") -> str:
    """The first objective of both."""
    row = result.judged.of(result.spec.objectives[0])
    if row.a is None or row.b is None:
        return ""
    if row.key != LOSS:
        return f"{who or 'The objective'}: {row.key} {number(row.b)}, today {number(row.a)}."
    return f"{who or 'Waits, and mistakes counted as seconds'}: {row.b:.2f} s lost per turn, today {row.a:.2f}."


def _sure(result: Result) -> str:
    """How sure the recommendation is; what is said of other searches is said to be of them."""
    split, held, tuning = result.spec.split, result.held_out, result.tuning
    shown = result.recommendation.mark == "shown"
    if held is None:
        return f"One recording, and none to check this on: {MIN_PAIRED - 1} more could prove it."
    total = len(held.sessions)
    if split == "held-out":
        rest = f" and {held.worse} got worse" if held.worse else ""
        sure = "shown" if shown else "not proven, it may be chance"
        return f"Of these {total} recordings {held.better} got better{rest}: {sure}."
    names = "both" if total == 2 else f"all {total}"
    agree = tuning.better == total
    same = f"Same direction in {names} recordings" if agree else f"Better in {tuning.better} of {total} recordings"
    if shown:
        return f"{same}; what searches found without a recording was better on it too: shown."
    if tuning.better == held.better == total and total < MIN_PAIRED:
        return f"{same}, {MIN_PAIRED - total} more would prove it."
    others = f"what searches found without a recording was better on it in {held.better} of {total}"
    return f"{same}; {others}: not proven."


def _change(result: Result, item: Ablation) -> KeyChange:
    """What one change is good for: the new settings with and without it."""
    after = result.judged.tuned
    better, worse = moved(item.without, after)
    gain = cell(item.without, after, better[0]) if better else "nothing by itself"
    pay = cell(item.without, after, worse[0]) if worse else "nothing"
    total = len(result.judged.sessions)
    sure = f"{item.better} of {total}"
    if change(item.difference) == "worse":  # put back, it is worse
        sure += ", shown" if result.judged is result.held_out else ""
    now = get(result.other, item.name)
    return KeyChange(item.name, item.was, now, gain, pay, sure, _own(item.name))


def _leave(result: Result) -> str:
    """Keys that stay, by the reason why they may."""
    changed = {item.name for item in result.ablations} if result.recommendation.mark != "keep" else set()
    ranges = {item.name: item for item in result.sensitivity.ranges}
    reasons: dict[str, list[str]] = {}
    for name in dict.fromkeys([*ASKED_FOR, *ranges]):
        if name not in changed and not _own(name):
            why = spread(ranges[name]) if name in ranges else result.spec.unread.get(name, "not searched")
            reasons.setdefault(why, []).append(f"`{name}` {knob(get(result.config, name))}")
    keys = [path.partition(".")[2] for path in knobs() if path.startswith("assistant.")]
    rest = len([name for name in keys if name not in ranges and name not in ASKED_FOR])
    return "; ".join(
        [*(f"{', '.join(names)} ({why})" for why, names in reasons.items()), f"{rest} others: not searched"]
    )


def _heads(result: Result) -> tuple[str, ...]:
    return ("answers after", "cuts you off") if result.front.scores == WEIGHED else result.front.scores


def _trade_offs(result: Result) -> list[TradeOff]:
    """Today's config, the recommended one, and the points between fast and patient."""
    scores, tuning = result.front.scores, result.tuning
    holds = tuning.baseline.counts.get("cutin_per_hold", (0, 0))[1]

    def shown(values: Sequence[float | None]) -> tuple[str, ...]:
        if scores != WEIGHED:
            return tuple("–" if value is None else number(value) for value in values)
        wait, cuts = values
        said = "–" if wait is None else f"{wait / 1000:.1f} s" if wait > 0 else "before you stop"
        return said, "–" if cuts is None else f"{round(cuts * holds)} of {holds:.0f} pauses"

    today, other = (tuple(side.scores[key] for key in scores) for side in (tuning.baseline, tuning.tuned))
    kept = result.recommendation.mark == "keep"
    rows = [FrontSetting("today (recommended)" if kept else "today", today, {})]
    if result.other != result.spec.config:
        changed = {item.name: get(result.other, item.name) for item in result.spec.space.parameters}
        changed = {name: value for name, value in changed.items() if get(result.spec.config, name) != value}
        rows.append(FrontSetting("candidate.json" if kept else "recommended", other, changed))
    for point in result.front.points:
        same = next((number for number, row in enumerate(rows) if row.settings == point.settings and row.name), None)
        if same is None or not point.name:
            rows.append(point)
        else:
            rows[same] = replace(rows[same], name=f"{rows[same].name}, {point.name}")
    return [TradeOff(row.name, shown(row.values), settings(row.settings)) for row in rows]


def settings(values: Mapping[str, Knob]) -> str:
    """Knobs as they are typed.

    >>> settings({"stt_silence_ms": 880, "barge_in": True})
    'stt_silence_ms=880 barge_in=true'
    """
    return " ".join(f"{name}={knob(value)}" for name, value in values.items())
