"""Stacks by name: the stages of each. Constructors are lazy: naming a stack loads nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import TYPE_CHECKING

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.knobs import StackKnobs
from workbench.stages.protocols import Stack, TextLm

if TYPE_CHECKING:
    from workbench.moshi.sizes import Kind

GENERATED = "Generated weights: right in shape and in what a step costs, without meaning. Only times say anything."
"""Warning that stands before every figure of theirs."""

WARNINGS = {
    "scripted": (
        "Scripted stack: words are read from the labels, replies are canned, speech is a tone, and costs are made up. "
        "The figures show the workbench, not a model."
    ),
    "nano": "Nano is a demonstration voice, never a yardstick for Kyutai's quality.",
}
"""Warnings by stack that stand before every figure of theirs."""


def _scripted(config: Config) -> Stack:
    from workbench.stages.scripted import ScriptedStack

    return ScriptedStack()


def _lm(spec: str) -> TextLm:
    if spec.startswith("mlx-lm:"):
        from workbench.moshi.lm import open_mlx_lm

        return open_mlx_lm(spec)
    from workbench.stages.lm import open_lm

    return open_lm(spec)


def _moshi(config: Config) -> Stack:
    from workbench.moshi.stack import MoshiStack

    return MoshiStack("moshi", config, _lm(config.stack.lm))


def _moshi_duplex(config: Config) -> Stack:
    from workbench.moshi.stack import DuplexStack

    return DuplexStack(config)


def _nano(config: Config) -> Stack:
    from workbench.moshi.nano import NanoStack

    return NanoStack(config, None if config.stack.lm == "canned" else _lm(config.stack.lm))


STACKS: dict[str, Callable[[Config], Stack]] = {
    "moshi": _moshi,
    "moshi-duplex": _moshi_duplex,
    "nano": _nano,
    "scripted": _scripted,
}


WITHOUT_LM = {"scripted": "it answers from its own table", "moshi-duplex": "its model hears and speaks at once"}
"""Stacks that have no use for ``[stack] lm``, and why."""


def unread(name: str) -> frozenset[str]:
    """Knobs of the models that a stack does not read, by bare name; none where there is no such stack."""
    all_of_them = {item.name for item in fields(StackKnobs)} - {"name"}
    duplex = {item for item in all_of_them if item.startswith("duplex_")}
    found = {
        "scripted": all_of_them,
        "nano": duplex,
        "moshi": duplex,
        "moshi-duplex": all_of_them - duplex - {"models"},
    }
    return frozenset(found.get(name, ()))


def generated(config: Config) -> bool:
    """Whether the models that the config names were written by ``models init``; False where they are not here."""
    roles: dict[str, tuple[Kind, ...]] = {"moshi": ("stt", "tts"), "nano": ("stt", "tts"), "moshi-duplex": ("duplex",)}
    if config.stack.name not in roles:
        return False
    from workbench.moshi.stack import locate

    try:
        return any(locate(config, kind).generated for kind in roles[config.stack.name])
    except WorkbenchError:
        return False


def warnings(config: Config, is_generated: bool) -> tuple[str, ...]:
    """Warnings that stand before every figure of a config's models.

    Args:
        config: names the stack.
        is_generated: whether its models were written by ``models init``, see :func:`generated`.
    """
    words = (GENERATED,) if is_generated else ()
    if config.stack.name in WARNINGS:
        return (*words, WARNINGS[config.stack.name])
    if config.step_costs.source == "fixed":
        return (*words, "Costs come from a fixed table: latencies are those of no machine.")
    return words


_shared: ContextVar[dict[object, Stack] | None] = ContextVar("_shared", default=None)


@contextmanager
def shared_stacks() -> Iterator[None]:
    """Within this, configs that name the same models get one stack, loaded once; its users take turns."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def make_stack(config: Config) -> Stack:
    """The stack the config names.

    Raises:
        WorkbenchError: there is no such stack, or its models cannot be loaded.
    """
    name = config.stack.name
    if name not in STACKS:
        raise WorkbenchError(f"stack.name is {name!r}, must be one of {', '.join(sorted(STACKS))}")
    if name in WITHOUT_LM and config.stack.lm != "canned":
        raise WorkbenchError(
            f"[stack] lm is {config.stack.lm!r}, which has no effect with stack {name}: "
            f"{WITHOUT_LM[name]}; leave lm out"
        )
    made = _shared.get()
    if made is None:
        return STACKS[name](config)
    read = {item.name for item in fields(StackKnobs)} | {"stt_vad"}
    key = (config.stack, *(value for knob, value in sorted(vars(config.assistant).items()) if knob in read))
    if key not in made:
        made[key] = STACKS[name](config)
    return made[key]
