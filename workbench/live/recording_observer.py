"""The assistant during a recording: its thread, its log, and how far it is behind."""

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from workbench.arrays import Audio
from workbench.assistants import assistant, knobs_of
from workbench.config import Config, to_dict
from workbench.errors import WorkbenchError
from workbench.live.assistant import LiveAssistant
from workbench.live.duplex import LiveDuplex
from workbench.live.loudspeaker_device import DevicePlayback, OpenDevicePlayback
from workbench.live.microphone import LiveMicrophone
from workbench.recording.callbacks import Speaker
from workbench.recording.observer import LIVE, Clock
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import Dropped, Event, Header
from workbench.trace_file import format_event
from workbench.units import FRAME_RATE

_BEHIND_SECONDS = 1.0
"""From here on the assistant is said to be behind the microphone."""
_GIVEN_UP_SECONDS = 300.0
"""So far behind it is stopped; what waits for it takes memory, 96 kB a second."""
_WARM_SECONDS = 60.0
"""How long the devices wait for a model's first steps."""
_FINISH_SECONDS = 10.0
"""How long the end of a recording waits for the step that is being made."""


class LiveAssistantObserver:
    """See :class:`workbench.recording.observer.RecordingObserver`.

    Args:
        stages: of the stack, or the one model that is all of them; see :func:`workbench.live.assistant.check_live`.
        config: the knobs.
    """

    def __init__(self, stages: Stages | DuplexModel, config: Config) -> None:
        self._config = config
        knobs = knobs_of(config)
        self._takes_turns = isinstance(stages, Stages)
        self._drops = self._takes_turns and assistant(knobs.assistant).drops_blocks
        prebuffer = knobs.playback.prebuffer
        self._playback = DevicePlayback(prebuffer) if self._takes_turns else OpenDevicePlayback(prebuffer)
        self._mic = LiveMicrophone(knobs.listen.threshold, self._playback.arrived)
        self._assistant: LiveAssistant | LiveDuplex
        if isinstance(stages, Stages):
            self._assistant = LiveAssistant(stages, knobs, self._mic, self._playback, self._log)
        else:
            assert isinstance(self._playback, OpenDevicePlayback)
            self._assistant = LiveDuplex(stages, knobs, self._mic, self._playback, self._log)
        self._thread = threading.Thread(target=self._run, name="assistant", daemon=True)
        self._file: TextIO | None = None
        self._deaf = False
        self._error = ""
        self._most_behind = 0.0
        self._dropped = 0

    def begin(self, tape: Path, speaker: Speaker, clock: Clock) -> None:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        self._playback.open(clock, speaker)
        own = self._config.workbench
        header = Header(
            session=tape.parent.name,
            samples=0,
            playout=clock.output_latency(),
            stack=self._config.stack.name,
            listener=own.listener,
            executors=own.placement,
            costs="live",
            timing=own.timing,
            fingerprint=self._config.fingerprint,
        )
        self._file = (tape / LIVE).open("a", encoding="utf-8", newline="\n")
        self._write(json.dumps({"header": asdict(header), "config": to_dict(self._config)}))
        self._thread.start()
        if isinstance(self._assistant, LiveDuplex):
            self._assistant.ready.wait(_WARM_SECONDS)

    def hear(self, pcm: Audio) -> None:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        if self._deaf:
            return
        self._mic.add(pcm)
        behind = self._mic.waiting / FRAME_RATE
        self._most_behind = max(self._most_behind, behind)
        if behind > _GIVEN_UP_SECONDS:
            self._error = self._error or f"it was {_GIVEN_UP_SECONDS:.0f} s behind the microphone"
            self.end()

    def played(self, cue: int, sample: int) -> None:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        self._playback.played(cue, sample)

    def end(self) -> None:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        self._deaf = True
        self._mic.end()

    def finish(self) -> tuple[str, ...]:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        if self._thread.ident is not None:  # a recording may end before it began
            self._thread.join(_FINISH_SECONDS)
        if self._thread.is_alive():
            self._error = self._error or f"a step took more than {_FINISH_SECONDS:.0f} s when the recording ended"
        replies = self._assistant.replies
        s = "s" * (replies != 1)
        said = [
            f"the assistant {f'answered {replies} time{s}' if self._takes_turns else f'made {replies} utterance{s}'}"
        ]
        if self._error:
            said.append(f"the assistant was stopped: {self._error}; the recording went on")
        if self._dropped:
            s = "s" * (self._dropped != 1)
            said.append(
                f"its STT was too slow for {self._dropped} block{s} of 80 ms, which the listener's queue of four "
                "dropped, as MLX-Harmony's does; the recording has them"
            )
        if self._most_behind >= _BEHIND_SECONDS and not self._drops:
            said.append(
                f"the assistant was up to {self._most_behind:.1f} s behind the microphone: this stack is slower than "
                "real time here; nothing is missing from the recording"
            )
        return tuple(said)

    @property
    def state(self) -> str:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        if self._error:
            return "stopped"
        replies = self._assistant.replies
        done = "answered" if self._takes_turns else "utterance" + "s" * (replies != 1)
        return f"{self._assistant.doing}, {replies} {done}"

    @property
    def trouble(self) -> str:
        """See :class:`workbench.recording.observer.RecordingObserver`."""
        if self._error:
            return f"ASSISTANT STOPPED: {self._error}"
        behind = 0 if self._drops else self._mic.waiting / FRAME_RATE  # what waits is dropped, or nobody listens
        return f"ASSISTANT IS {behind:.0f} s BEHIND" if behind >= _BEHIND_SECONDS else ""

    def _run(self) -> None:
        try:
            self._assistant.run()
        except WorkbenchError as error:
            self._error = str(error)
        except OSError as error:
            self._error = f"its log cannot be written ({error.strerror})"
        except Exception as error:  # a stack's fault must not end the recording, and must not pass unseen
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._deaf = True
            if self._error:
                self._playback.stop()  # or what it still owes would count as starved for the rest of the recording
            if self._file is not None:
                self._file.close()

    def _log(self, events: list[Event]) -> None:
        for event in events:
            self._dropped += isinstance(event, Dropped)
            self._write(format_event(event))

    def _write(self, line: str) -> None:
        assert self._file is not None
        self._file.write(line + "\n")
        self._file.flush()
