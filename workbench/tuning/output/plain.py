"""Scores in plain words: what a user notices, before and after a change."""

from dataclasses import dataclass

from workbench.metrics import Summary
from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.tuning.front import WEIGHED
from workbench.tuning.objective import ANSWERED, LOSS, SHOWN


@dataclass(frozen=True)
class ScoreWords:
    """How a score is said.

    Attributes:
        cell: with ``{}`` for the amount, before → after.
        sentence: with ``{}`` for the amount after the change; "was", and the amount before it, follow.
        unit: ``of`` (counts), ``times`` (a count), ``s`` (from ms), ``ms`` or ``%`` (from a share).
        noun: what counts are counted over.
        remedy: what would have to change where no setting helps.
    """

    cell: str
    sentence: str
    unit: str
    noun: str = ""
    remedy: str = ""


WORDS: dict[str, ScoreWords] = {
    "cutin_per_hold": ScoreWords(
        "interrupted {}",
        "interrupted in {}",
        "of",
        "pauses",
        "your pauses are longer than any wait that was tried: allow a longer `stt_silence_ms`, or use an STT that "
        "predicts pauses (`stt_vad`)",
    ),
    "missed_eot_rate": ScoreWords(
        "end not noticed {}",
        "does not notice that you are done in {}",
        "of",
        "turns",
        "turns that are too soft, or noise that is too loud: move the microphone nearer",
    ),
    "false_bargein_per_agent_hour": ScoreWords(
        "false stops {}",
        "stopped by a noise or an mm-hm {}",
        "times",
        "",
        "noise is as loud as you are: use a headset, or a quieter room",
    ),
    "missed_bargein_rate": ScoreWords(
        "talks over you {}",
        "talks on over you in {}",
        "of",
        "interruptions",
        "it hears you too late while it speaks: the loop would have to listen all the time",
    ),
    WEIGHED[0]: ScoreWords("you wait {}", "answers come {} after you stop", "s"),
    "stall_ratio": ScoreWords(
        "stutters {}",
        "stutters {} of the time",
        "%",
        "",
        "speech is made more slowly than it is played: smaller models (`quantize`) or a faster machine",
    ),
    "onset_clipped_ms_p95": ScoreWords(
        "first words lost {}",
        "loses up to {} of your first words",
        "ms",
        "",
        "the loop would have to keep the audio from just before it noticed you (pre-roll)",
    ),
    "wer": ScoreWords(
        "words misheard {}",
        "mishears {} of your words",
        "%",
        "",
        "what is left are the speech-to-text model's own errors: another model, or a nearer microphone",
    ),
}
"""Scores that people notice, in the order in which they are named."""

LIMITS = {
    "voice_to_voice_ms_p50": ("typical answer", "a faster machine or smaller models"),
    "voice_to_voice_ms_p95": ("slowest answers", "a faster machine or smaller models"),
    "cutin_per_hold": ("interruptions", WORDS["cutin_per_hold"].remedy),
    "missed_eot_rate": ("ends not noticed", WORDS["missed_eot_rate"].remedy),
    "false_bargein_per_agent_hour": ("false stops per hour", WORDS["false_bargein_per_agent_hour"].remedy),
    "missed_bargein_rate": ("talking on over you", WORDS["missed_bargein_rate"].remedy),
    "bargein_reaction_ms_p95": ("time to fall silent", WORDS["missed_bargein_rate"].remedy),
    "onset_clipped_ms_p95": ("first words lost", WORDS["onset_clipped_ms_p95"].remedy),
    "stall_ratio": ("stutter", WORDS["stall_ratio"].remedy),
    "midword_splits": ("words cut in two", "chunks would have to end where words end"),
    "rtf": ("time to make a second of speech", WORDS["stall_ratio"].remedy),
    "deadline_miss_rate": ("steps that are too slow", WORDS["stall_ratio"].remedy),
    "wer": ("words misheard", WORDS["wer"].remedy),
    "unanswered_rate": ("turns without an answer", WORDS["missed_eot_rate"].remedy),
    ANSWERED: ("nine of ten turns answered", "check levels with `workbench record --calibrate`"),
}
"""Limits: what they are about, and what would have to change where no setting keeps them."""


def amount(summary: Summary, key: str) -> str:
    """A score as a user would say it; empty where there was nothing to measure.

    >>> amount(Summary({"cutin_per_hold": 0.1}, {}, {"cutin_per_hold": (2, 20)}, ()), "cutin_per_hold")
    '2 of 20 pauses'
    >>> amount(Summary({"voice_to_voice_ms_p50": 1130.0}, {}, {}, ()), "voice_to_voice_ms_p50")
    '1.1 s'
    """
    value, words = summary.scores.get(key), WORDS.get(key)
    if value is None:
        return ""
    if words is None:
        return f"{value:.2f} s" if key == LOSS else f"{value:.4g}"
    if words.unit in ("of", "times"):
        k, n = summary.counts[key]
        return f"{k:.0f} of {n:.0f} {words.noun}" if words.unit == "of" else f"{k:.0f} time{'s' * (k != 1)}"
    if words.unit == "%":
        return f"{value * 100:.1f} %"
    return f"{max(0.0, value) / 1000:.1f} s" if words.unit == "s" else f"{value:.0f} ms"


def cell(before: Summary, after: Summary, key: str) -> str:
    """A change in a few words.

    >>> a, b = (Summary({"cutin_per_hold": x / 20}, {}, {"cutin_per_hold": (x, 20)}, ()) for x in (20, 2))
    >>> cell(a, b, "cutin_per_hold")
    'interrupted 20 → 2 of 20'
    """
    words = WORDS.get(key)
    if words and words.unit == "times":
        return words.cell.format(f"{before.counts[key][0]:.0f} → {after.counts[key][0]:.0f}")
    was, now = (amount(side, key).removesuffix(f" {words.noun if words else ''}") for side in (before, after))
    # "20 of 20 → 2 of 20" says everything twice.
    first, _, rest = was.partition(" ")
    short = first if rest == now.partition(" ")[2] else was
    said = words.cell if words else "lost per turn {}" if key == LOSS else f"{key} {{}}"
    return said.format(f"{short} → {now}")


def is_better(key: str, before: float, after: float) -> bool:
    """Whether a score has become better."""
    return after > before if key in HIGHER_IS_BETTER else after < before


def moved(before: Summary, after: Summary) -> tuple[list[str], list[str]]:
    """Scores that a change makes better, and worse, as far as people would notice; cut-ins and waits first."""
    gains: list[str] = []
    pains: list[str] = []
    for key in (*WORDS, LOSS):
        a, b = before.scores.get(key), after.scores.get(key)
        if key in SHOWN and a is not None and b is not None and amount(before, key) != amount(after, key):
            (gains if is_better(key, a, b) else pains).append(key)
    return gains, pains


def part(before: Summary, after: Summary, key: str) -> str:
    """A change as part of a sentence; empty where there was nothing to measure.

    >>> a, b = (Summary({"cutin_per_hold": x / 20}, {}, {"cutin_per_hold": (x, 20)}, ()) for x in (20, 2))
    >>> part(a, b, "cutin_per_hold")
    'interrupted in 2 of 20 pauses, was 20 of 20'
    """
    was, now = amount(before, key), amount(after, key)
    if not now or not was:
        return ""
    a, b = before.scores[key] or 0.0, after.scores[key] or 0.0
    if key == WEIGHED[0]:
        return _wait(a, b)
    short = was.removesuffix(f" {WORDS[key].noun}").removesuffix(" times")
    return f"{WORDS[key].sentence.format(now)}, {'as today' if was == now else f'was {short}'}"


def _wait(before: float, after: float) -> str:
    if before <= 0 or after <= 0:
        said = [f"{ms / 1000:.1f} s after you stop" if ms > 0 else "before you have finished" for ms in (after, before)]
        return f"answers come {said[0]}, was: {said[1]}"
    later = round(after / 1000, 1) - round(before / 1000, 1)
    if abs(later) < 0.05:
        return f"answers come {after / 1000:.1f} s after you stop, as today"
    return f"answers come {abs(later):.1f} s {'later' if later > 0 else 'sooner'} ({after / 1000:.1f} s after you stop)"
