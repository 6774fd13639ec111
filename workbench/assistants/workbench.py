"""Assistant ``workbench``: MLX-Harmony's loops without their faults."""

from collections.abc import Iterator, Mapping

from workbench.assistants.protocol import Ears, Listening, NextListen, first_frame
from workbench.assistants.workbench_listener import listen
from workbench.barge_in.protocol import BargeInDecision
from workbench.barge_in_knobs import BARGE_IN_KNOBS, rule_parts
from workbench.config import AssistantConfig, Config, Knob, get
from workbench.config_sections import ASKS_STT
from workbench.errors import WorkbenchError
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
        return acts | _interruption(config)

    def listen(self, ears: Ears, opening: NextListen) -> Listening:
        """See :class:`workbench.assistants.protocol.Assistant`."""
        return listen(ears, opening)

    def next_listen(self, last: int, over: int, stopped: BargeInDecision | None) -> NextListen:
        """See :class:`workbench.assistants.protocol.Assistant`: what interrupted begins the next turn."""
        if stopped is None:
            return NextListen(over, -1, first_frame(over))
        sound = frame_at(stopped.onset)
        return NextListen(stopped.final, frame_at(stopped.frame_end - 1), last + 1, sound)


def _interruption(config: Config) -> dict[str, Knob]:
    """Knobs of barge-in that its rule does not read.

    Raises:
        WorkbenchError: the STT is needed while the agent speaks, and stands still then.
    """
    own, parts = config.workbench, rule_parts(config.workbench.barge_in_rule)
    unread: list[str] = []
    if not config.assistant.barge_in:
        unread += BARGE_IN_KNOBS
    if "vad" not in parts:
        unread.append("barge_in_vad_threshold")
        if "energy" not in parts:
            unread.append("barge_in_min_ms")
    if "words_n" not in parts:
        unread += ("barge_in_min_words", "barge_in_backchannels")
    if "pause_head" not in parts:
        unread.append("barge_in_pause_below")
    # Where a word stops the agent, a word has come.
    if {"words", "words_n"} & {*parts} and "/" not in own.barge_in_rule:
        unread.append("barge_in_resume_ms")
    acts = {name: default(name) for name in unread}
    for name, needs in (("barge_in_rule", not ASKS_STT.isdisjoint(parts)), ("barge_in_resume_ms", True)):
        value = acts.get(name, get(config, name))
        if needs and value and name not in acts and own.placement == "serial":
            raise WorkbenchError(
                f"{name} = {value} needs the STT while the agent speaks, which stands still with placement = serial; "
                "set placement to shared or split"
            )
    return acts


def _unread(assistant: AssistantConfig) -> Iterator[str]:
    yield from ("stt_max_seconds", "barge_in_window_seconds")
    if not assistant.stt_vad:
        yield from ("stt_vad_threshold", "stt_vad_hits")
    if not assistant.stt_silence:
        yield from ("stt_silence_ms", "stt_min_speech_ms")
        if not assistant.barge_in:
            yield "stt_silence_threshold"


ASSISTANT = Workbench()
