"""The checklist's rows: each key of ``moshi.json``, today's value, the one to write, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.assistants import knobs_of
from workbench.config import Config, get, knobs, override
from workbench.errors import WorkbenchError
from workbench.moshi_json import KEYS, OWN, moshi_json
from workbench.tuning.inactive_knobs import find_inactive_knobs
from workbench.tuning.output.phrases import acts_as, counted, knob, number, spread, verdict
from workbench.tuning.result import Result
from workbench.tuning.sensitivity import Range
from workbench.tuning.space import Parameter, Space


def named(names: Sequence[str]) -> str:
    """Sessions by name.

    >>> named(["holds", "reader"])
    '`holds`, `reader`'
    """
    return ", ".join(f"`{name}`" for name in names)


def key_table(result: Result, kept: Mapping[str, Any]) -> str:
    """The section on the 26 keys."""
    today, values = moshi_json(result.spec.config, kept), moshi_json(result.config, kept)
    lines = [
        "*Within 5 %*: of the objective on the recordings that the search saw, all other keys as written, no "
        "further limit broken. *Importance*: the share in what made trials differ (PED-ANOVA).",
        "",
        "| key | today | write | why |",
        "|---|---|---|---|",
    ]
    for key in KEYS:
        before, after = ("null" if side[key] is None else knob(side[key]) for side in (today, values))
        lines.append(f"| `{key}` | `{before}` | `{after}` | {_why(key, result, kept)} |")
    return "\n".join(lines)


def workbench_table(result: Result) -> str:
    """Rows of what was searched and is no key of the consumer; empty where nothing was."""
    own = [item for item in result.sensitivity.ranges if f"workbench.{item.name}" in knobs()]
    if not own:
        return ""
    lines = [
        "",
        "",
        "MLX-Harmony has no key for these; they are in `tuned.toml` and never in `moshi.json`. A figure that rests on "
        "one of them cannot be had from the assistant as shipped.",
        "",
        "| knob of workbench | today | chosen | why |",
        "|---|---|---|---|",
    ]
    for item in own:
        today = knob(get(result.spec.config, item.name))
        lines.append(f"| `{item.name}` | `{today}` | `{knob(item.chosen)}` | {_searched(item.name, result, item)} |")
    return "\n".join(lines)


def _why(key: str, result: Result, kept: Mapping[str, Any]) -> str:
    meta = knobs()[f"assistant.{key}"].metadata
    if meta["inert"]:
        return f"**{meta['help']}**; any value will do"
    if key in OWN:
        return "yours, kept" if key in kept else "yours to set"
    found = next((item for item in result.sensitivity.ranges if item.name == key), None)
    if found is not None:
        return _searched(key, result, found)
    why = result.spec.unread.get(key) or _no_effect(key, result.config)
    return f"not searched: {why}" if why else "not searched"


def _no_effect(key: str, config: Config) -> str:
    """Why nothing reads a key with the other settings as they are; empty where something does, or refuses another."""
    path, value, meta = f"assistant.{key}", get(config, key), knobs()[f"assistant.{key}"].metadata
    if isinstance(value, bool):
        knob_alone = Parameter(path, "categorical", choices=(value, not value))
        try:
            knobs_of(override(config, {path: not value}))
        except WorkbenchError:
            return ""
    else:
        knob_alone = Parameter(path, "float" if isinstance(value, float) else "int", meta["low"], meta["high"])
    return find_inactive_knobs(Space((knob_alone,)), config).get(key, "")


def _searched(name: str, result: Result, found: Range) -> str:
    before, after = get(result.spec.config, name), get(result.config, name)
    words = ["nothing better was found" if before == after else _ablated(name, result)]
    if acts := acts_as(name, after):
        words.append(acts)
    words.append(spread(found))
    if (share := result.sensitivity.importances.get(name)) is not None:
        words.append(f"importance {share * 100:.0f} %")
    return "; ".join(words)


def _ablated(name: str, result: Result) -> str:
    """What the change is good for."""
    item = next((item for item in result.ablations if item.name == name), None)
    if item is None:
        return "today's value does not go with the rest"
    row = item.difference
    where = "held-out session" if result.spec.split == "held-out" else "session"
    figures = f"{number(row.a)} → {number(row.b)}" if row.a is not None and row.b is not None else "nothing to measure"
    return f"put back: `{row.key}` {figures} on {counted(row.sessions, where)}, {verdict(row)}"
