"""Knobs that were set and do nothing: under the stack, or with the other settings."""

from collections.abc import Iterable, Iterator

from workbench.assistants import acts_alike, knobs_of
from workbench.config import Config, Knob, get, knobs, override, resolve
from workbench.errors import WorkbenchError
from workbench.stacks import unread


def idle(config: Config, names: Iterable[str]) -> Iterator[str]:
    """A line for each knob whose value does nothing.

    Args:
        config: the settings.
        names: knobs that were set, by dotted path or bare name.

    Raises:
        WorkbenchError: the simulated assistant refuses the settings.
    """
    knobs_of(config)
    for path in dict.fromkeys(resolve(name) for name in names):
        knob = knobs()[path]
        if get(config, path) == knob.default:
            continue
        if path.partition(".")[2] in unread(config.stack.name):
            yield f"{path} does nothing under stack {config.stack.name}"
        elif knob.metadata["inert"] or knob.metadata["consumer"] or not _acts(config, path):
            yield f"{path} does nothing in a replay with these settings"


def _acts(config: Config, path: str) -> bool:
    """Whether any other value would change a replay; one that is refused shows nothing."""
    for value in _others(path):
        try:
            if not acts_alike(config, override(config, {path: value})):
                return True
        except WorkbenchError:
            continue
    return False


def _others(path: str) -> list[Knob]:
    """Values that differ as far as they can: the default, the ends of the range, all choices."""
    default, about = get(Config(), path), knobs()[path].metadata
    if isinstance(default, bool):
        return [True, False]
    if isinstance(default, str):
        return [default, *(about["choices"] or ("another",))]
    return [default, *(type(default)(end) for end in (about["low"], about["high"]))]
