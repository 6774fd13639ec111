"""Knobs of a space that nothing reads: with the baseline's other settings no value of theirs changes a replay.

A search over them costs trials, and what it says of them is made up: an importance, a range, a nudge. They are left
out, and the study says so.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

from workbench.assistants import knobs_of
from workbench.config import Config, Knob, get, knobs, override
from workbench.errors import WorkbenchError
from workbench.files import canonical_json
from workbench.tuning.space import Parameter, Space

Change = tuple[str, Knob]
"""Dotted path and value."""


def find_inactive_knobs(space: Space, baseline: Config) -> dict[str, str]:
    """Name → why, of the knobs of which no value changes anything.

    A knob stays where others of the space can wake it: ``stt_vad_hits`` beside ``stt_vad``. All pairs of others are
    tried, each at its choices or its ends; no knob takes three to be read.
    """
    found = {}
    for parameter in space.parameters:
        others = [change for other in space.parameters if other != parameter for change in _values(other)]
        if not any(_is_read(parameter, baseline, changes) for changes in _up_to_two(others)):
            found[parameter.name] = _why(parameter, baseline)
    return found


def searched(space: Space, unread: Mapping[str, str]) -> Space:
    """The space without those knobs.

    Raises:
        WorkbenchError: nothing is left.
    """
    left = tuple(item for item in space.parameters if item.name not in unread)
    if not left:
        raise WorkbenchError(f"the space has no knob to search: {told(unread)}; change the baseline or the space")
    return Space(left)


def told(unread: Mapping[str, str]) -> str:
    """In one line.

    >>> told({"a": "no effect", "b": "no effect", "c": "no effect with d = false"})
    'a, b: no effect; c: no effect with d = false'
    """
    names: dict[str, list[str]] = {}
    for name, why in unread.items():
        names.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(group)}: {why}" for why, group in names.items())


def _values(parameter: Parameter) -> list[Change]:
    values = parameter.choices or tuple(
        value if parameter.type == "float" else int(value) for value in (parameter.low, parameter.high)
    )
    return [(parameter.path, value) for value in values]


def _up_to_two(changes: list[Change]) -> Iterator[dict[str, Knob]]:
    yield {}
    yield from (dict([change]) for change in changes)
    yield from (dict(pair) for pair in combinations(changes, 2) if pair[0][0] != pair[1][0])


def _is_read(parameter: Parameter, baseline: Config, changes: Mapping[str, Knob]) -> bool:
    """Whether two values of a knob differ in effect under changed settings; combinations that are refused count not."""
    names = set()
    for path, value in [*_values(parameter), (parameter.path, get(baseline, parameter.path))]:
        try:
            names.add(knobs_of(override(baseline, {**changes, path: value})).key)
        except WorkbenchError:
            continue
    return len(names) > 1


def _why(parameter: Parameter, baseline: Config) -> str:
    """The settings of the baseline, one or two, but for which the knob would be read."""
    switches = [change for path in knobs() if path != parameter.path for change in _otherwise(path, baseline)]
    tried = list(_up_to_two(switches))
    alone = [changes for changes in tried if len(changes) == 1 and _is_read(parameter, baseline, changes)]
    both = (changes for changes in tried if len(changes) == 2 and _is_read(parameter, baseline, changes))
    paths = list(dict.fromkeys(path for changes in alone or [next(both, {})] for path in changes))
    off = (f"{path.partition('.')[2]} = {canonical_json(get(baseline, path))}" for path in paths)
    return f"no effect with {' and '.join(off)}" if paths else "no effect in a replay"


def _otherwise(path: str, baseline: Config) -> list[Change]:
    """Other settings of a knob that may switch others off."""
    here = get(baseline, path)
    if not path.startswith(("assistant.", "workbench.")):
        return []
    if isinstance(here, bool):
        return [(path, not here)]
    if path == "assistant.tts_chunk_chars" and not here:
        return [(path, 180)]
    return [(path, choice) for choice in knobs()[path].metadata["choices"] or () if choice != here]
