"""What barge-in rules and filters would do for an assistant whose keys choose none, each replayed on its recordings."""

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.config import Config, Knob, override
from workbench.errors import WorkbenchError
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.limits import NEAR

FALSE, MISSED, REACTION = "false_bargein_per_agent_hour", "missed_bargein_rate", "bargein_reaction_ms_p50"

RULES: Mapping[str, Mapping[str, Knob]] = {
    "rule `energy`": {"barge_in_rule": "energy"},
    "rule `energy`, going on if no word comes within 1 s": {"barge_in_rule": "energy", "barge_in_resume_ms": 1000},
    "rule `vad`": {"barge_in_rule": "vad"},
    "rule `words`": {"barge_in_rule": "words"},
    "rule `words_n`": {"barge_in_rule": "words_n"},
    "rule `vad+words`": {"barge_in_rule": "vad+words"},
    "rule `energy` behind the echo canceller `aec3`": {"barge_in_rule": "energy", "canceller": "aec3"},
    "rule `energy` behind the filter `speech`": {"barge_in_rule": "energy", "filter": "speech"},
}
"""Rule, and filter where there is one → settings."""


@dataclass(frozen=True)
class RuleCost:
    """What one rule did on some recordings.

    Attributes:
        rule: for people; the first of a comparison is the assistant's own.
        false: barge-ins by what was no bid for the floor; and hours of agent speech.
        missed: turns over agent speech that did not stop it; and all.
        reaction_ms: median time from the user's first sound to the agent's last.
    """

    rule: str
    false: tuple[float, float]
    missed: tuple[float, float]
    reaction_ms: float | None

    @property
    def per_hour(self) -> float | None:
        """False barge-ins per hour of agent speech."""
        return self.false[0] / self.false[1] if self.false[1] else None

    @property
    def misses(self) -> float:
        """Share of interruptions that it missed; 0 where there were none."""
        return self.missed[0] / self.missed[1] if self.missed[1] else 0.0


def compare_rules(
    evaluator: Evaluator, config: Config, corrected: str, sessions: tuple[str, ...]
) -> tuple[RuleCost, ...]:
    """Replay a config as it is, and under the corrected assistant with each rule.

    Rules that hear words need the STT while the agent speaks: with ``placement = serial`` all are replayed as
    ``shared``. A rule that the STT cannot serve is left out.
    """
    placement = "shared" if config.workbench.placement == "serial" else config.workbench.placement
    sides: dict[str, Mapping[str, Knob]] = {f"{config.workbench.listener}, as shipped": {}}
    sides |= {
        rule: {"listener": corrected, "chunker": corrected, "placement": placement, **settings}
        for rule, settings in RULES.items()
    }
    found = []
    for rule, changes in sides.items():
        try:
            summary = evaluator.summary(override(config, changes), sessions)
        except WorkbenchError:
            continue
        none = (0.0, 0.0)
        false, missed = summary.counts.get(FALSE, none), summary.counts.get(MISSED, none)
        found.append(RuleCost(rule, false, missed, summary.scores[REACTION]))
    return tuple(found)


def advice(rules: tuple[RuleCost, ...], least: float | None) -> str:
    """The rule that the assistant would need, in one sentence; empty where its keys do as well.

    Args:
        rules: from :func:`compare_rules`.
        least: false barge-ins per hour of agent speech, the fewest that a search over its keys found.
    """
    if not rules or not rules[0].per_hour:
        return ""
    own, *others = rules
    reached = own.per_hour or 0.0 if least is None else min(own.per_hour or 0.0, least)
    kept = [(rule.per_hour, rule.misses, rule) for rule in others if rule.per_hour is not None]
    better = [item for item in kept if item[0] < NEAR * reached and item[1] <= own.misses]
    if not better:
        return ""
    per_hour, _, best = min(better, key=lambda item: item[:2])
    gone = round(own.false[0] - per_hour * own.false[1])
    return f"false stops: {best.rule} would take {gone} of {own.false[0]:.0f} away"


def rules_section(rules: tuple[RuleCost, ...]) -> str:
    """The table, as Markdown."""
    rows = [
        f"| {item.rule} | {item.false[0]:.0f} in {60 * item.false[1]:.1f} min | {item.missed[0]:.0f} of "
        f"{item.missed[1]:.0f} | {'-' if item.reaction_ms is None else f'{item.reaction_ms:.0f} ms'} |"
        for item in rules
    ]
    return "\n".join(
        [
            "What barge-in rules and filters without a key would do on the same recordings, on the corrected loop "
            "(docs/bargein.md):",
            "",
            "| rule | false stops, in agent speech | interruptions missed | stops after, median |",
            "|---|---|---|---|",
            *rows,
        ]
    )
