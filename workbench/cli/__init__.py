"""The command line. One short function per command; everything heavy is imported inside it.

Exit codes: 0 all well; 1 a check that was asked for says no (a budget, an audit); 2 bad input, in one line on stderr;
130 stopped by Ctrl-C.
"""

import sys

import click

from workbench import __version__
from workbench.cli.commands import models, record, replay, sessions, tune
from workbench.cli.options import HelpfulGroup
from workbench.errors import WorkbenchError, in_one_line, printable


@click.group(cls=HelpfulGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="workbench")
def cli() -> None:
    """Record, replay, measure and tune a local Moshi voice assistant at exact 80 ms frames."""


for _module in (record, sessions, replay, models, tune):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Run the command line; a user's mistake is one line, never a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "workbench"
        _fail(f"{error.format_message()} ('{path} --help' tells more)")
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
    click.echo(f"error: {printable(message)}", err=True)
    sys.exit(2)
