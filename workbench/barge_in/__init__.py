"""Barge-in rules: one a file, pure state machines; :data:`workbench.config_sections.BARGE_IN_RULES` lists them."""

from importlib import import_module

from workbench.barge_in.protocol import BargeInRule
from workbench.knobs import BargeInKnobs


def make_rule(knobs: BargeInKnobs, threshold: float) -> BargeInRule:
    """The rule that the knobs name, from its first frame on.

    Args:
        knobs: of barge-in.
        threshold: frame RMS in linear full scale from which a frame is loud.
    """
    rule: BargeInRule = import_module(f"{__name__}.{knobs.rule.replace('-', '_')}").Rule(knobs, threshold)
    return rule
