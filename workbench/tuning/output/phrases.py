"""Results in words, for the console and the checklist."""

import math
from collections.abc import Sequence

from workbench.config import Knob
from workbench.metrics import Difference, Summary, shown
from workbench.metrics.budget import Evidence
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.metrics.stats import MIN_PAIRED
from workbench.simulation.step_costs import measured_beside
from workbench.stacks import GENERATED, generated
from workbench.tuning.result import Comparison, Result
from workbench.tuning.sensitivity import Nudge, Range
from workbench.tuning.spec import StudySpec
from workbench.units import FRAME_MS, frames_for_ms


def knob(value: Knob) -> str:
    """A knob's value as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def number(value: float) -> str:
    """A score without its interval."""
    return f"{value:.4g}"


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "session"), counted(2, "held-out session")
    ('1 session', '2 held-out sessions')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def verdict(difference: Difference) -> str:
    """What a comparison of one score shows.

    >>> verdict(Difference("wer", 0.1, 0.1, 0.0, None, None, 3, NO_DIFFERENCE))
    'no difference shown (measured in 3 sessions, 6 are needed to show one)'
    """
    if difference.a is None or difference.b is None:
        return "nothing to compare"
    if difference.low is None or difference.high is None:
        few = difference.sessions < MIN_PAIRED
        why = (
            f"measured in {counted(difference.sessions, 'session')}, {MIN_PAIRED} are needed to show one"
            if few
            else "no interval"
        )
        return f"{NO_DIFFERENCE} ({why})"
    span = f"{difference.low:+.4g} to {difference.high:+.4g}"
    if difference.verdict == NO_DIFFERENCE:
        return f"{NO_DIFFERENCE} ({span})"
    return f"{change(difference)} ({span})"


def headline(result: Result) -> str:
    """What may be claimed, in one sentence, by the held-out sessions alone."""
    key = result.spec.objectives[0]
    comparison = result.held_out
    if comparison is None:
        return f"{key}: one session, nothing could be held out, so no claim is made"
    difference = next(item for item in comparison.differences if item.key == key)
    how = "held out one at a time" if result.spec.split == "leave-one-out" else "held out"
    return f"{key} on {len(comparison.sessions)} sessions {how}: {verdict(difference)}"


def advice(result: Result) -> str:
    """What to do with the tuned config, by the sessions that judged it."""
    if result.config == result.spec.config:
        return "nothing in the space was better on the tuning sessions: keep what you have"
    judged = result.held_out
    if judged is None:
        return "record more sessions before you trust these values over your own"
    spec = result.spec
    key = spec.objectives[0]
    shown = {item.key: change(item) for item in judged.differences}
    before, after = (spec.goal.broken(side.scores) for side in (judged.baseline, judged.tuned))
    if new := [name for name in after if name not in before]:
        return f"keep what you have: the tuned config breaks {', '.join(new)} where yours does not"
    if any(shown.get(name) == "worse" for name in spec.budget if name != key):
        better, worse = (
            ", ".join(name for name in dict.fromkeys([key, *spec.budget]) if shown.get(name) == which)
            for which in ("better", "worse")
        )
        if better:
            return f"keep what you have, or weigh it yourself: better in {better}, worse in {worse}"
        return f"keep what you have: worse in {worse}"
    still = f"; over budget as yours is: {', '.join(after)}" if after else ""
    now_kept = [name for name in before if name not in after]
    if certain := [name for name in now_kept if name != key and shown.get(name) == "better"]:
        price = f", at the price of {key}" if shown[key] == "worse" else ""
        return f"worth trying: it keeps {', '.join(certain)} where yours does not{price}{still}"
    if shown[key] == "better":
        return f"worth taking: better, and no limit is broken that was kept before{still}"
    hint = f"; that it keeps {', '.join(now_kept)} may be chance" if now_kept else ""
    what = "it is worse" if shown[key] == "worse" else "no difference was shown; more sessions may show one"
    return f"keep what you have: {what}{hint}"


def change(difference: Difference) -> str:
    """``better``, ``worse``, or :data:`NO_DIFFERENCE`."""
    if difference.verdict == NO_DIFFERENCE:
        return NO_DIFFERENCE
    return "better" if (difference.verdict == "higher") == (difference.key in HIGHER_IS_BETTER) else "worse"


def figure(summary: Summary, key: str) -> str:
    """One score with its interval."""
    return shown(summary, key)


def evidence(item: Evidence) -> str | None:
    """What the data cannot certify, and how much more would; None where it can."""
    if item.certified:
        return None
    if item.value is None:
        return f"{item.key}: nothing to measure in these sessions; the limit {item.limit:g} was not tested"
    if item.bound is None:
        return f"{item.key}: {item.value:.4g} against a limit of {item.limit:g}, too little data for a bound"
    says = f"{item.key}: may be up to {item.bound:.4g} at 95 %, the limit is {item.limit:g}"
    if item.key in HIGHER_IS_BETTER:
        says = f"{item.key}: may be as low as {item.bound:.4g} at 95 %, the limit is {item.limit:g}"
    if item.more_hours is None:
        return f"{says}; more of the same will not help"
    return f"{says}; {duration(item.more_hours)} more of sessions like these would certify it"


def duration(hours: float) -> str:
    """Hours for people.

    >>> duration(0.5), duration(3.21)
    ('30 min', '3.2 h')
    """
    return f"{math.ceil(hours * 60)} min" if hours < 2 else f"{hours:.1f} h"


def spread(item: Range) -> str:
    """A knob's range in words."""
    if item.good:
        others = [knob(choice) for choice in item.good if choice != item.chosen]
        return f"{', '.join(others)} within 5 % too" if others else f"no other choice {_NEAR}"
    if item.low == item.high:
        return f"no neighbour {_NEAR}"
    open_ended = {
        (True, True): "",
        (False, True): ", down to the end of the space",
        (True, False): ", up to the end of the space",
        (False, False): ", the whole space: it does not matter here",
    }[item.bounded]
    return f"{knob(item.low)} to {knob(item.high)} within 5 %{open_ended}"


_NEAR = "within 5 % without overstepping the budget further"


def acts_as(name: str, value: Knob) -> str:
    """What a time amounts to in whole frames, where that is another figure; else nothing.

    >>> acts_as("stt_silence_ms", 620), acts_as("stt_min_speech_ms", 0), acts_as("stt_silence_ms", 640)
    ('acts as 640 ms (8 frames)', 'acts as 80 ms (1 frame)', '')
    """
    if not name.endswith("_ms") or not isinstance(value, int):
        return ""
    least = 0 if name == "stt_preroll_ms" else 1
    frames = max(least, frames_for_ms(value))
    return "" if frames * FRAME_MS == value else f"acts as {frames * FRAME_MS} ms ({counted(frames, 'frame')})"


def also_breaks(after: Sequence[str], before: Sequence[str]) -> str:
    """What a change does to the limits that are broken.

    >>> also_breaks(["wer", "rtf"], ["rtf", "stall_ratio"]), also_breaks(["rtf"], ["rtf"])
    ('also breaks wer, no longer breaks stall_ratio', '')
    """
    new = [key for key in after if key not in before]
    gone = [key for key in before if key not in after]
    parts = [f"{word} {', '.join(keys)}" for word, keys in (("also breaks", new), ("no longer breaks", gone)) if keys]
    return ", ".join(parts)


def nudge(item: Nudge, before: Sequence[str]) -> str:
    """A small change in words, with the first objective after it.

    Args:
        item: the change.
        before: limits that are broken without it.
    """
    if math.isnan(item.value):
        return f"{item.what}: refused by the config"
    value = f"{item.value:.4g}" if math.isfinite(item.value) else "nothing answered"
    changes = [also_breaks(item.broken, before), f"further over {', '.join(item.further)}" if item.further else ""]
    return ", ".join([f"{item.what}: {value}", *filter(None, changes)])


def warnings(comparison: Comparison) -> list[str]:
    """All that the sessions cannot certify."""
    return [text for item in comparison.evidence if (text := evidence(item))]


def caveats(spec: StudySpec) -> list[str]:
    """What must be known before any figure is read: models without meaning, step costs of a busy machine."""
    found = measured_beside(spec.profile.machine) if spec.profile else ""
    again = "for figures of a quiet machine 'workbench cache --clear-profiles', and tune under a new --name"
    return [*([GENERATED] if generated(spec.config) else []), *([f"{found}: {again}"] if found else [])]
