"""Scores with nothing to measure, and why: a setting that is off, no labels, or an event that did not happen."""

from collections.abc import Mapping

from workbench.config import Config
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, Points
from workbench.metrics.summary import Summary, shown

NO_LABELS = "no labels"
_BARGE_IN = ("bargein_", "false_bargein", "missed_bargein", "selectivity_")
_PLAYBACK = ("underrun_ms", "chunk_gap", "stall", "buffer", "rtf", "speed", "stt_", "deadline", "headroom", "xrun")
"""Beginnings of the keys that need no labels."""


def why_missing(key: str, scores: Mapping[str, float | None], config: Config) -> str:
    """Why a score has no value, in a few words; empty where it has one.

    Args:
        key: of the score.
        scores: all of the run.
        config: it was replayed with.

    >>> why_missing("bargein_reaction_ms_p50", {"bargein_reaction_ms_p50": None}, Config())
    'barge_in is off'
    """
    if scores.get(key) is not None:
        return ""
    if key.startswith("bargein_") and not config.assistant.barge_in:
        return "barge_in is off"
    if key.startswith(_PLAYBACK):
        return _of_playback(key)
    if scores.get("sessions_n") == scores.get("sessions_unlabelled_n"):
        return NO_LABELS
    if key.startswith(_BARGE_IN):
        return _of_barge_in(key, scores)
    if not scores.get("turns_n"):
        return "no labelled turn"
    if key == "cutin_per_hold":
        return "no pause of 0.2 to 5 s inside a turn"
    if key == "wer":
        return "no words in the labels that this stack knows"
    if key.startswith("onset_clipped"):
        return "nothing of any turn was heard"
    measure = BY_KEY.get(key)
    if isinstance(measure, Points) and measure.by_turn is not None:
        decided = key.startswith(("endpoint_delay", "tail_clipped"))
        return "no turn was ended by the listener" if decided else "no turn was answered"
    return "no turn to measure it on"


def _of_playback(key: str) -> str:
    if key.startswith("stt_"):
        return "the STT heard nothing"
    return {"underrun": "no underrun", "chunk": "no answer of two chunks", "deadline": "no model step"}.get(
        key.partition("_")[0], "the agent said nothing"
    )


def _of_barge_in(key: str, scores: Mapping[str, float | None]) -> str:
    if not scores.get("agent_speech_seconds"):
        return "the agent said nothing"
    if key.startswith("selectivity_"):
        return f"no {key.removeprefix('selectivity_')} label over agent speech"
    return "nobody spoke while the agent did" if key == "missed_bargein_rate" else "nobody interrupted the agent"


def explained(summary: Summary, key: str, config: Config) -> str:
    """One score for people; why, where there is nothing to measure or a setting decides it.

    Raises:
        WorkbenchError: there is no such key.
    """
    text = shown(summary, key)
    if why := why_missing(key, summary.scores, config):
        return f"{text}: {why}"
    if key.startswith(_BARGE_IN) and key not in HIGHER_IS_BETTER and not config.assistant.barge_in:
        return f"{text}; barge_in is off"
    return text
