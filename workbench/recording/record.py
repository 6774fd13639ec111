"""The recording loop: a take, a view, the keys and the signals."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workbench.recording.finish import Finished, finish
from workbench.recording.meter import View
from workbench.recording.take import Ended, Plan, Take

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Recorded:
    """A finished recording and why it ended."""

    finished: Finished
    ended: Ended
    remarks: tuple[str, ...] = ()
    """Of the follower."""


def record(plan: Plan, view: View) -> Recorded:
    """Record until the plan is done, ``q`` is pressed, a signal comes or a device goes away; then finish the session.

    Raises:
        WorkbenchError: a device cannot be opened, the name is taken, nothing was heard, or the disk is too full to
            finish (the recording is kept for ``--recover``).
    """
    take = Take(plan)
    with _signals() as stopped:
        try:
            take.start()
            with view:
                ended = _watch(take, view, stopped)
        finally:
            facts = take.stop()
    return Recorded(finish(plan.folder, facts | {"ended": ended.why}, take.lock), ended, take.remarks)


def _watch(take: Take, view: View, stopped: list[int]) -> Ended:
    while True:
        if ended := take.watch():
            return ended
        if stopped:
            return Ended(True, "stopped")
        view.show(take)
        for key in view.pressed():
            if key == "q":
                return Ended(True, "stopped")
            if key == " " and take.writer.ready.is_set():
                take.writer.pause(not take.writer.paused)
            if key == "m" and take.writer.ready.is_set():
                take.writer.note("mark", text="")
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Ctrl-C, SIGTERM and a closed terminal end the recording in order; they are listed as they come."""
    came: list[int] = []
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda got, _: came.append(got)) for number in wanted}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
