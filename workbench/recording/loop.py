"""Recording loop: recorder, view, keys and signals."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.recording.finalize import FinishedRecording, NothingRecordedError, finish
from workbench.recording.plan import RecordingPlan, StopReason
from workbench.recording.recorder import Recorder
from workbench.recording.view import LastingView, View

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Recorded:
    """A finished recording and why it ended."""

    finished: FinishedRecording
    ended: StopReason
    remarks: tuple[str, ...] = ()
    """Of the follower, and on a view that broke."""


def record(plan: RecordingPlan, view: View) -> Recorded:
    """Record until the plan is done, ``q`` is pressed, a signal comes or a device goes away; then finish the session.

    Raises:
        WorkbenchError: a device cannot be opened, the name is taken, nothing was heard (the reason is said, and the
            empty folder is removed), or the disk is too full to finish (the recording is kept for ``--recover``).
    """
    shown = LastingView(view)
    with signals(patient=1) as stopped:
        take = Recorder(plan)
        try:
            ended = _run(take, shown, stopped)
        finally:
            facts = take.stop()
        try:
            finished = finish(plan.folder, facts | {"ended": ended.why}, take.lock)
        except NothingRecordedError:
            raise WorkbenchError(f"{plan.folder}: nothing was recorded: {ended.why}") from None
    return Recorded(finished, ended, (*take.remarks, *shown.remarks))


def _run(take: Recorder, view: LastingView, stopped: list[int]) -> StopReason:
    try:
        take.start()
    except WorkbenchError as error:
        return StopReason(False, str(error))
    with view:
        return _watch(take, view, stopped)


def _watch(take: Recorder, view: View, stopped: list[int]) -> StopReason:
    while True:
        if ended := take.watch():
            return ended
        if stopped:
            return StopReason(True, "stopped")
        view.show(take)
        for key in view.pressed():
            if key == "q":
                return StopReason(True, "stopped")
            if key == " " and take.writer.ready.is_set():
                take.writer.pause(not take.writer.paused)
            if key == "m" and take.writer.ready.is_set():
                take.writer.note("mark", text="")
                view.marked()
        time.sleep(_LOOK_SECONDS)


@contextmanager
def signals(patient: int = 0) -> Iterator[list[int]]:
    """Ctrl-C, SIGTERM and a closed terminal are listed as they come and break nothing off; nohup is respected.

    Args:
        patient: number of signals without an answer; each further one is answered with a line on stderr.
    """
    came: list[int] = []

    def take(number: int, frame: object) -> None:
        came.append(number)
        if len(came) > patient:
            with suppress(OSError):  # past Python's own buffers, which this may have interrupted
                os.write(2, b"stopping; the session is being finished first\n")

    wanted = [signal.SIGINT, signal.SIGTERM]
    wanted += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    before = {number: signal.signal(number, take) for number in wanted}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
