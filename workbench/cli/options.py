"""Options and arguments that several commands share."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS, shipped

if TYPE_CHECKING:
    from workbench.config import Config

SESSION_PARTS = ("session.json", ".recording", "mic.flac", "labels.csv")
"""Files that mark a folder as a session, a broken one included."""

BASELINE = Path("configs/baseline.toml")
"""The assistant as most people run it: the config that ``demo``, ``replay``, ``sweep`` and ``tune`` start from."""

CONFIG_FILE = "workbench.config_file"
"""Entry of click's context: the file that the config of a command was read from."""


PATH = click.Path(path_type=Path)
"""Type of an argument that is a file or a folder."""


class _ConfigPath(click.Path):
    """Path of a config file; ``configs/NAME.toml`` is the one that came with workbench if it is not here."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return shipped(Path(str(super().convert(value, param, ctx))))


CONFIG_PATH = _ConfigPath(path_type=Path)


class _AssistantChoice(click.Choice[str]):
    """Names of the assistants, looked up when they are needed: ``--help`` of all commands loads no config."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        from workbench.config_sections import ASSISTANTS

        return ASSISTANTS


ASSISTANT = _AssistantChoice()


class HelpfulGroup(click.Group):
    """Group of commands: shows its help if no command is named, with commands by purpose and no line cut short."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections: dict[str, list[str]] = {}

    def add_section(self, title: str, commands: Sequence[click.Command]) -> None:
        """Add commands that ``--help`` shows under one title, in this order."""
        for command in commands:
            self.add_command(command)
        self._sections[title] = [command.name or "" for command in commands]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse ``--help`` where nothing was typed."""
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first sentence of its help, wrapped."""
        widest = max(len(name) for name in self.commands)
        for title, names in (self._sections or {"Commands": list(self.commands)}).items():
            with formatter.section(title):
                rows = [(name.ljust(widest), self.commands[name].get_short_help_str(limit=1000)) for name in names]
                formatter.write_dl(rows)


session_argument = click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
page_option = click.option(
    "--page/--no-page", default=True, help="Write index.html, a page to look at and listen to; --json writes none."
)
budget_option = click.option(
    "--budget", type=CONFIG_PATH, help="Budget file; exit 1 and name each score over its limit."
)
unmeasured_option = click.option(
    "--allow-unmeasured", is_flag=True, help="Keep limits for which there was nothing to measure; they fail otherwise."
)
force_option = click.option("--force", is_flag=True, help="Replace a result of another config or other sessions.")
price_option = click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="FAULT=SECONDS",
    help="Price of a fault in loss_s_per_turn, over that in [price] of the budget file; repeatable.",
)
source_option = click.option(
    "--source",
    type=click.Choice(["human", "constructed", "auto"]),
    default="human",
    show_default=True,
    help="Origin of the labels; reports show it.",
)
_CHOICE_OPTIONS = (
    click.option("--channel", metavar="NAME", help="Channel to take from an RTTM or STM file that holds several."),
    click.option("--file-id", metavar="ID", help="Recording to take from an RTTM or STM file that holds several."),
    click.option("--speaker", metavar="NAME", help="The user's name in an RTTM or STM file [the first]."),
)


def choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--speaker --file-id --channel``; the command gets one ``choice`` made of them."""

    @wraps(command)
    def with_choice(
        *arguments: Any, speaker: str | None, file_id: str | None, channel: str | None, **others: Any
    ) -> Any:
        from workbench.sessions.label_formats import Choice

        return command(*arguments, choice=Choice(speaker, file_id, channel), **others)

    wrapped: Callable[..., Any] = with_choice
    for option in _CHOICE_OPTIONS:
        wrapped = option(wrapped)
    return wrapped


def config_options(
    default: Path | None = None, assistant: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--config --stack --models --listener --step-costs --set``; the command gets one ``config`` made of them.

    Args:
        default: config file to use if none is given.
        assistant: listener to simulate if neither a config file nor a listener is given.
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
            if config_file is None and default is not None:
                config_file = shipped(default)
                listener = listener or assistant
            click.get_current_context().meta[CONFIG_FILE] = config_file
            config = build_config(config_file, stack, models, listener, step_costs, assignments)
            _warn_of_idle_knobs(config, assignments)
            return command(*arguments, config=config, **others)

        wrapped: Callable[..., Any] = with_config
        for option in _CONFIG_OPTIONS:
            wrapped = option(wrapped)
        return wrapped

    return decorate


def _warn_of_idle_knobs(config: "Config", assignments: Sequence[str]) -> None:
    if assignments:
        from workbench.config import parse_assignment
        from workbench.idle_knobs import idle

        for line in idle(config, (parse_assignment(item)[0] for item in assignments)):
            click.echo(f"note: --set {line}", err=True)


_CONFIG_OPTIONS = (
    click.option("--set", "assignments", multiple=True, metavar="KNOB=VALUE", help="Change one knob; repeatable."),
    click.option(
        "--step-costs",
        type=click.Choice(["profile", "fixed", "measured"]),
        help="Step durations: from a measured `profile`, a `fixed` table, or `measured` now.",
    ),
    click.option(
        "--listener",
        type=ASSISTANT,
        help="Turn detection to simulate: `workbench` (corrected) or `mlx-harmony` (as shipped, faults included).",
    ),
    click.option("--models", metavar="FOLDER", help="Folder of the stack's models: stt/, tts/, duplex/."),
    click.option("--stack", metavar="NAME", help="Models to run: nano, scripted, moshi or moshi-duplex."),
    click.option(
        "--config",
        "config_file",
        type=CONFIG_PATH,
        help="TOML file with the knobs, or the assistant's own moshi.json.",
    ),
)
"""Last option first: click lists options in the order in which decorators run, from the bottom up."""


def build_config(
    config_file: Path | None,
    stack: str | None,
    models: str | None,
    listener: str | None,
    step_costs: str | None,
    assignments: tuple[str, ...],
) -> "Config":
    """The config that the shared options describe; ``--set`` overrides the others."""
    from workbench.config import load

    changed = changes(stack, models, listener, step_costs, assignments)
    if config_file is not None and config_file.suffix == ".json":
        from workbench.moshi_json import settings

        return load(None, settings(config_file) | changed)
    return load(config_file, changed)


def typed_changes() -> dict[str, str]:
    """Changes that the shared options of the command that runs make to a config, but for ``--config``."""
    given = click.get_current_context().params
    return changes(given["stack"], given["models"], given["listener"], given["step_costs"], given["assignments"])


def changes(
    stack: str | None, models: str | None, listener: str | None, step_costs: str | None, assignments: tuple[str, ...]
) -> dict[str, str]:
    """Changes that the shared options make to a config: path or name of a knob → its value as typed."""
    from workbench.config import parse_assignment

    named = {
        "stack.name": stack,
        "stack.models": models,
        "workbench.listener": listener,
        "step_costs.source": step_costs,
    }
    given = {name: value for name, value in named.items() if value is not None}
    return given | dict(parse_assignment(item) for item in assignments)


def session_folders(names: Sequence[str]) -> list[Path]:
    """Sessions by path or by name, and all sessions of the folders of sessions among them; each session once.

    A name is looked up in ``recordings/``, then among the demo sessions that came with workbench.

    Of several names, a folder without a session is named and left out, so that ``recordings/*`` means the sessions in
    there. One that lost its ``session.json`` stays in.
    """
    found: dict[Path, Path] = {}
    empty = []
    for name in names:
        path = named_folder(name)
        if not path.exists() and (demo := shipped(RECORDINGS / name)).exists():
            path = demo
        if inside := sessions_inside(path):
            found |= {each.resolve(): each for each in inside}
        elif path.is_dir() and not is_session(path):
            empty.append(path)
        else:
            found.setdefault(path.resolve(), path)
    if not found:
        return empty
    for path in empty:
        click.echo(f"note: {path}: no session in this folder, left out", err=True)
    return list(found.values())


def session_folder(name: str) -> Path:
    """A session by path, or by its name in ``recordings/``.

    Raises:
        WorkbenchError: it is a folder of sessions.
    """
    path = named_folder(name)
    if inside := sessions_inside(path):
        raise WorkbenchError(f"{path}: a folder of sessions, one session is needed here, such as {inside[0]}")
    return path


def sessions_inside(folder: Path) -> list[Path]:
    """Sessions in a folder that is not a session itself, sorted by name."""
    if not folder.is_dir() or is_session(folder):
        return []
    from workbench.sessions.folders import find_sessions

    return find_sessions(folder)


def named_folder(name: str) -> Path:
    """A path as typed, or the folder of that name in ``recordings/``."""
    path = Path(name)
    return RECORDINGS / name if not path.exists() and (RECORDINGS / name).exists() else path


def is_session(folder: Path) -> bool:
    """Whether a folder is a session, a broken one included."""
    return any((folder / part).exists() for part in SESSION_PARTS)
