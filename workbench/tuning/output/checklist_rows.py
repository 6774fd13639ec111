"""The checklist's rows: each key of ``moshi.json``, what was measured with it, what to write, and why."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.assistants import knobs_of
from workbench.config import Config, get, knobs, override
from workbench.errors import WorkbenchError
from workbench.moshi_json import KEYS, OWN, moshi_json
from workbench.tuning.inactive_knobs import find_inactive_knobs
from workbench.tuning.output.hotmic import RELEASE_MS, Suggestion
from workbench.tuning.output.phrases import acts_as, also_breaks, counted, figure, knob, number, spread, verdict
from workbench.tuning.result import Comparison, Result
from workbench.tuning.sensitivity import Range
from workbench.tuning.space import Parameter, Space

GOVERNS: Mapping[str, tuple[str, ...]] = {
    "stt_model_path": ("wer",),
    "stt_config_path": ("wer",),
    "stt_max_seconds": ("missed_eot_rate",),
    "stt_vad": ("endpoint_delay_ms_p50", "cutin_per_hold"),
    "stt_vad_threshold": ("endpoint_delay_ms_p50", "cutin_per_hold"),
    "stt_vad_hits": ("endpoint_delay_ms_p50", "cutin_per_hold"),
    "stt_silence": ("endpoint_delay_ms_p50", "cutin_per_hold"),
    "stt_silence_threshold": ("cutin_per_hold", "missed_eot_rate"),
    "stt_silence_ms": ("endpoint_delay_ms_p50", "cutin_per_hold"),
    "stt_min_speech_ms": ("onset_clipped_ms_p95", "false_bargein_per_agent_hour"),
    "tts_model_path": ("rtf",),
    "tts_config_path": ("rtf",),
    "tts_voice_path": ("rtf",),
    "quantize": ("rtf",),
    "tts_chunk_chars": ("tts_ttfb_ms_p95", "chunk_gap_ms_p95"),
    "tts_chunk_sentences": ("tts_ttfb_ms_p95", "chunk_gap_ms_p95"),
    "tts_chunk_min_chars": ("tts_ttfb_ms_p95", "chunk_gap_ms_p95"),
    "tts_stream": ("text_aggregation_ms_p95",),
    "barge_in": ("missed_bargein_rate", "false_bargein_per_agent_hour", "shared_model_listens"),
    "barge_in_window_seconds": ("missed_bargein_rate", "bargein_reaction_ms_p95", "shared_model_listens"),
    "placement": ("deadline_miss_rate", "stall_ratio"),
    "tts_prebuffer_frames": ("prebuffer_wait_ms_p95", "stall_ratio"),
    "barge_in_min_ms": ("bargein_reaction_ms_p95", "false_bargein_per_agent_hour"),
}
"""Knob → the scores that it shows in first; every knob shows in the objective."""


def named(names: Sequence[str]) -> str:
    """Sessions by name.

    >>> named(["holds", "reader"])
    '`holds`, `reader`'
    """
    return ", ".join(f"`{name}`" for name in names)


def _judged(result: Result) -> tuple[Comparison, str]:
    """Replays with the config as it is written, on held-out sessions where there are any, and what those are called.

    Where each session was left out in turn, each was judged with another config: those figures are no key's.
    """
    if result.held_out is not None and result.spec.split == "held-out":
        return result.held_out, f"{counted(len(result.held_out.sessions), 'session')} held out"
    return result.tuning, f"{counted(len(result.tuning.sessions), 'session')} tuned on"


def key_table(result: Result, suggestions: Sequence[Suggestion], kept: Mapping[str, Any]) -> str:
    """The section on the 26 keys."""
    judged, where = _judged(result)
    objective = result.spec.objectives[0]
    lines = [
        "## The 26 keys of moshi.json",
        "",
        f"With all of them as written, on {where}: `{objective}` {figure(judged.tuned, objective)}. Each row has, from "
        "the same replays, the scores that its key moves first: with 95 % intervals, or as counts below ten. *Within "
        "5 %*: of the objective, on the tuning sessions, all other keys as written, no limit overstepped further. "
        "*Importance*: the share in what made trials differ (PED-ANOVA).",
        "",
        f"| key | hotmic suggests | measured: write | with it, {where} | why |",
        "|---|---|---|---|---|",
    ]
    values = moshi_json(result.config, kept)
    for key in KEYS:
        value = "null" if values[key] is None else knob(values[key])
        shown = _figures_and_why(key, result, judged, kept)
        cells = (f"`{key}`", _hotmic(key, suggestions), f"`{value}`", *shown)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def workbench_table(result: Result) -> str:
    """The section on what was searched and is no key of the consumer; empty where nothing was."""
    own = [item for item in result.sensitivity.ranges if f"workbench.{item.name}" in knobs()]
    if not own:
        return ""
    judged, where = _judged(result)
    lines = [
        "## Knobs that only the workbench has",
        "",
        "MLX-Harmony has no key for these; they are in `tuned.toml` and never in `moshi.json`. A figure that rests on "
        "one of them cannot be had from the assistant as shipped.",
        "",
        f"| knob | measured | with it, {where} | why |",
        "|---|---|---|---|",
    ]
    for item in own:
        why = _searched(item.name, result, item)
        lines.append(f"| `{item.name}` | `{knob(item.chosen)}` | {_figures(item.name, judged)} | {why} |")
    return "\n".join(lines)


def _hotmic(key: str, suggestions: Sequence[Suggestion]) -> str:
    if key == "stt_silence_ms":
        return f"{RELEASE_MS} (its release setting, not measured)"
    if key != "stt_silence_threshold" or not suggestions:
        return "–"
    found = sorted(item.threshold for item in suggestions)
    spans = f" ({found[0]:.4f} to {found[-1]:.4f})" if len(found) > 1 else ""
    return f"{statistics.median(found):.4f}{spans}"


def _figures(name: str, judged: Comparison) -> str:
    shown = [f"`{key}` {figure(judged.tuned, key)}" for key in GOVERNS.get(name, ())]
    return "; ".join(shown) or "–"


def _figures_and_why(key: str, result: Result, judged: Comparison, kept: Mapping[str, Any]) -> tuple[str, str]:
    meta = knobs()[f"assistant.{key}"].metadata
    if meta["inert"]:
        return "–", f"**{meta['help']}**; any value will do"
    if key in OWN:
        words = "yours, kept" if key in kept else "yours to set"
        measured = f"; measured with stack `{result.config.stack.name}`" if key in GOVERNS else ""
        return _figures(key, judged), words + measured
    found = next((item for item in result.sensitivity.ranges if item.name == key), None)
    if found is not None:
        return _figures(key, judged), _searched(key, result, found)
    if why := result.spec.unread.get(key) or _no_effect(key, result.config):
        return "–", f"not searched: {why}"
    return _figures(key, judged), "not searched: the baseline's"


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
    words = ["as before: nothing better was found" if before == after else _ablated(name, result)]
    if acts := acts_as(name, after):
        words.append(acts)
    words.append(spread(found))
    if (share := result.sensitivity.importances.get(name)) is not None:
        words.append(f"importance {share * 100:.0f} %")
    return "; ".join(words)


def _ablated(name: str, result: Result) -> str:
    """What the change is good for."""
    was = knob(get(result.spec.config, name))
    item = next((item for item in result.ablations if item.name == name), None)
    if item is None:
        return f"was {was}, which does not go with the rest"
    row = item.difference
    where = "held-out session" if result.spec.split == "held-out" else "tuning session"
    figures = f"{number(row.a)} → {number(row.b)}" if row.a is not None and row.b is not None else "nothing to measure"
    words = f"was {was}; put back to that: `{row.key}` {figures} on {counted(row.sessions, where)}, {verdict(row)}"
    changed = also_breaks(item.broken, result.outcome.broken)
    return words + (f", and on the tuning sessions {changed}" if changed else "")
