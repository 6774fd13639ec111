"""``moshi.json``: the 26 keys of the consumer and nothing else; it refuses a file with one key more."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.config import AssistantConfig, Config, override_alone
from workbench.errors import WorkbenchError
from workbench.files import pretty_json, read_json, write_text

KEYS = tuple(field.name for field in dataclasses.fields(AssistantConfig))

NULLABLE = (
    "stt_model_path",
    "stt_config_path",
    "tts_model_path",
    "tts_config_path",
    "tts_voice_path",
    "quantize",
)
"""Keys for which our empty text or 0 is the consumer's null."""

OWN = (*NULLABLE, "enabled", "use_stt", "use_tts", "smoke_test")
"""Keys about which a study has nothing to say: the user's file keeps them."""

_TYPES = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}


def read_moshi_json(path: Path) -> dict[str, Any]:
    """Read the user's file, to keep what is theirs.

    Raises:
        WorkbenchError: names the file and the key that the consumer would refuse.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise WorkbenchError(f"{path}: must hold a JSON object")
    types = {
        field.name: str(getattr(field.type, "__name__", field.type)) for field in dataclasses.fields(AssistantConfig)
    }
    for key, value in data.items():
        if key not in KEYS:
            raise WorkbenchError(f"{path}: unknown key {key!r}; MLX-Harmony refuses it")
        if value is None and key in NULLABLE:
            continue
        if type(value) not in _TYPES[types[key]]:
            raise WorkbenchError(f"{path}: {key} is {value!r}, must be {types[key]}")
    return data


def settings(path: Path) -> dict[str, Any]:
    """The user's file as knobs of ``[assistant]``: what the assistant runs with today, as the baseline of a study.

    Raises:
        WorkbenchError: names the file and the key that the consumer would refuse, or whose value means nothing.
    """
    found = {f"assistant.{key}": value for key, value in read_moshi_json(path).items() if value is not None}
    for dotted, value in found.items():
        try:
            override_alone(dotted, value)
        except WorkbenchError as error:
            raise WorkbenchError(f"{path}: {error}") from None
    return found


def moshi_json(config: Config, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The file's content.

    Args:
        config: the tuned config.
        kept: the user's own file; its :data:`OWN` keys are kept.
    """
    values: dict[str, Any] = dataclasses.asdict(config.assistant)
    for key in NULLABLE:
        values[key] = values[key] or None
    return values | {key: value for key, value in kept.items() if key in OWN}


def write_moshi_json(path: Path, config: Config, kept: Mapping[str, Any]) -> None:
    """Write the file, whole or not at all."""
    write_text(path, pretty_json(moshi_json(config, kept)))
