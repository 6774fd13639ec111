"""Options that several commands share."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from workbench.config import Config, load, parse_assignment
from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS

SESSION_PARTS = ("session.json", ".recording", "mic.flac", "labels.csv")
"""A folder with any of these is meant to be a session."""

BASELINE = Path("configs/baseline.toml")
"""The assistant as most people run it: where ``demo`` and ``tune`` start."""


class HelpfulGroup(click.Group):
    """A group that shows its help where no command is named, and calls that no error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As if ``--help`` had been typed."""
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])


session_argument = click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def config_options(default: Path | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--config --stack --models --listener --step-costs --set``; the command gets one ``config`` made of them.

    Args:
        default: config file where none is given, if it is there.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_config(
            *arguments: Any,
            config_file: Path | None,
            stack: str | None,
            models: str | None,
            listener: str | None,
            step_costs: str | None,
            assignments: tuple[str, ...],
            **others: Any,
        ) -> Any:
            if config_file is None and default is not None and default.exists():
                config_file = default
            config = build_config(config_file, stack, models, listener, step_costs, assignments)
            return command(*arguments, config=config, **others)

        wrapped: Callable[..., Any] = with_config
        for option in _CONFIG_OPTIONS:
            wrapped = option(wrapped)
        return wrapped

    return decorate


_CONFIG_OPTIONS = (
    click.option("--set", "assignments", multiple=True, metavar="KNOB=VALUE", help="Change one knob; repeatable."),
    click.option(
        "--step-costs",
        type=click.Choice(["profile", "fixed", "measured"]),
        help="Step durations: from a measured `profile`, a `fixed` table, or `measured` now.",
    ),
    click.option("--listener", type=click.Choice(["workbench", "mlx-harmony"]), help="Whose listen loop."),
    click.option("--models", metavar="DIR", help="Directory of the stack's models."),
    click.option("--stack", metavar="NAME", help="Which models speak and hear."),
    click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="TOML file with the knobs, or the assistant's own moshi.json.",
    ),
)
"""Last first: click lists them in the order they were put on."""


def build_config(
    config_file: Path | None,
    stack: str | None,
    models: str | None,
    listener: str | None,
    step_costs: str | None,
    assignments: tuple[str, ...],
) -> Config:
    """The config that the shared options describe; ``--set`` has the last word."""
    changed = changes(stack, models, listener, step_costs, assignments)
    if config_file is not None and config_file.suffix == ".json":
        from workbench.moshi_json import settings

        return load(None, settings(config_file) | changed)
    return load(config_file, changed)


def changes(
    stack: str | None, models: str | None, listener: str | None, step_costs: str | None, assignments: tuple[str, ...]
) -> dict[str, str]:
    """What the shared options change in a config: path or name of a knob → its value as typed."""
    named = {
        "stack.name": stack,
        "stack.models": models,
        "workbench.listener": listener,
        "step_costs.source": step_costs,
    }
    given = {name: value for name, value in named.items() if value is not None}
    return given | dict(parse_assignment(item) for item in assignments)


def session_folders(names: Sequence[str]) -> list[Path]:
    """Sessions by path or name; of several, folders that hold no part of a session are named and passed over.

    So ``recordings/*/`` means the sessions in there. One that lost its ``session.json`` is not passed over.

    Raises:
        WorkbenchError: one of them is a folder of sessions.
    """
    folders = [session_folder(name) for name in names]
    if len(folders) == 1:
        return folders
    others = [path for path in folders if path.is_dir() and not is_session(path)]
    if others == folders:
        return folders
    for path in others:
        click.echo(f"note: {path}: holds no session, passed over", err=True)
    return [path for path in folders if path not in others]


def session_folder(name: str) -> Path:
    """A session by path, or by its name in ``recordings/``.

    Raises:
        WorkbenchError: it is a folder of sessions.
    """
    path = named_folder(name)
    if path.is_dir() and not is_session(path):
        from workbench.sessions.folders import find_sessions

        if inside := len(find_sessions(path)):
            held = "a session" if inside == 1 else f"{inside} sessions"
            raise WorkbenchError(f"{path}: is no session but holds {held}; name {path}/*/ for all of them")
    return path


def named_folder(name: str) -> Path:
    """What a name on the command line means: a path, or what has that name in ``recordings/``."""
    path = Path(name)
    return RECORDINGS / name if not path.exists() and (RECORDINGS / name).exists() else path


def is_session(folder: Path) -> bool:
    """Whether a folder is meant to be a session, broken or not."""
    return any((folder / part).exists() for part in SESSION_PARTS)
