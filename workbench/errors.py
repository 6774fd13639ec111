"""What a user can cause: one clear line, exit code 2, no traceback."""


class WorkbenchError(Exception):
    """A problem the user can fix. The message is one line that names the file, key or session and what to do.

    The command line prints it after ``error:`` and exits with code 2.
    """


def install(extra: str) -> str:
    """How to get an optional part of this package, which is installed from its own folder.

    >>> install("grpc")
    "in the project's folder: .venv/bin/pip install -e '.[grpc]'"
    """
    return f"in the project's folder: .venv/bin/pip install -e '.[{extra}]'"


def in_one_line(error: OSError) -> str:
    """What the system refused: a full disk, a folder that may not be written, a file where a folder must be.

    >>> in_one_line(PermissionError(13, "Permission denied", "configs/mine"))
    'configs/mine: Permission denied'
    """
    return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
