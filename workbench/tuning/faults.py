"""What the published listen loop's faults cost: its figures beside those of the loop put right, same knobs."""

from dataclasses import dataclass

from workbench.config import Config, override
from workbench.metrics import Summary, shown
from workbench.tuning.objective import Evaluator
from workbench.units import samples_to_seconds

FAULTS = (
    ("the first blocks of speech are dropped, there is no pre-roll", "onset_clipped_ms_p95"),
    ("no flush of the model's delay, no reset between turns", "wer"),
    ("a queue of four blocks loses the oldest while the model is busy", "mic_dropped_ms_total"),
    ("a turn without words never ends; noise above the threshold never ends", "missed_eot_rate"),
    ("pauses are taken for the end of the turn", "cutin_per_hold"),
    ("barge-in waits for words, one window a chunk, and hears the agent", "missed_bargein_rate"),
    ("the same: stops for what was no bid for the floor", "false_bargein_per_agent_hour"),
    ("chunks are spoken one after the other, each from a standing start", "chunk_gap_ms_p95"),
    ("the whole way", "voice_to_voice_ms_p95"),
)
"""(fault, the score it shows in)."""


@dataclass(frozen=True)
class Cost:
    """One fault: the score under the published loop and under the loop put right."""

    fault: str
    key: str
    published: str
    put_right: str


@dataclass(frozen=True)
class Faults:
    """All of them.

    Attributes:
        lost_seconds: agent speech that was made and never played, because the stream is closed 0.1 s after the last
            step; answers that were stopped for the user count too.
        made_seconds: agent speech that was made.
    """

    costs: tuple[Cost, ...]
    lost_seconds: float
    made_seconds: float


def weigh(evaluator: Evaluator, config: Config, sessions: tuple[str, ...]) -> Faults:
    """Replay a config under both listeners."""
    scored = evaluator.scores(config, sessions)
    published = evaluator.summary(config, sessions, bootstrap=True)
    right = evaluator.summary(override(config, {"workbench.listener": "workbench"}), sessions, bootstrap=True)
    made = sum(item.tts_audio for item in scored)
    lost = made - sum(item.played for item in scored)
    return Faults(
        tuple(Cost(fault, key, _shown(published, key), _shown(right, key)) for fault, key in FAULTS),
        samples_to_seconds(lost),
        samples_to_seconds(made),
    )


def _shown(summary: Summary, key: str) -> str:
    return shown(summary, key)
