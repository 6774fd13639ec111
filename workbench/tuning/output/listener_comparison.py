"""Cost of the faults of an assistant: its scores against those of the corrected one, same knobs."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from workbench.config import Config, override
from workbench.metrics import Difference, compare, shown
from workbench.metrics.definitions import BY_KEY, Total
from workbench.metrics.index import ReplyEvents, index
from workbench.stages.chunker import STOPS
from workbench.trace import Trace
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.phrases import counted, verdict
from workbench.tuning.output.rule_comparison import RuleCost, compare_rules, rules_section
from workbench.units import FRAME_SAMPLES, samples_to_seconds

BORDERS = "borders of chunks inside a sentence"
"""Counted in the traces: no score tells a cut between sentences from one inside."""

FAULTS = (
    ("the first blocks of speech are dropped, there is no pre-roll", "onset_clipped_ms_p95"),
    ("no flush of the model's delay; codec and caches are not cleared between turns", "wer"),
    ("a queue of four blocks loses the oldest while the model is busy", "mic_dropped_ms_total"),
    ("a turn without words never ends; noise above the threshold never ends", "missed_eot_rate"),
    ("pauses are taken for the end of the turn, by either loop", "cutin_per_hold"),
    ("barge-in waits for words, one window a chunk, and hears the agent", "missed_bargein_rate"),
    ("the same: stops for what was no bid for the floor", "false_bargein_per_agent_hour"),
    ("a barge-in watch outlives its chunk: two listens step one model", "shared_model_listens"),
    ("chunks are spoken one after the other, each from a standing start", "chunk_gap_ms_p95"),
    ("the sentence split never matches: replies are cut where they are full", BORDERS),
    ("without `tts_chunk_sentences` they are cut inside words", "midword_splits"),
    ("the whole way", "voice_to_voice_ms_p95"),
)
"""(fault, the score it shows in, or :data:`BORDERS`)."""


@dataclass(frozen=True)
class FaultCost:
    """One fault: the score as shipped and corrected.

    Attributes:
        shipped, corrected: for people, with intervals.
        values: of both.
        difference: corrected − shipped, paired by session; None for a count, which is not tested.
    """

    fault: str
    key: str
    shipped: str
    corrected: str
    values: tuple[float | None, float | None]
    difference: Difference | None

    @property
    def says(self) -> str:
        """What correcting it does."""
        if self.difference is not None:
            return verdict(self.difference)
        if None in self.values:
            return "nothing to compare"
        return "the same" if self.values[0] == self.values[1] else "a count, not tested"


@dataclass(frozen=True)
class SpeechHeard:
    """Agent speech of a replay, or of several, in samples.

    Attributes:
        made: by the TTS.
        closed: made and never played, because a chunk's stream is closed 0.1 s after its last step.
        stopped: made and never played, because the user stopped the chunk.
        inside, borders: borders between chunks of an answer: those inside a sentence, and all.
    """

    made: int = 0
    closed: int = 0
    stopped: int = 0
    inside: int = 0
    borders: int = 0


@dataclass(frozen=True)
class ListenerComparison:
    """All of them.

    Attributes:
        sessions: how many were replayed.
        speech: as shipped.
        rules: what other barge-in rules would do; empty without barge-in.
    """

    costs: tuple[FaultCost, ...]
    sessions: int
    speech: SpeechHeard
    rules: tuple[RuleCost, ...] = ()


def compare_listeners(
    evaluator: Evaluator, config: Config, corrected: str, sessions: tuple[str, ...], with_rules: bool = True
) -> ListenerComparison:
    """Replay a config under its assistant and under the one that ``corrected`` names; there with other rules too."""
    sides = (config, override(config, {"workbench.listener": corrected, "workbench.chunker": corrected}))
    scored = [evaluator.scores(side, sessions) for side in sides]
    summaries = [evaluator.summary(side, sessions, bootstrap=True) for side in sides]
    speech = [_spoken_in(evaluator, side, sessions) for side in sides]
    tested = [key for _, key in FAULTS if key != BORDERS and not isinstance(BY_KEY[key], Total)]
    differences = {item.key: item for item in compare(scored[0], scored[1], tested)}

    def cost(fault: str, key: str) -> FaultCost:
        if key == BORDERS:
            texts = [f"{side.inside} of {side.borders}" for side in speech]
            values = [side.inside / side.borders if side.borders else None for side in speech]
        else:
            texts = [shown(summary, key) for summary in summaries]
            values = [summary.scores[key] for summary in summaries]
        return FaultCost(fault, key, texts[0], texts[1], (values[0], values[1]), differences.get(key))

    rules = compare_rules(evaluator, config, corrected, sessions) if with_rules and config.assistant.barge_in else ()
    return ListenerComparison(tuple(cost(fault, key) for fault, key in FAULTS), len(sessions), speech[0], rules)


def _spoken_in(evaluator: Evaluator, config: Config, sessions: Iterable[str]) -> SpeechHeard:
    """What became of the agent's speech in sessions, under a config."""
    total = Counter[str]()
    for name in sessions:
        total.update(evaluator.of_trace(config, name, "speech", lambda trace: asdict(spoken([trace]))))
    return SpeechHeard(**total)


def spoken(traces: Iterable[Trace]) -> SpeechHeard:
    """What became of the agent's speech."""
    total = Counter[str]()
    for trace in traces:
        for reply in index(trace).replies.values():
            total.update(_spoken(reply))
    return SpeechHeard(**total)


def _spoken(reply: ReplyEvents) -> Counter[str]:
    found = Counter[str]()
    played = Counter[int]()
    for play in reply.plays:
        played[play.chunk] += play.samples
    # A chunk is handed over when the one before it has been closed, so that the user stops the last.
    last = reply.chunks[-1].chunk if reply.chunks else -1
    for number, pcm in reply.pcm.items():
        made = len(pcm.ready) * FRAME_SAMPLES
        found["made"] += made
        found["stopped" if reply.cancel and number == last else "closed"] += made - played[number]
    found["borders"] = max(0, len(reply.chunks) - 1)
    found["inside"] = sum(not chunk.text.endswith(tuple(STOPS)) for chunk in reply.chunks[:-1])
    return found


def section(faults: ListenerComparison) -> str:
    """The checklist's section, as Markdown."""
    rows = [
        f"| {item.fault} | {item.key if item.key == BORDERS else f'`{item.key}`'} | {item.shipped} | "
        f"{item.corrected} | {item.says} |"
        for item in faults.costs
    ]
    return "\n".join(
        [
            "The loop as shipped, faults included, and the same settings on the corrected loop (listener `workbench`), "
            f"over {counted(faults.sessions, 'session')}; the last column compares them session by session:",
            "",
            "| fault | shows in | as shipped | corrected | correcting it is |",
            "|---|---|---|---|---|",
            *rows,
            "",
            _lost(faults.speech),
            *(["", rules_section(faults.rules)] if faults.rules else []),
        ]
    )


def _lost(speech: SpeechHeard) -> str:
    made, closed, stopped = (samples_to_seconds(item) for item in (speech.made, speech.closed, speech.stopped))
    lost = closed + stopped
    if not made:
        return "The agent said nothing."
    return (
        f"Of {made:.1f} s of agent speech that was made, {lost:.1f} s ({lost / made:.0%}) were never played: "
        f"{closed:.1f} s cut off where a chunk's stream is closed 0.1 s after its last step, {stopped:.1f} s given up "
        "where the user stopped the answer."
    )
