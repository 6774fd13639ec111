"""Microphone and loudspeaker through PortAudio: the only module that imports sounddevice.

Microphone and loudspeaker are one duplex stream where PortAudio handles both in one go (:func:`one_stream`): on JACK,
and for one device that does both. Their sample counters are then locked. On JACK it has to be so, because the clock of
each stream begins when that stream is opened.

Elsewhere they are two streams whose time stamps are of one clock. PortAudio runs a duplex stream through ALSA with a
loop of its own, and ``benchmarks/one_stream.py`` shows what becomes of it on PulseAudio. With blocks of a fixed size,
the loop feeds the output alone while input is late, which uses up the block that PortAudio keeps ahead; whatever the
device then takes between two blocks is old samples, and no flag reports them. With blocks of the host's size every
sample arrives, but blocks are read in parts that the time stamps do not count: they are off by up to a block for
seconds, and cannot tell what a hole is. On Core Audio the time stamps of a duplex stream of two devices leave out the
buffer between the two.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, TypeVar

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.recording.clock_steps import ClockSteps
from workbench.units import FRAME_MS, SAMPLE_RATE

T = TypeVar("T")

InputCallback = Callable[[Audio, float, int, float], None]
"""Block (frames, channels), stamp of its first sample in seconds, status flags, ``perf_counter()`` at entry."""
OutputCallback = Callable[[Audio, float, int, float], None]
"""As for input, but the block is to be filled, and the stamp is when its first sample leaves the converter."""

_RATES = (48_000, 44_100, 96_000, 32_000, 16_000)
_LATENCY_SECONDS = {"input": 0.24, "output": 0.48}
"""Device buffering asked for. A late callback then costs nothing, and a recording is in no hurry; on a machine with
seven busy programs per core, 0.16 s of output ran dry twice in a minute."""

_BEGIN_SECONDS, _CLOSE_SECONDS = 10.0, 5.0
"""A device that has not opened or started, or not let go, by then is left."""

_LEFT: list["Stream"] = []
"""Streams inside which a thread still hangs: touched no more, but kept, because PortAudio may yet call back."""

_JACK, _ALSA = "JACK Audio Connection Kit", "ALSA"
"""Names of host APIs."""

_steps = ClockSteps()
"""One for all streams, so that their stamps stay on one clock."""

_HIDDEN = "; one that another program holds is not seen: close that first" if sys.platform == "linux" else ""
"""On ALSA, PortAudio leaves out a device that it cannot open while it looks at what there is."""


@dataclass(frozen=True)
class Device:
    """One PortAudio device."""

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    rate: int
    is_default_input: bool
    is_default_output: bool


@dataclass(frozen=True)
class StreamSettings:
    """How a device will be opened, and what is done to fit it to 24 kHz mono."""

    device: Device
    kind: str
    rate: int
    channels: int
    latency: float = 0.0
    """Buffering asked for, in seconds; 0 is what a recording wants."""

    @property
    def frames(self) -> int:
        """Samples per 80 ms block at the device's rate: 1920 at 24 kHz."""
        return self.rate * FRAME_MS // 1000

    @property
    def is_exact(self) -> bool:
        """Whether the samples pass unchanged."""
        return self.rate == SAMPLE_RATE and self.channels == 1

    @property
    def words(self) -> str:
        """What will be done, for people."""
        if self.is_exact:
            return "24 kHz mono, sample for sample"
        steps = []
        if self.channels > 1:
            steps.append(
                f"{self.channels} channels {'mixed to mono' if self.kind == 'input' else 'get the same signal'}"
            )
        if self.rate != SAMPLE_RATE:
            steps.append(f"{self.rate / 1000:g} kHz {'to' if self.kind == 'input' else 'from'} 24 kHz by soxr")
        return ", ".join(steps)


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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what PortAudio and ALSA print on stderr about every device they try from the user."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:
        if "PortAudio" not in str(error):
            raise
        raise WorkbenchError(
            "PortAudio is not installed: 'apt install libportaudio2' on Debian, 'brew install portaudio' on a Mac"
        ) from None
    return sounddevice


def devices() -> list[Device]:
    """All devices PortAudio sees, in its order.

    Raises:
        WorkbenchError: PortAudio is missing.
    """
    sd = _sounddevice()
    hosts = sd.query_hostapis()
    default_input, default_output = sd.default.device
    found = []
    for index, entry in enumerate(sd.query_devices()):
        found.append(
            Device(
                index=index,
                name=entry["name"],
                host=hosts[entry["hostapi"]]["name"],
                inputs=entry["max_input_channels"],
                outputs=entry["max_output_channels"],
                rate=round(entry["default_samplerate"]),
                is_default_input=index == default_input,
                is_default_output=index == default_output,
            )
        )
    return found


def find_device(wanted: str | None, kind: str) -> Device:
    """The device of a kind (``input`` or ``output``) by number, name or part of its name; the default for None.

    Raises:
        WorkbenchError: there is none, none of that name, or more than one that fits.
    """
    able = [device for device in devices() if (device.inputs if kind == "input" else device.outputs) > 0]
    if not able:
        raise WorkbenchError(f"no audio {kind} device: plug one in, then look at 'workbench devices'")
    if wanted is None:
        chosen = [d for d in able if (d.is_default_input if kind == "input" else d.is_default_output)] or able[:1]
    elif wanted.isdecimal():
        chosen = [device for device in able if device.index == int(wanted)]
    else:
        chosen = [device for device in able if device.name == wanted] or [
            device for device in able if wanted.lower() in device.name.lower()
        ]
    if not chosen:
        raise WorkbenchError(f"no audio {kind} device {wanted!r} ('workbench devices' lists them){_HIDDEN}")
    if len(chosen) > 1:
        names = ", ".join(f"{device.index} {device.name}" for device in chosen[:4])
        raise WorkbenchError(f"{kind} device {wanted!r} fits several ({names}): give its number or whole name")
    return chosen[0]


def stream_settings(device: Device, kind: str, rate: int | None = None) -> StreamSettings:
    """The nearest to 24 kHz mono that a device can do.

    Args:
        device: what to open.
        kind: ``input`` or ``output``.
        rate: use this rate and no other.

    Raises:
        WorkbenchError: the device cannot be opened at all.
    """
    sd = _sounddevice()
    check = sd.check_input_settings if kind == "input" else sd.check_output_settings
    most = device.inputs if kind == "input" else device.outputs
    rates = (rate,) if rate else (SAMPLE_RATE, device.rate, *_RATES)
    problem = "it takes none of the usual rates"
    for candidate in rates:
        for channels in sorted({1, min(2, most), most}):
            try:
                with _quiet():
                    check(device=device.index, channels=channels, samplerate=candidate, dtype="float32")
            except sd.PortAudioError as error:
                problem = _reason(error)
            else:
                return StreamSettings(device, kind, candidate, channels)
    at = f" at {rate} Hz" if rate else ""
    raise WorkbenchError(
        f"{kind} device {device.name!r} cannot be opened{at}: {problem} ('workbench devices' lists others)"
    )


def one_stream(microphone: StreamSettings, loudspeaker: StreamSettings) -> bool:
    """Whether the two are to be opened as one duplex stream.

    Raises:
        WorkbenchError: no stream does both, and the time stamps of two could not be compared.
    """
    mic, speaker = microphone.device, loudspeaker.device
    if (mic.host == _JACK) != (speaker.host == _JACK):
        raise WorkbenchError(
            f"microphone on {mic.host} and loudspeaker on {speaker.host} have no clock in common: "
            "choose both from one of them with --device and --output"
        )
    if mic.host == _JACK:
        return True  # one rate, that of the server
    return mic.index == speaker.index and mic.host != _ALSA and microphone.rate == loudspeaker.rate


def open_input(how: StreamSettings, callback: InputCallback) -> Stream:
    """Open a microphone; nothing flows before ``start``.

    Raises:
        WorkbenchError: the device is busy, gone or refuses.
    """

    def on_block(block: Audio, frames: int, time: Any, status: Any) -> None:
        began = perf_counter()
        callback(block, _steps.taken_out(time.inputBufferAdcTime, time.currentTime), status._flags, began)

    return _Side(_open(_sounddevice().InputStream, [how], on_block))


def open_output(how: StreamSettings, callback: OutputCallback) -> Stream:
    """Open a loudspeaker; nothing flows before ``start``.

    Raises:
        WorkbenchError: the device is busy, gone or refuses.
    """

    def on_block(block: Audio, frames: int, time: Any, status: Any) -> None:
        began = perf_counter()
        callback(block, _steps.taken_out(time.outputBufferDacTime, time.currentTime), status._flags, began)

    return _Side(_open(_sounddevice().OutputStream, [how], on_block))


def open_duplex(
    microphone: StreamSettings, loudspeaker: StreamSettings, heard: InputCallback, played: OutputCallback
) -> tuple[Stream, Stream]:
    """Open microphone and loudspeaker as one stream; nothing flows before ``start``.

    Audio for block the two go together. Both are told of all status flags: what a duplex stream loses, both lose.

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

    stream = _open(_sounddevice().Stream, [microphone, loudspeaker], on_block)
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
        raise WorkbenchError(f"{name} did not begin: {_reason(error)}") from None


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
        with _quiet():
            return _within(_BEGIN_SECONDS, work)
    except TimeoutError:
        raise WorkbenchError(f"{names}: did not open within {_BEGIN_SECONDS:g} s") from None
    except _sounddevice().PortAudioError as error:
        raise WorkbenchError(f"{names}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """PortAudio's message in words that say what to do."""
    text = str(error.args[0]) if error.args else str(error)
    code = error.args[1] if len(error.args) > 1 else None
    if code == -9985 or "busy" in text.lower():
        return "busy or gone; close the program that uses it, or choose another with --device"
    if code == -9997:
        return "it does not do this sample rate"
    if code == -9998:
        return "it does not have that many channels"
    if code == -9999 and len(error.args) > 2:
        return str(error.args[2][2]).lower()  # the system's own words
    return text.rstrip(".")
