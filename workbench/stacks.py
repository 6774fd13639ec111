"""Which stages make up a stack. Constructors are lazy: naming a stack loads nothing."""

from collections.abc import Callable

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.stages import Stack


def _scripted(config: Config) -> Stack:
    from workbench.stages.scripted import ScriptedStack

    return ScriptedStack()


def _moshi(config: Config) -> Stack:
    from workbench.moshi.stack import MoshiStack
    from workbench.stages.lm import open_lm

    return MoshiStack("moshi", config, open_lm(config.stack.lm))


def _moshi_duplex(config: Config) -> Stack:
    from workbench.moshi.stack import DuplexStack

    return DuplexStack(config)


def _nano(config: Config) -> Stack:
    from workbench.moshi.nano import NanoStack
    from workbench.stages.lm import open_lm

    return NanoStack(config, None if config.stack.lm == "canned" else open_lm(config.stack.lm))


STACKS: dict[str, Callable[[Config], Stack]] = {
    "moshi": _moshi,
    "moshi-duplex": _moshi_duplex,
    "nano": _nano,
    "scripted": _scripted,
}


def make_stack(config: Config) -> Stack:
    """The stack the config names.

    Raises:
        WorkbenchError: there is no such stack, or its models cannot be loaded.
    """
    name = config.stack.stack
    if name not in STACKS:
        raise WorkbenchError(f"stack.stack is {name!r}, must be one of {', '.join(sorted(STACKS))}")
    return STACKS[name](config)
