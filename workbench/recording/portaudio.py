"""Streams of PortAudio: opened, started and closed for microphone and loudspeaker.

Microphone and loudspeaker are one duplex stream where PortAudio handles both in one go
(:func:`workbench.recording.devices.one_stream`): on JACK, and for one device that does both. Their sample counters are
then locked. On JACK it has to be so, because the clock of each stream begins when that stream is opened.

Elsewhere they are two streams whose time stamps are of one clock. PortAudio runs a duplex stream through ALSA with a
loop of its own, and ``benchmarks/one_stream.py`` shows what becomes of it on PulseAudio. With blocks of a fixed size,
the loop feeds the output alone while input is late, which uses up the block that PortAudio keeps ahead; whatever the
device then takes between two blocks is old samples, and no flag reports them. With blocks of the host's size every
sample arrives, but blocks are read in parts that the time stamps do not count: they are off by up to a block for
seconds, and cannot tell what a hole is. On Core Audio the time stamps of a duplex stream of two devices leave out the
buffer between the two.
"""

import atexit
import sys
import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.recording.clock_steps import ClockSteps
from workbench.recording.devices import StreamSettings, load_sounddevice, quiet, reason_of

T = TypeVar("T")

InputCallback = Callable[[Audio, float, int, float], None]
"""Block (frames, channels), stamp of its first sample in seconds, status flags, ``perf_counter()`` at entry."""
OutputCallback = Callable[[Audio, float, int, float], None]
"""As for input, but the block is to be filled, and the stamp is when its first sample leaves the converter."""

_LATENCY_SECONDS = {"input": 0.24, "output": 0.48}
"""Device buffering asked for. A late callback then costs nothing, and a recording is in no hurry; on a machine with
seven busy programs per core, 0.16 s of output ran dry twice in a minute."""

_BEGIN_SECONDS, _CLOSE_SECONDS = 10.0, 5.0
"""A device that has not opened or started, or not let go, by then is left."""

_LEFT: list["Stream"] = []
"""Streams inside which a thread still hangs: touched no more, but kept, because PortAudio may yet call back."""

_steps = ClockSteps()
"""One for all streams, so that their stamps stay on one clock."""


class Stream(Protocol):
    """The part of a PortAudio stream that the recorder uses."""

    @property
    def active(self) -> bool:
        """False once the device is gone or the stream was stopped."""

    @property
    def latency(self) -> float:
        """Buffering in seconds, as PortAudio reports it."""

    @property
    def time(self) -> float:
        """Now, in seconds on the clock of the time stamps."""

    def start(self) -> None:
        """Begin calling back."""

    def close(self) -> None:
        """Stop and let go of the device."""


class _Side:
    """A stream of PortAudio's, or one direction of a duplex stream; the microphone's side starts and closes both."""

    def __init__(self, stream: Any, side: int | None = None) -> None:
        self._stream, self._side = stream, side

    @property
    def active(self) -> bool:
        return bool(self._stream.active)

    @property
    def latency(self) -> float:
        latency = self._stream.latency
        return float(latency if self._side is None else latency[self._side])

    @property
    def time(self) -> float:
        now = float(self._stream.time)
        return _steps.taken_out(now, now)

    def start(self) -> None:
        if not self._side:
            self._stream.start()

    def close(self) -> None:
        if not self._side:
            self._stream.close()


def open_input(how: StreamSettings, callback: InputCallback) -> Stream:
    """Open a microphone; nothing flows before ``start``.

    Raises:
        WorkbenchError: the device is busy, gone or refuses.
    """

    def on_block(block: Audio, frames: int, time: Any, status: Any) -> None:
        began = perf_counter()
        callback(block, _steps.taken_out(time.inputBufferAdcTime, time.currentTime), status._flags, began)

    return _Side(_open(load_sounddevice().InputStream, [how], on_block))


def open_output(how: StreamSettings, callback: OutputCallback) -> Stream:
    """Open a loudspeaker; nothing flows before ``start``.

    Raises:
        WorkbenchError: the device is busy, gone or refuses.
    """

    def on_block(block: Audio, frames: int, time: Any, status: Any) -> None:
        began = perf_counter()
        callback(block, _steps.taken_out(time.outputBufferDacTime, time.currentTime), status._flags, began)

    return _Side(_open(load_sounddevice().OutputStream, [how], on_block))


def open_duplex(
    microphone: StreamSettings, loudspeaker: StreamSettings, heard: InputCallback, played: OutputCallback
) -> tuple[Stream, Stream]:
    """Open microphone and loudspeaker as one stream; nothing flows before ``start``.

    The two are called block for block. Both get all status flags: what a duplex stream loses, both lose.

    Returns:
        The stream, as the microphone and as the loudspeaker.

    Raises:
        WorkbenchError: a device is busy, gone or refuses.
    """

    def on_block(block: Audio, free: Audio, frames: int, time: Any, status: Any) -> None:
        began = perf_counter()
        now = time.currentTime
        played(free, _steps.taken_out(time.outputBufferDacTime, now), status._flags, began)
        heard(block, _steps.taken_out(time.inputBufferAdcTime, now), status._flags, perf_counter())

    stream = _open(load_sounddevice().Stream, [microphone, loudspeaker], on_block)
    return _Side(stream, 0), _Side(stream, 1)


def start(stream: Stream, name: str) -> None:
    """Let a stream run.

    PortAudio never comes back from starting a stream on a PulseAudio server that has ended since it was opened; such a
    stream is left behind.

    Raises:
        WorkbenchError: it does not begin; ``name`` is what the line calls its device.
    """
    try:
        _within(_BEGIN_SECONDS, stream.start)
    except TimeoutError:
        _LEFT.append(stream)
        raise WorkbenchError(f"{name} did not begin within {_BEGIN_SECONDS:g} s") from None
    except Exception as error:  # PortAudio's, mostly
        raise WorkbenchError(f"{name} did not begin: {reason_of(error)}") from None


def close(stream: Stream) -> None:
    """Let go of a stream's device, whatever has become of it.

    PortAudio never comes back from closing a stream on a JACK server that has ended; such a stream is left behind.
    """

    if stream in _LEFT:
        return
    try:
        _within(_CLOSE_SECONDS, stream.close)
    except TimeoutError:
        _LEFT.append(stream)
    except Exception:  # a device that is gone may refuse even this
        pass


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Work that may hang, in a thread that does not keep the program.

    Raises:
        TimeoutError: it hangs.
        Exception: its own.
    """
    done: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="device", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        if (sd := sys.modules.get("sounddevice")) is not None:
            atexit.unregister(sd._exit_handler)  # it would wait for the same
        raise TimeoutError
    if failed:
        raise failed[0]
    return done[0]


def _open(make: Any, both: Sequence[StreamSettings], on_block: Any) -> Any:
    def each(values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else tuple(values)

    def work() -> Any:
        return make(
            device=each([how.device.index for how in both]),
            samplerate=both[0].rate,
            blocksize=both[0].frames,
            channels=each([how.channels for how in both]),
            dtype="float32",
            latency=each([how.latency or _LATENCY_SECONDS[how.kind] for how in both]),
            callback=on_block,
            clip_off=True,
            dither_off=True,
        )

    names = " and ".join(f"{how.kind} device {how.device.name!r}" for how in both)
    try:
        with quiet():
            return _within(_BEGIN_SECONDS, work)
    except TimeoutError:
        raise WorkbenchError(f"{names}: did not open within {_BEGIN_SECONDS:g} s") from None
    except load_sounddevice().PortAudioError as error:
        raise WorkbenchError(f"{names}: {reason_of(error)}") from None
