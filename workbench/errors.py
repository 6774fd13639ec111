"""Errors that a user can cause: one clear line, exit code 2, no traceback."""

import re

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys instead of showing them (C0, C1, order of writing), and halves of characters."""

_QUOTED_LENGTH = 60


def printable(text: str) -> str:
    r"""Text that a terminal shows as it is: names of files and what they hold may be anybody's.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def quoted(value: object) -> str:
    """A value as an error shows it: in quotes if it is text, and no longer than one line has room for.

    >>> quoted("soon"), quoted("9" * 5000)
    ("'soon'", "'99999999999999999999999999999999999999999999999999999999999…")
    """
    text = value[: _QUOTED_LENGTH + 1] if isinstance(value, str) else value
    try:
        shown = repr(text)
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
        return f"a {type(value).__name__} too large to show"
    return shown if len(shown) <= _QUOTED_LENGTH + 2 else shown[:_QUOTED_LENGTH] + "…"


class WorkbenchError(Exception):
    """A problem the user can fix. The message is one line that names the file, key or session and what to do.

    The command line prints it after ``error:`` and exits with code 2. Control characters in it are shown, not sent.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def install(extra: str) -> str:
    """How to get an optional part of this package, which is installed from its own folder.

    >>> install("dask")
    "in the project's folder: .venv/bin/pip install -e '.[dask]'"
    """
    return f"in the project's folder: .venv/bin/pip install -e '.[{extra}]'"


def in_one_line(error: OSError) -> str:
    """What the system refused: a full disk, a folder that may not be written, a file where a folder must be.

    >>> in_one_line(PermissionError(13, "Permission denied", "configs/mine"))
    'configs/mine: Permission denied'
    """
    return printable(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
