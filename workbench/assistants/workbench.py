"""Assistant ``workbench``: MLX-Harmony's loops without their faults."""

from collections.abc import Iterator, Mapping

from workbench.assistants.protocol import Ears, Listening, NextListen, first_frame
from workbench.assistants.workbench_listener import listen
from workbench.barge_in.protocol import BargeInDecision
from workbench.config import AssistantConfig, Config, Knob
from workbench.knobs import default
from workbench.stages.chunker import SentenceChunker
from workbench.stages.playback import OneStream
from workbench.units import frame_at


class Workbench:
    """See :class:`workbench.assistants.protocol.Assistant`."""

    chunker = SentenceChunker()
    playout = OneStream()
    watches_chunks = False
    corrected = ""
    drops_blocks = False

    def acts_as(self, config: Config) -> Mapping[str, Knob]:
        """See :class:`workbench.assistants.protocol.Assistant`."""
        from workbench.assistants import assistant as named

        assistant, own = config.assistant, config.workbench
        unread = {*_unread(assistant), *named(own.chunker).chunker.unread(assistant)}
        acts: dict[str, Knob] = {name: default(name) for name in unread}
        # Silence of no frame ends a turn with the first quiet frame, as one of a frame does.
        if "stt_silence_ms" not in unread:
            acts["stt_silence_ms"] = max(1, assistant.stt_silence_ms)
        # Without barge-in the STT is still while the agent speaks: only an LM that still writes shares the device then.
        if not assistant.barge_in and not (assistant.tts_stream and own.placement == "split"):
            acts["placement"] = "serial"
        return acts

    def listen(self, ears: Ears, opening: NextListen) -> Listening:
        """See :class:`workbench.assistants.protocol.Assistant`."""
        return listen(ears, opening)

    def next_listen(self, last: int, over: int, stopped: BargeInDecision | None) -> NextListen:
        """See :class:`workbench.assistants.protocol.Assistant`: what interrupted begins the next turn."""
        if stopped is None:
            return NextListen(over, -1, first_frame(over))
        return NextListen(stopped.at, frame_at(stopped.frame_end - 1), last + 1)


def _unread(assistant: AssistantConfig) -> Iterator[str]:
    yield from ("stt_max_seconds", "barge_in_window_seconds")
    if not assistant.stt_vad:
        yield from ("stt_vad_threshold", "stt_vad_hits")
    if not assistant.stt_silence:
        yield from ("stt_silence_ms", "stt_min_speech_ms")
        if not assistant.barge_in:
            yield "stt_silence_threshold"


ASSISTANT = Workbench()
