"""The config tree: frozen, typed, read from TOML, changed by dotted path, fingerprinted.

``[assistant]`` holds the 26 keys of MLX-Harmony's ``moshi.json`` under their own flat names, with that file's defaults;
everything else is the workbench's own and never reaches the assistant. Every knob's name is unique in the tree, so
``--set stt_silence_ms=560`` and ``--set assistant.stt_silence_ms=560`` are the same.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import tomli_w

from workbench.config_sections import AssistantConfig as AssistantConfig
from workbench.config_sections import Config as Config
from workbench.config_sections import EchoConfig, StackConfig, WorkbenchConfig
from workbench.config_sections import Knob as Knob
from workbench.config_sections import StepCostsConfig as StepCostsConfig
from workbench.errors import WorkbenchError
from workbench.files import read_toml


def to_dict(config: Config) -> dict[str, dict[str, Knob]]:
    """Nested dictionaries, section → knob → value."""
    return dataclasses.asdict(config)


def dump_toml(config: Config) -> str:
    """The config as TOML; :func:`load` gives it back."""
    return tomli_w.dumps(to_dict(config))


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file over the defaults, then apply overrides.

    Args:
        path: a TOML file; it may leave out what it does not change. None is all defaults.
        overrides: dotted path or knob name → value, or its text as typed.

    Raises:
        WorkbenchError: names the file and the key that is unknown, of the wrong type or out of range.
    """
    config = Config()
    if path is not None:
        for dotted, value in _leaves(read_toml(path), str(path)):
            config = _set(config, dotted, value, f"{path}: ")
    for dotted, value in (overrides or {}).items():
        config = _set(config, dotted, value, "")
    check(config)
    return config


def override(config: Config, changes: Mapping[str, Any]) -> Config:
    """Change knobs by dotted path or name.

    >>> override(Config(), {"stt_silence_ms": 560}).assistant.stt_silence_ms
    560

    Raises:
        WorkbenchError: names the key that is unknown, of the wrong type or out of range.
    """
    for dotted, value in changes.items():
        config = _set(config, dotted, value, "")
    check(config)
    return config


def override_alone(path: str, value: Knob) -> None:
    """Check type and range of one value; combinations are looked at in each trial.

    Raises:
        WorkbenchError: from the config.
    """
    if path in ("assistant.stt_silence", "assistant.stt_vad"):
        override(Config(), {"assistant.stt_silence": True, "assistant.stt_vad": True, path: value})
    else:
        override(Config(), {path: value})


def parse_assignment(text: str) -> tuple[str, str]:
    """Split ``knob=value`` as typed after ``--set``.

    Raises:
        WorkbenchError: there is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise WorkbenchError(f"--set {text}: must be knob=value")
    return name.strip(), value.strip()


API_KEY = "WORKBENCH_LM_KEY"
"""Environment variable of the key that an endpoint asks for; it is in no file, trace, report or error."""


def refuse_secrets(url: str) -> None:
    """Refuse a URL that holds a name, a password or a query, before it is written anywhere.

    Raises:
        WorkbenchError: it holds one; the URL is not repeated.
    """
    if "@" in url.partition("#")[0] or "?" in url.partition("#")[0]:
        raise WorkbenchError(
            "[stack] lm: the URL holds a user name, a password or a query; leave them out, a key goes into the "
            f"environment variable {API_KEY}"
        )


def check(config: Config) -> None:
    """Raise for combinations that mean nothing; what an assistant refuses, :func:`workbench.assistants.knobs_of` says.

    Raises:
        WorkbenchError: names both keys, or the one that holds a password.
    """
    if config.stack.lm.lower().startswith(("http:", "https:")):
        refuse_secrets(config.stack.lm)
    assistant = config.assistant
    if not (assistant.stt_silence or assistant.stt_vad):
        raise WorkbenchError("stt_silence and stt_vad are both false: nothing would ever end a turn; set one to true")


@cache
def knobs() -> Mapping[str, dataclasses.Field[Any]]:
    """Every knob by dotted path, in the tree's order."""
    found: dict[str, dataclasses.Field[Any]] = {}
    for section in dataclasses.fields(Config):
        for knob in dataclasses.fields(section.default):  # type: ignore[arg-type]
            found[f"{section.name}.{knob.name}"] = knob
    return found


def resolve(name: str) -> str:
    """Dotted path of a knob given by path or bare name.

    >>> resolve("stt_silence_ms")
    'assistant.stt_silence_ms'

    Raises:
        WorkbenchError: no such knob; the nearest names are offered.
    """
    if name in knobs():
        return name
    matches = [path for path in knobs() if path.partition(".")[2] == name]
    if matches:
        return matches[0]
    import difflib

    names = [path.partition(".")[2] for path in knobs()]
    near = difflib.get_close_matches(name.rpartition(".")[2], names, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise WorkbenchError(f"unknown key {name!r}{hint}")


def get(config: Config, name: str) -> Knob:
    """Value of a knob by dotted path or bare name."""
    section, _, knob = resolve(name).partition(".")
    value: Knob = getattr(getattr(config, section), knob)
    return value


def _set(config: Config, name: str, value: Any, where: str) -> Config:
    try:
        path = resolve(name)
        section, _, knob = path.partition(".")
        parsed = _coerce(knobs()[path], value)
    except WorkbenchError as error:
        raise WorkbenchError(f"{where}{error}") from None
    changed = dataclasses.replace(getattr(config, section), **{knob: parsed})
    return dataclasses.replace(config, **{section: changed})


@cache
def _types() -> Mapping[str, type]:
    found: dict[str, type] = {}
    for section in (StackConfig, AssistantConfig, WorkbenchConfig, StepCostsConfig, EchoConfig):
        found |= get_type_hints(section)
    return found


def _coerce(knob: dataclasses.Field[Any], value: Any) -> Knob:
    wanted = _types()[knob.name]
    parsed = _from_text(value, wanted) if isinstance(value, str) else value
    if wanted is float and type(parsed) is int:
        parsed = float(parsed)
    if type(parsed) is not wanted or type(parsed) not in get_args(Knob):
        raise WorkbenchError(f"{knob.name} is {value!r}, must be {_WORDS[wanted]}")
    low, high, choices = knob.metadata["low"], knob.metadata["high"], knob.metadata["choices"]
    if isinstance(parsed, float) and math.isnan(parsed):
        raise WorkbenchError(f"{knob.name} is NaN, must be {_WORDS[wanted]}")
    if (low is not None and parsed < low) or (high is not None and parsed > high):
        raise WorkbenchError(f"{knob.name} is {parsed}, must be from {low:g} to {high:g}")
    if choices is not None and parsed not in choices:
        raise WorkbenchError(f"{knob.name} is {parsed!r}, must be one of {', '.join(choices)}")
    return cast(Knob, parsed)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _from_text(text: str, wanted: type) -> Any:
    if wanted is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if wanted in (int, float):
        try:
            return wanted(text)
        except ValueError:
            return text
    return text


def _leaves(data: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    sections = {section.name for section in dataclasses.fields(Config)}
    for name, section in data.items():
        if name not in sections:
            raise WorkbenchError(f"{where}: unknown key {name!r}; sections are {', '.join(sorted(sections))}")
        if not isinstance(section, dict):
            raise WorkbenchError(f"{where}: {name} must be a section, [{name}]")
        for key, value in section.items():
            if isinstance(value, str) and _types().get(key, str) is not str:
                raise WorkbenchError(f"{where}: {name}.{key} is {value!r}, must be {_WORDS[_types()[key]]}")
            yield f"{name}.{key}", value
