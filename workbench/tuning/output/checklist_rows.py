"""The checklist's rows: each key of ``moshi.json``, today's value, the one to write, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.config import get, knobs, resolve
from workbench.metrics import shown
from workbench.moshi_json import KEYS, OWN, moshi_json
from workbench.tuning.output.phrases import acts_as, counted, knob, number, spread, verdict
from workbench.tuning.result import Result


def named(names: Sequence[str]) -> str:
    """Sessions by name.

    >>> named(["holds", "reader"])
    '`holds`, `reader`'
    """
    return ", ".join(f"`{name}`" for name in names)


def key_table(result: Result, kept: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of the 26 keys, and of what was searched and is no key of MLX-Harmony."""
    today, values = moshi_json(result.spec.config, kept), moshi_json(result.config, kept)
    own = [item.name for item in result.sensitivity.ranges if item.name not in KEYS]
    rows = []
    for key in (*KEYS, *own):
        sides = (today[key], values[key]) if key in KEYS else (get(result.spec.config, key), get(result.config, key))
        before, after = ("null" if side is None else knob(side) for side in sides)
        name = f"`{key}`" if key in KEYS else f"`{key}` (in tuned.toml only)"
        rows.append((name, f"`{before}`", f"`{after}`", _why(key, result, kept)))
    return rows


def _why(key: str, result: Result, kept: Mapping[str, Any]) -> str:
    meta = knobs()[resolve(key)].metadata
    if meta["inert"]:
        return f"**{meta['help']}**; any value will do"
    if key in OWN:
        return "yours, kept" if key in kept else "yours to set"
    found = next((item for item in result.sensitivity.ranges if item.name == key), None)
    if found is None:
        return ": ".join(filter(None, ("not searched", result.spec.unread.get(key))))
    before, after = get(result.spec.config, key), get(result.config, key)
    words = [
        "nothing better was found" if before == after else _ablated(key, result),
        acts_as(key, after),
        spread(found),
        _price_of_window(result) if key == "barge_in_window_seconds" else "",
    ]
    if (share := result.sensitivity.importances.get(key)) is not None:
        words.append(f"importance {share * 100:.0f} %")
    return "; ".join(filter(None, words))


def _price_of_window(result: Result) -> str:
    """How often listens share the STT model: the longer a watch for barge-in waits, the more."""
    before, after = (shown(side, "shared_model_listens") for side in (result.tuning.baseline, result.tuning.tuned))
    return f"listens that shared the STT model (`shared_model_listens`): {before} → {after} on the tuning sessions"


def _ablated(name: str, result: Result) -> str:
    """What the change is good for."""
    item = next((item for item in result.ablations if item.name == name), None)
    if item is None:
        return "today's value does not go with the rest"
    row = item.difference
    where = "held-out session" if result.spec.split == "held-out" else "session"
    figures = f"{number(row.a)} → {number(row.b)}" if row.a is not None and row.b is not None else "nothing to measure"
    return f"put back: `{row.key}` {figures} on {counted(row.sessions, where)}, {verdict(row)}"
