"""Removal of the jumps in PortAudio's time stamps when the system's clock is set.

PortAudio takes its time stamps from the time of day on Linux (as of 19.6). A clock that is set, by hand or by a time
server, steps them, and a step in time stamps is what samples that are missing look like. The time of day is compared
with a clock that nobody sets, the step is read from the two, and taken out of the stamps.
"""

import time
from collections.abc import Callable

_STEP_SECONDS = 0.001
"""Two clocks that are read in a row differ by microseconds; a step of less than this makes no hole."""

_ALIKE_SECONDS = 3600.0
"""Stamps that are so near the time of day are taken from it; other clocks count from a start, of a machine mostly."""


def uptime() -> float:
    """Seconds on a clock that nobody sets. Where there is one, it counts the machine's sleep: nothing is heard then."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class ClockSteps:
    """By how much the time of day was set since this was made.

    Args:
        day: the time of day, in seconds.
        steady: a clock that nobody sets.
    """

    def __init__(self, day: Callable[[], float] = time.time, steady: Callable[[], float] = uptime) -> None:
        self._day, self._steady = day, steady
        self._first = self._apart = day() - steady()

    def taken_out(self, stamp: float, now: float) -> float:
        """A time stamp on the clock as it was before anybody set it.

        Args:
            stamp: in seconds, on a stream's clock.
            now: what that clock says just now.
        """
        before = self._steady()
        day = self._day()
        if self._steady() - before < _STEP_SECONDS / 2:  # or we were kept waiting between the two
            apart = day - before
            if abs(apart - self._apart) > _STEP_SECONDS:
                self._apart = apart
        return stamp - (self._apart - self._first) if abs(now - day) < _ALIKE_SECONDS else stamp
