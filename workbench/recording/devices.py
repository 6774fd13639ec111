"""Audio devices: which there are, which one a name means, and at what rate and channels it opens.

PortAudio finds them; only :mod:`workbench.recording.portaudio` and this module import sounddevice.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workbench.errors import WorkbenchError
from workbench.units import FRAME_MS, SAMPLE_RATE

_RATES = (48_000, 44_100, 96_000, 32_000, 16_000)
_JACK, _ALSA = "JACK Audio Connection Kit", "ALSA"
"""Names of host APIs."""

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


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what PortAudio and ALSA print on stderr about every device they try from the user."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def load_sounddevice() -> Any:
    """The sounddevice module, which needs the PortAudio library.

    Raises:
        WorkbenchError: PortAudio is missing.
    """
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
    sd = load_sounddevice()
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
    sd = load_sounddevice()
    check = sd.check_input_settings if kind == "input" else sd.check_output_settings
    most = device.inputs if kind == "input" else device.outputs
    rates = (rate,) if rate else (SAMPLE_RATE, device.rate, *_RATES)
    problem = "it takes none of the usual rates"
    for candidate in rates:
        for channels in sorted({1, min(2, most), most}):
            try:
                with quiet():
                    check(device=device.index, channels=channels, samplerate=candidate, dtype="float32")
            except sd.PortAudioError as error:
                problem = reason_of(error)
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


def check_one_clock(microphone: StreamSettings, loopback: StreamSettings) -> None:
    """Check that two inputs can be laid on one clock.

    Raises:
        WorkbenchError: they are one device, or their time stamps could not be compared.
    """
    mic, agent = microphone.device, loopback.device
    if mic.index == agent.index:
        raise WorkbenchError(
            f"--agent-device {agent.name!r} is the microphone: name the device that gives what the assistant plays "
            "(docs/record.md), and the microphone with --device"
        )
    if (mic.host == _JACK) != (agent.host == _JACK):
        raise WorkbenchError(
            f"microphone on {mic.host} and the agent's device on {agent.host} have no clock in common: "
            "choose both from one of them with --device and --agent-device"
        )


def reason_of(error: Exception) -> str:
    """PortAudio's message as an instruction to the user."""
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
