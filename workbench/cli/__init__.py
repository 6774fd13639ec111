"""The command line: ``commands/`` holds options and arguments, ``actions/`` under the same names what is done.

A command loads nothing heavy before it runs. Exit codes: 0 success; 1 a check failed (a budget, an audit); 2 bad
input, named in one line on stderr; 130 stopped by Ctrl-C.
"""

import sys

import click

from workbench import __version__
from workbench.cli.commands.cache import cache
from workbench.cli.commands.compare import compare
from workbench.cli.commands.demo import demo
from workbench.cli.commands.devices import devices
from workbench.cli.commands.import_ import import_
from workbench.cli.commands.label import label
from workbench.cli.commands.models import doctor, models, voices
from workbench.cli.commands.record import record
from workbench.cli.commands.replay import replay
from workbench.cli.commands.score import score
from workbench.cli.commands.sessions import sessions
from workbench.cli.commands.tune import COMMANDS as TUNE
from workbench.cli.options import HelpfulGroup
from workbench.errors import WorkbenchError, in_one_line


@click.group(cls=HelpfulGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="workbench")
def cli() -> None:
    """Record, replay, measure and tune a local Moshi voice assistant at exact 80 ms frames."""


cli.add_section("Record and label", (record, import_, sessions, label))
cli.add_section("Replay and score", (demo, replay, score, compare))
cli.add_section("Tune", TUNE)
cli.add_section("Models", (models, voices))
cli.add_section("This machine", (devices, doctor, cache))


def main() -> None:
    """Run the command line; a user's mistake ends in one line, never in a traceback."""
    try:
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
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        _fail(in_one_line(error))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)
