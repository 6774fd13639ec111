"""Recorder: opens the devices, runs callbacks, writer and feeder, watches them and stops them in order."""

import gc
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from workbench.errors import WorkbenchError
from workbench.recording.callbacks import Feeder, InputTap, OutputTap, Speaker
from workbench.recording.devices import StreamSettings
from workbench.recording.levels import GateMeter, LevelMeter
from workbench.recording.observer import Clock, RecordingObserver
from workbench.recording.plan import RecordingPlan, StopReason
from workbench.recording.portaudio import (
    InputCallback,
    OutputCallback,
    Stream,
    close,
    open_duplex,
    open_input,
    open_output,
    start,
)
from workbench.recording.ring import BlockRing
from workbench.recording.sound_server import Source, SourceWatch
from workbench.recording.tape import TapeWriter
from workbench.recording.writer import TrackWriter, Writer
from workbench.sessions.folders import PARTIAL
from workbench.units import SAMPLE_RATE, seconds_to_samples

_RING_SLOTS = 750
"""Blocks between callback and disk: one minute."""
_QUEUE_SLOTS = 125
"""Blocks read ahead for playing: ten seconds."""
_SILENT_SECONDS = 10.0
"""A device that gives no block for so long is taken for gone."""
_TAIL_SECONDS = 1.0
"""Recorded after the last sample that was played has left the loudspeaker."""
_BEHIND_SECONDS = 2.0
"""From here on the writer is said to be behind."""
_CATCH_UP_SECONDS = 0.5
"""A writer that is behind no longer than this has only been handed much at once."""
_URGENT = -10
_BYTES_PER_SECOND = SAMPLE_RATE * 3 * 2
"""Disk that a second of one track takes while the take is finished: the tape and the FLAC, at worst."""


Opener = tuple[Callable[[StreamSettings, InputCallback], Stream], Callable[[StreamSettings, OutputCallback], Stream]]


class Recorder:
    """A recording from its first to its last sample.

    Args:
        plan: what to record.
        openers: how input and output are opened where they are two streams.

    Raises:
        WorkbenchError: a device cannot be opened, the name is taken, the folder cannot be written.
    """

    def __init__(self, plan: RecordingPlan, openers: Opener = (open_input, open_output)) -> None:
        self.plan = plan
        self.levels = LevelMeter(GateMeter(*plan.gate))
        self.mic_ring = BlockRing(_RING_SLOTS, plan.input.frames, plan.input.channels)
        self._streams: list[Stream] = []
        self._names = [f"the microphone ({plan.input.device.name})"]
        self.lines = [TrackWriter("mic", self.mic_ring, plan.input.rate)]
        self.tap: OutputTap | None = None
        self.speaker: Speaker | None = None
        self._feeder: Feeder | None = None
        if plan.output is not None:
            self.tap = self._make_output(plan.output)
        if plan.loopback is not None:
            self._names.append(f"the agent's device ({plan.loopback.device.name})")
            played = BlockRing(_RING_SLOTS, plan.loopback.frames, plan.loopback.channels)
            self.lines.append(TrackWriter("agent", played, plan.loopback.rate))
        try:
            self._open(openers)
            limit = None if plan.seconds is None else seconds_to_samples(plan.seconds)
            tape = TapeWriter(plan.folder, tuple(line.track for line in self.lines), self._header())
        except BaseException:
            self._close_streams()
            raise
        self.lock = tape.lock
        self.writer = Writer(tape, self.lines, self.levels, limit, plan.follower, plan.one_stream)
        self._sources = SourceWatch(self._source_moved)
        self._heard = 0
        self._heard_at = self._looked_at = time.monotonic()
        self._behind_since: float | None = None
        self._played_out: int | None = None
        self._disk = (0.0, 0.0)
        self._niceness = os.getpriority(os.PRIO_PROCESS, 0)
        self.remarks: tuple[str, ...] = ()
        """What the follower has to say in the end."""

    def _make_output(self, output: StreamSettings) -> OutputTap:
        queue = BlockRing(_QUEUE_SLOTS, output.frames, 1)
        played = BlockRing(_RING_SLOTS, output.frames, 1)
        tap = OutputTap(queue, played)
        self._names.append(f"the loudspeaker ({output.device.name})")
        if self.plan.play is not None:
            self._feeder = Feeder(self.plan.play, queue, tap, output.rate)
        else:
            self.speaker = Speaker(queue, played, tap, output.rate)
        self.lines.append(TrackWriter("agent", played, output.rate))
        return tap

    def _open(self, openers: Opener) -> None:
        plan, heard = self.plan, InputTap(self.mic_ring)
        if plan.one_stream and plan.output is not None and self.tap is not None:
            self._streams += open_duplex(plan.input, plan.output, heard, self.tap)
            return
        self._streams.append(openers[0](plan.input, heard))
        if plan.output is not None and self.tap is not None:
            self._streams.append(openers[1](plan.output, self.tap))
        if plan.loopback is not None:
            self._streams.append(openers[0](plan.loopback, InputTap(self.lines[-1].ring)))

    def start(self) -> None:
        """Let the streams run. The session's first sample comes once they have settled, in 1 to 3 s.

        Raises:
            WorkbenchError: a device does not begin, or the follower's log cannot be written; ``stop`` all the same.
        """
        if self.plan.follower is not None and self.speaker is not None:
            self._begin(self.plan.follower, self.speaker)  # at its own priority: the recording comes first
        _prioritise(_URGENT)  # inherited by the threads that are started now
        gc.collect()
        gc.freeze()  # a collection inside a callback then has little to look at
        sys.setswitchinterval(0.001)  # a callback waits this long at most for the interpreter
        self.writer.start()
        if self._feeder is not None:
            self._feeder.start()
        for stream, name in zip(self._streams, self._names, strict=True):
            start(stream, name)
        self._sources.start()
        self._heard_at = self._looked_at = time.monotonic()

    def _source_moved(self, before: Source, after: Source) -> None:
        if self.writer.ready.is_set():
            self.writer.note("moved", source=after.name, rate=after.rate, cause=f"the sound server left {before.name}")

    def _begin(self, follower: RecordingObserver, speaker: Speaker) -> None:
        clock = Clock(self._now, self._agent_offset, self._output_latency)
        try:
            follower.begin(self.plan.folder / PARTIAL, speaker, clock)
        except OSError as error:
            raise WorkbenchError(f"the assistant's log cannot be written ({error.strerror})") from None

    def _now(self) -> int:
        """The present moment on the microphone tape, by the stream's time stamps; 0 where they do not tell."""
        origin = self.writer.origins.get("mic")
        with suppress(Exception):  # a stream that is closed has no time
            return 0 if origin is None else max(0, round(self._streams[0].time * SAMPLE_RATE - origin))
        return 0

    def _agent_offset(self) -> int:
        origins = self.writer.origins
        return round(origins["agent"] - origins["mic"]) if "agent" in origins else 0

    def _output_latency(self) -> int:
        return seconds_to_samples(self._streams[-1].latency)

    def watch(self) -> StopReason | None:
        """Look after everything; call it some ten times a second. Returns why the take has ended, once it has."""
        if self.tap is not None:
            self.tap.playing = self.writer.ready.is_set() and not self.writer.paused
        self._watch_writer()
        if self.writer.error is not None:
            reason = self.writer.error.strerror or str(self.writer.error)
            return StopReason(False, f"the disk gave up ({reason})")
        if self.writer.is_full:
            return StopReason(True, "the length asked for is reached")
        if self._feeder is not None and self._feeder.error:
            return StopReason(False, self._feeder.error)
        return self._lost_device() or self._play_is_over()

    def _watch_writer(self) -> None:
        now = time.monotonic()
        if self.writer.ready.is_set() and now - self._looked_at >= _BEHIND_SECONDS:
            self.writer.note("stalled", seconds=round(now - self._looked_at, 1), cause="the program was stopped")
            self._heard_at = now  # a device could give nothing, so it is not lost yet
        self._looked_at = now
        if self.writer.behind_seconds >= _BEHIND_SECONDS:
            self._behind_since = self._behind_since or now
        elif self._behind_since is not None:
            waited = now - self._behind_since
            self._behind_since = None
            if waited >= _CATCH_UP_SECONDS:
                self.writer.note("stalled", seconds=round(waited + _BEHIND_SECONDS, 1), cause="the disk was slow")

    def _lost_device(self) -> StopReason | None:
        now = time.monotonic()
        if self.mic_ring.pushed != self._heard:
            self._heard, self._heard_at = self.mic_ring.pushed, now
        for stream, name in zip(self._streams, self._names, strict=True):
            if not stream.active:
                return self._gone(f"{name} went away")
        if now - self._heard_at > _SILENT_SECONDS:
            return self._gone(f"{self._names[0]} gave no audio for {_SILENT_SECONDS:g} s")
        return None

    def _gone(self, why: str) -> StopReason:
        self.writer.note("device_lost", cause=why)
        return StopReason(False, why)

    def _play_is_over(self) -> StopReason | None:
        if self.tap is None or self._feeder is None or not self.tap.is_done:
            return None
        if self._played_out is None:
            self._played_out = self.writer.samples
        tail = _TAIL_SECONDS + sum(stream.latency for stream in self._streams)
        if self.plan.seconds is None and self.writer.samples - self._played_out >= seconds_to_samples(tail):
            return StopReason(True, "all was played")
        return None

    def stop(self) -> dict[str, Any]:
        """Stop the streams, write what is left, close the tape; returns what was learned about the devices."""
        latencies = [round(stream.latency, 3) for stream in self._streams]
        self._sources.stop()
        self._close_streams()
        if self._feeder is not None and self._feeder.is_alive():
            self._feeder.stop()
            self._feeder.join()
        self.writer.stop()
        if self.writer.ident is None:  # the take never began: only the tape is to be closed
            self.writer.run()
        else:
            self.writer.join()
        self.remarks = self.plan.follower.finish() if self.plan.follower is not None else ()
        gc.unfreeze()
        _prioritise(self._niceness)
        facts: dict[str, Any] = {"latency_seconds": dict(zip([x.track for x in self.lines], latencies, strict=True))}
        for line in self.lines:
            times = line.ring.times
            facts[f"{line.track}_callback_ms"] = {
                "n": times.calls,
                "p50": round(times.percentile(0.5) * 1000, 2),
                "p99": round(times.percentile(0.99) * 1000, 2),
                "max": round(times.longest * 1000, 2),
            }
        if self._sources.first is not None:
            facts["source"] = asdict(self._sources.first)
        return facts | self.writer.counts

    @property
    def free_seconds(self) -> float:
        """How long the disk lasts; asked of the system once a second."""
        now = time.monotonic()
        if now - self._disk[0] >= 1.0:
            with suppress(OSError):
                free = shutil.disk_usage(self.plan.folder).free
                self._disk = (now, free / (_BYTES_PER_SECOND * len(self.lines)))
        return self._disk[1]

    def _header(self) -> dict[str, Any]:
        plan = self.plan
        device: dict[str, Any] = {"input": _device_facts(plan.input)}
        if plan.output is not None:
            device |= {"output": _device_facts(plan.output), "one_stream": plan.one_stream}
        if plan.loopback is not None:
            device |= {"agent_input": _device_facts(plan.loopback)}
        return {
            "name": plan.folder.name,
            "limit": None if plan.seconds is None else seconds_to_samples(plan.seconds),
            "device": device,
            "calibration": plan.calibration,
            "provenance": {"recorded_at": datetime.now(UTC).isoformat(timespec="seconds"), **(plan.about or {})},
        }

    def _close_streams(self) -> None:
        for stream in self._streams:
            close(stream)


def _prioritise(niceness: int) -> None:
    """Ask for processor time before others, where the system allows it: others can wait, sound cannot."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)


def _device_facts(how: StreamSettings) -> dict[str, Any]:
    return {
        "name": how.device.name,
        "host": how.device.host,
        "rate": how.rate,
        "channels": how.channels,
        "fit": how.words,
    }
