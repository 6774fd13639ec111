"""Simulated assistants: one object each, :data:`workbench.config_sections.ASSISTANTS` lists them."""

from functools import lru_cache
from importlib import import_module

from workbench import knobs
from workbench.assistants.protocol import Assistant
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.knobs import DUPLEX_STACKS, ChunkKnobs, Knobs
from workbench.stages.chunker import Cutter


def assistant(name: str) -> Assistant:
    """The assistant of that name."""
    found: Assistant = import_module(f"{__name__}.{name.replace('-', '_')}").ASSISTANT
    return found


def cutter(knobs: ChunkKnobs) -> Cutter:
    """A cutter for one reply, of the assistant whose way of cutting the knobs name."""
    return Cutter(assistant(knobs.chunker).chunker, knobs)


@lru_cache(maxsize=4096)
def knobs_of(config: Config) -> Knobs:
    """All that a replay or a live run reads of a config.

    Raises:
        WorkbenchError: the simulated assistant refuses the settings, or the stack does.
    """
    if config.stack.name in DUPLEX_STACKS:
        if config.workbench.timing == "reactive":
            raise WorkbenchError(f"timing is 'reactive', but {config.stack.name} takes no turns; use timing = fixed")
        return knobs.resolve(config, knobs.DUPLEX_ACTS_AS)
    return knobs.resolve(config, assistant(config.workbench.listener).acts_as(config))


def acts_alike(a: Config, b: Config) -> bool:
    """Whether two configs give the same replays: 700 ms of silence acts as 720.

    Raises:
        WorkbenchError: see :func:`knobs_of`.
    """
    return knobs_of(a) == knobs_of(b)
