"""Figures and values in words, for the checklist."""

import math

from workbench.config import Knob
from workbench.metrics import Difference
from workbench.metrics.budget import Evidence
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.metrics.stats import MIN_PAIRED
from workbench.simulation.step_costs import measured_beside
from workbench.tuning.recommendation import change
from workbench.tuning.sensitivity import Range
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


def evidence(item: Evidence) -> str | None:
    """What the data cannot certify, and how much more would; None where it can."""
    if item.certified:
        return None
    if item.value is None or item.bound is None:
        return f"{item.key}: too little in these sessions to test the limit {item.limit:g}"
    side = "as low as" if item.key in HIGHER_IS_BETTER else "up to"
    says = f"{item.key}: may be {side} {item.bound:.4g} at 95 %, the limit is {item.limit:g}"
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
    """Values that are as good as the chosen one: within 5 % of the best, with no further limit broken.

    >>> spread(Range("a", 3, 2, 5, (True, False))), spread(Range("a", 3, 3, 3, (True, True)))
    ('2 to 5 is as good', 'any other is worse')
    """
    others = [knob(choice) for choice in item.good if choice != item.chosen]
    if others or item.low == item.high:
        return f"{' or '.join(others)} is as good" if others else "any other is worse"
    low, high = (f"{end:.2g}" if isinstance(end, float) else knob(end) for end in (item.low, item.high))
    return f"{low} to {high} is as good" if any(item.bounded) else "no difference here"


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


def busy_machine(spec: StudySpec) -> str:
    """Warning about step costs that were measured on a busy machine; empty where they were not."""
    found = measured_beside(spec.profile.machine) if spec.profile else ""
    again = "for figures of a quiet machine 'workbench cache --clear-profiles', and tune under a new --name"
    return f"{found}: {again}" if found else ""
