"""Barge-in rules: one a file, pure state machines; :data:`workbench.config_sections.BARGE_IN_RULES` lists them."""

from importlib import import_module

from workbench.barge_in.combined import Both, Either
from workbench.barge_in.protocol import BargeInRule
from workbench.barge_in_knobs import BargeInKnobs, rule_parts


def make_rule(knobs: BargeInKnobs, threshold: float) -> BargeInRule:
    """The rule that the knobs name, from its first frame on.

    Args:
        knobs: of barge-in.
        threshold: frame RMS in linear full scale from which a frame is loud.
    """
    rules = [_single(name, knobs, threshold) for name in rule_parts(knobs.rule)]
    if len(rules) == 1:
        return rules[0]
    return Both(rules) if "+" in knobs.rule else Either(rules)


def _single(name: str, knobs: BargeInKnobs, threshold: float) -> BargeInRule:
    rule: BargeInRule = import_module(f"{__name__}.{name.replace('-', '_')}").RULE(knobs, threshold)
    return rule
