"""The command line: ``commands/`` holds options and arguments, ``actions/`` under the same names what is done.

A command loads nothing heavy before it runs. Exit codes: 0 success; 1 a check failed (a budget, an audit); 2 bad
input, named in one line on stderr; 130 stopped by Ctrl-C.
"""

import gc
import os
import sys
from pathlib import Path

import click

from workbench import __version__
from workbench.cli.commands.cache import cache
from workbench.cli.commands.compare import compare
from workbench.cli.commands.dashboard import dashboard
from workbench.cli.commands.demo import demo
from workbench.cli.commands.devices import devices
from workbench.cli.commands.doctor import doctor
from workbench.cli.commands.echo import echo
from workbench.cli.commands.import_ import import_
from workbench.cli.commands.label import label
from workbench.cli.commands.models import models
from workbench.cli.commands.placements import placements
from workbench.cli.commands.record import record
from workbench.cli.commands.replay import replay
from workbench.cli.commands.report import report
from workbench.cli.commands.score import score
from workbench.cli.commands.sessions import sessions
from workbench.cli.commands.studies import studies
from workbench.cli.commands.sweep import sweep
from workbench.cli.commands.synth import synth
from workbench.cli.commands.tune import tune
from workbench.cli.commands.voices import voices
from workbench.cli.options import HelpfulGroup
from workbench.errors import WorkbenchError, in_one_line, printable


@click.group(cls=HelpfulGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="workbench")
def cli() -> None:
    """Record, replay, measure and tune a local Moshi voice assistant at exact 80 ms frames."""


cli.add_section("Record and label", (record, import_, synth, sessions, label, echo))
cli.add_section("Replay and score", (demo, replay, score, report, sweep, placements, compare))
cli.add_section("Tune", (tune, studies, dashboard))
cli.add_section("Models", (models, voices))
cli.add_section("This machine", (devices, doctor, cache))


def main() -> None:
    """Run the command line; a user's mistake ends in one line, never in a traceback."""
    # Replays make many small objects that last and few cycles: looked through at Python's own rate, they cost a tenth.
    gc.set_threshold(100_000, 20, 20)
    _ensure_streams()
    stdout = sys.stdout
    try:
        _check_environment()
        code = cli.main(standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "workbench"
        _fail(f"{error.format_message()} (see '{path} --help')")
    except click.ClickException as error:
        _fail(error.format_message())
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except WorkbenchError as error:
        _fail(str(error))
    except SystemExit as left:
        # Where the reader of stdout has gone, click replaces stdout and leaves with 1, which here means a failed check.
        sys.exit(left.code if sys.stdout is stdout else 141)
    except (RecursionError, MemoryError, UnicodeError, OSError) as error:
        _fail(_refusal(error))
    except RuntimeError as error:
        if type(error).__name__ != "LibsndfileError":  # its package is not loaded only to name it here
            raise
        _fail(_refusal(error))
    sys.exit(code if isinstance(code, int) else 0)


def _refusal(error: Exception) -> str:
    """One line for what no reader of files caught, with the file that was being read."""
    if isinstance(error, OSError):
        return in_one_line(error)
    words = {RecursionError: "nested too deeply to be read", MemoryError: "too large for this machine's memory"}
    return f"{_file_at_hand(error) or 'a file'}: {words.get(type(error)) or f'cannot be read ({error})'}"


def _file_at_hand(error: Exception) -> Path | None:
    """The file in the innermost function of this package that was given one."""
    found, trace = None, error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals.get("__name__", "").startswith("workbench."):
            paths = (value for value in frame.f_locals.values() if isinstance(value, Path))
            found = next(paths, found)
        trace = trace.tb_next
    return found


def _ensure_streams() -> None:
    """Give a process that was started without stdout or stderr (``>&-``) one that discards."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process


def _check_environment() -> None:
    """Refuse a variable that packages would stumble over much later.

    Raises:
        WorkbenchError: it is not what the packages expect.
    """
    moment = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not (moment.isascii() and moment.isdigit()):
        raise WorkbenchError(f"SOURCE_DATE_EPOCH is {moment!r}, must be whole seconds; unset it, or set it to a number")


def _fail(message: str) -> None:
    click.echo(f"error: {printable(message)}", err=True)
    sys.exit(2)
