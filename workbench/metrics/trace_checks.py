"""Checks of a whole trace, before it is scored: a trace may be written by hand, or by another program."""

from workbench.errors import WorkbenchError, quoted
from workbench.trace import (
    BargeIn,
    Cancel,
    Chunk,
    Commit,
    Done,
    Dropped,
    Heard,
    Moved,
    Pause,
    Pcm,
    Play,
    Remark,
    Resume,
    SharedModel,
    Tokens,
    Trace,
    Transcript,
    Underrun,
)

LARGEST = 1 << 50
"""Samples: 1,400 years."""

_MAY_BE_NEGATIVE = {
    "lead": -1,
    "at": -LARGEST,
    "onset": -LARGEST,
    "fed_from": -LARGEST,
    "silence_from": -LARGEST,
    "by": -LARGEST,
}
"""Fields with another lowest value than 0: no audible sample; what began before the session as a model hears it."""


def check_trace(trace: Trace) -> None:
    """Check a whole trace for numbers and replies that no replay can bring.

    Raises:
        WorkbenchError: a negative cost, length or number, one beyond 1,400 years, an interval that ends before it
            begins, or a reply that was neither asked for nor spoken; names session and event.
    """
    where = trace.header.session
    if not (0 <= trace.header.samples <= LARGEST and 0 <= trace.header.playout <= LARGEST):
        raise WorkbenchError(f"{where}: samples and playout of the header must be 0 or more")
    known: set[int] = set()
    named: dict[int, str] = {}
    for event in trace.events:
        name = type(event).__name__.lower()
        for field_name in type(event).__slots__:
            value = getattr(event, field_name)
            numbers = value if isinstance(value, tuple) else (value,) if type(value) is int else ()
            low = -1 if isinstance(event, Moved) and field_name == "reply" else _MAY_BE_NEGATIVE.get(field_name, 0)
            if numbers and not (low <= min(numbers) and max(numbers) <= LARGEST):
                wrong = min(numbers) if min(numbers) < low else max(numbers)
                raise WorkbenchError(f"{where}: {name} at {event.t}: {field_name} {quoted(wrong)} cannot be")
        if isinstance(event, Heard | Dropped | Moved) and event.end < event.start:
            raise WorkbenchError(
                f"{where}: {name} at {event.t}: ends at {event.end}, before it starts at {event.start}"
            )
        if isinstance(event, SharedModel) and event.until < event.t:
            raise WorkbenchError(f"{where}: {name} at {event.t}: ends at {event.until}, before it begins")
        if isinstance(event, Commit | Transcript | Tokens | Chunk | Pcm):
            known.add(event.reply)
        elif isinstance(event, Play | Underrun | Done | BargeIn | Pause | Resume | Cancel | Remark):
            named.setdefault(event.reply, f"{name} at {event.t}")
    for reply, place in named.items():
        if reply not in known:
            raise WorkbenchError(f"{where}: {place}: there is no reply {reply}")
