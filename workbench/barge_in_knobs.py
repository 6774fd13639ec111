"""Options of barge-in, resolved from a config; see :mod:`workbench.knobs`."""

from dataclasses import dataclass

from workbench.config import Config, knobs
from workbench.config_sections import ASKS_STT
from workbench.units import frames_for_ms, ms_to_samples, seconds_to_samples

BARGE_IN_KNOBS = (*(path.partition(".")[2] for path in knobs() if path.startswith("workbench.barge_in_")), "history")
"""Knobs of the workbench's own barge-in; MLX-Harmony has its watch's window."""


@dataclass(frozen=True)
class BargeInKnobs:
    """Options of barge-in.

    Attributes:
        rule: name of the rule, see :mod:`workbench.barge_in`.
        frames: frames of speech that interrupt.
        window: samples for which MLX-Harmony's watch waits for speech during each chunk.
        vad_threshold: speech probability from which a frame is speech.
        min_words: words that interrupt.
        backchannels: words that do not count, see :func:`plain_word`; ascending.
        pause_below: pause probability below which the user speaks.
        grace: samples from the start of playback in which nothing stops the agent.
        resume: samples from a stop in which a word must come, or the agent goes on; 0 where it never goes on.
        keeps_heard: whether the language model is given only what was heard of a stopped answer.
    """

    rule: str
    frames: int
    window: int
    vad_threshold: float = 0.5
    min_words: int = 1
    backchannels: tuple[str, ...] = ()
    pause_below: float = 0.4
    grace: int = 0
    resume: int = 0
    keeps_heard: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the rules that it is made of."""
        return rule_parts(self.rule)

    @property
    def rule_asks_stt(self) -> bool:
        """Whether the rule asks the STT."""
        return not ASKS_STT.isdisjoint(self.parts)

    @property
    def asks_stt(self) -> bool:
        """Whether the STT must hear the user while the agent speaks."""
        return self.rule_asks_stt or self.resume > 0


def resolve_barge_in(config: Config) -> BargeInKnobs:
    """Options of barge-in in frames and samples."""
    assistant, own = config.assistant, config.workbench
    return BargeInKnobs(
        rule=own.barge_in_rule,
        frames=max(1, frames_for_ms(own.barge_in_min_ms)),
        window=seconds_to_samples(assistant.barge_in_window_seconds),
        vad_threshold=own.barge_in_vad_threshold,
        min_words=own.barge_in_min_words,
        backchannels=tuple(sorted({plain_word(word) for word in own.barge_in_backchannels.split()} - {""})),
        pause_below=own.barge_in_pause_below,
        grace=ms_to_samples(own.barge_in_grace_ms),
        resume=ms_to_samples(own.barge_in_resume_ms),
        keeps_heard=own.history == "heard",
    )


def rule_parts(rule: str) -> tuple[str, ...]:
    """Names of the rules that a barge-in rule is made of.

    >>> rule_parts("vad+words")
    ('vad', 'words')
    """
    return tuple(rule.replace("/", "+").split("+"))


def plain_word(word: str) -> str:
    """A word as backchannels are compared: letters and digits in lower case.

    >>> plain_word("Mm-hm,")
    'mmhm'
    """
    return "".join(filter(str.isalnum, word.lower()))
