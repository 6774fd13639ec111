"""Stacks by name: the stages of each. Constructors are lazy: naming a stack loads nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.stages.protocols import Stack, TextLm

if TYPE_CHECKING:
    from workbench.moshi.sizes import Kind

GENERATED = "Generated weights: right in shape and in what a step costs, without meaning. Only times say anything."
"""Warning that stands before every figure of theirs."""


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


def generated(config: Config) -> bool:
    """Whether the models that the config names were written by ``models init``; False where they are not here."""
    roles: dict[str, tuple[Kind, ...]] = {"moshi": ("stt", "tts"), "nano": ("stt", "tts"), "moshi-duplex": ("duplex",)}
    from workbench.moshi.stack import locate

    try:
        return any(locate(config, kind).generated for kind in roles.get(config.stack.name, ()))
    except WorkbenchError:
        return False


def make_stack(config: Config) -> Stack:
    """The stack the config names.

    Raises:
        WorkbenchError: there is no such stack, or its models cannot be loaded.
    """
    name = config.stack.name
    if name not in STACKS:
        raise WorkbenchError(f"stack.name is {name!r}, must be one of {', '.join(sorted(STACKS))}")
    return STACKS[name](config)
