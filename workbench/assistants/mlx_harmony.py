"""Assistant ``mlx-harmony``: MLX-Harmony (branch ``moshi-dev``) as shipped, faults included."""

from collections.abc import Iterator, Mapping

from workbench.assistants.mlx_harmony_chunker import MlxHarmonyChunker
from workbench.assistants.mlx_harmony_listener import listen
from workbench.assistants.protocol import Ears, Listening, NextListen, first_frame
from workbench.barge_in.protocol import BargeInDecision
from workbench.barge_in_knobs import BARGE_IN_KNOBS
from workbench.config import AssistantConfig, Config, Knob
from workbench.errors import WorkbenchError
from workbench.knobs import default
from workbench.stages.playback import StreamPerChunk


class MlxHarmony:
    """See :class:`workbench.assistants.protocol.Assistant`."""

    chunker = MlxHarmonyChunker()
    playout = StreamPerChunk()
    watches_chunks = True
    corrected = "workbench"
    drops_blocks = True

    def acts_as(self, config: Config) -> Mapping[str, Knob]:
        """See :class:`workbench.assistants.protocol.Assistant`."""
        assistant, own = config.assistant, config.workbench
        if assistant.tts_stream and assistant.barge_in:
            raise WorkbenchError("tts_stream with barge_in: mlx-harmony refuses the two together; set one to false")
        unread = {*_unread(assistant), *self.chunker.unread(assistant)}
        acts: dict[str, Knob] = {name: default(name) for name in unread}
        # It cuts its own way, and each frame is played as soon as it is there.
        acts |= {"chunker": own.listener, "tts_prebuffer_frames": 1}
        # The watch shares the device with the TTS; without one, only an LM that still writes does.
        alone = own.placement == "split" and (assistant.barge_in or assistant.tts_stream)
        return acts | {"placement": "split" if alone else "serial"}

    def listen(self, ears: Ears, opening: NextListen) -> Listening:
        """See :class:`workbench.assistants.protocol.Assistant`."""
        return listen(ears, opening)

    def next_listen(self, last: int, over: int, stopped: BargeInDecision | None) -> NextListen:
        """See :class:`workbench.assistants.protocol.Assistant`: it hears nothing of what interrupted it."""
        return NextListen(over, -1, first_frame(over))


def _unread(assistant: AssistantConfig) -> Iterator[str]:
    yield from ("stt_preroll_ms", "stt_max_speech_seconds", "stt_flush", *BARGE_IN_KNOBS)
    # The watch asks the pause head whatever stt_vad says.
    if not assistant.stt_vad and not assistant.barge_in:
        yield from ("stt_vad_threshold", "stt_vad_hits")
    if not assistant.stt_silence:
        yield from ("stt_silence_ms", "stt_min_speech_ms", "stt_silence_threshold")


ASSISTANT = MlxHarmony()
