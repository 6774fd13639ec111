"""What a user can cause: one clear line, exit code 2, no traceback."""


class WorkbenchError(Exception):
    """A problem the user can fix. The message is one line that names the file, key or session and what to do.

    The command line prints it after ``error:`` and exits with code 2.
    """
