"""The config of a command for people: its file, and how it differs from the defaults."""

from pathlib import Path

import click

from workbench.cli.options import CONFIG_FILE
from workbench.config import Config, Knob, get, knobs
from workbench.files import SHIPPED


def used_config(config: Config) -> str:
    """One line that says which config file a command uses, and how the config differs from the defaults."""
    path: Path | None = click.get_current_context().meta.get(CONFIG_FILE)
    changed = [f"{name} = {_spelt(value)}" for name, value in changed_knobs(config).items()]
    differs = f"differs from the defaults: {', '.join(changed)}" if changed else "every knob at its default"
    if path is None:
        return f"config: no file; {differs}"
    came = path.is_relative_to(SHIPPED) and not Path.cwd().is_relative_to(SHIPPED)
    return f"config: {path.relative_to(SHIPPED) if came else path}; {differs}"


def changed_knobs(config: Config) -> dict[str, Knob]:
    """Knobs that differ from the defaults, by name; ``enabled``, which is the assistant's alone, is left out."""

    return {
        path.partition(".")[2]: get(config, path)
        for path, knob in knobs().items()
        if get(config, path) != knob.default and path != "assistant.enabled"
    }


def _spelt(value: Knob) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "(empty)"
