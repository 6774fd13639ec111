"""A config resolved once into frames, samples and options: what a replay, a live run and the scores read.

Only what reads, writes or searches settings sees a :class:`workbench.config.Config`; whatever runs takes
:class:`Knobs` or a part of it. Knobs that nothing reads under the other settings are put to one fixed value
beforehand (each assistant says which, see :mod:`workbench.assistants`), so that two configs that act alike give equal
``Knobs``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property

from workbench.barge_in_knobs import BargeInKnobs, resolve_barge_in
from workbench.config import Config, Knob, StepCostsConfig, get, knobs
from workbench.config_sections import StackConfig
from workbench.echo_knobs import EchoKnobs, FilterKnobs, resolve_echo, resolve_filters
from workbench.files import canonical_json
from workbench.units import frames_for_ms, ms_to_samples, seconds_to_samples

DUPLEX_STACKS = ("moshi-duplex",)
"""Stacks whose one model hears and speaks at once: they take no turns, so that no assistant reads their knobs."""


_DUPLEX_READS = {"tts_prebuffer_frames", "playout_ms", "timing", "seed"}

DUPLEX_ACTS_AS: Mapping[str, Knob] = {
    path.partition(".")[2]: get(Config(), path)
    for path in knobs()
    if path.startswith(("assistant.", "workbench."))
    and path.partition(".")[2] not in _DUPLEX_READS
    and not path.endswith(("_path", "quantize"))
}
"""Knobs that a duplex model does not read, at their defaults."""


@dataclass(frozen=True)
class ListenKnobs:
    """Options of the listen loop, in frames of 80 ms where the loop counts frames.

    Attributes:
        silence: whether the energy gate starts and ends a turn.
        threshold: frame RMS in linear full scale from which a frame is loud.
        silence_frames: quiet frames in a row that end the turn.
        min_speech_frames: loud frames in a row that begin it.
        vad: whether the pause head ends the turn.
        vad_threshold: pause probability that counts as a hit.
        vad_hits: hits that end the turn.
        max_wait: samples to wait for speech; 0 for ever.
        preroll_frames: frames before the gate opened that the STT still gets.
        max_speech_frames: longest turn.
        flush: whether silence is pushed through the STT at the end.
    """

    silence: bool
    threshold: float
    silence_frames: int
    min_speech_frames: int
    vad: bool
    vad_threshold: float
    vad_hits: int
    max_wait: int
    preroll_frames: int = 0
    max_speech_frames: int = 1 << 40
    flush: bool = False


@dataclass(frozen=True)
class ChunkKnobs:
    """Options of the chunker.

    Attributes:
        chunker: assistant whose way of cutting it is.
        stream: whether the reply is cut while the LM still writes.
        max_chars: longest chunk; 0 does not limit a whole reply.
        min_chars: chunks shorter than this are merged.
        sentences: whether cuts fall at sentence ends.
    """

    chunker: str
    stream: bool
    max_chars: int
    min_chars: int
    sentences: bool


@dataclass(frozen=True)
class PlaybackKnobs:
    """Options of the loudspeaker: PCM frames in hand before playback starts (from 1), device latency in samples."""

    prebuffer: int
    playout: int


@dataclass(frozen=True)
class StepCostKnobs:
    """Source of step costs, the profile's file, and the fixed table in samples by stage."""

    source: str
    profile: str
    table: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class StackKnobs(StackConfig):
    """Models of the stack and their options, as in the config; loaded once for all sessions of a run or a study."""

    stt_model_path: str = ""
    stt_config_path: str = ""
    tts_model_path: str = ""
    tts_config_path: str = ""
    tts_voice_path: str = ""
    quantize: int = 0


@dataclass(frozen=True)
class ConfigNames:
    """What a trace's header says of the config that it was made with."""

    stack: str
    listener: str
    placement: str
    timing: str
    fingerprint: str


@dataclass(frozen=True)
class Knobs:
    """All options of a replay or a live run.

    Attributes:
        assistant: name of the simulated assistant.
        barge_in: None where the user cannot interrupt.
        placement: ``serial``, ``shared`` or ``split``, see docs/config.md.
        reactive: whether the people in the recording react to the replayed agent.
        names: of the config; two configs that act alike differ here, so it does not count when knobs are compared.
    """

    assistant: str
    listen: ListenKnobs
    chunks: ChunkKnobs
    playback: PlaybackKnobs
    barge_in: BargeInKnobs | None
    placement: str
    echo: EchoKnobs
    filters: FilterKnobs
    stack: StackKnobs
    step_costs: StepCostKnobs
    reactive: bool
    seed: int
    names: ConfigNames = field(compare=False)

    @property
    def one_device(self) -> bool:
        """Whether LM and TTS share a device."""
        return self.placement != "split"

    @property
    def lm_device(self) -> str:
        """Device of the LM's steps. A server has its own, and so has a recording: their tokens hold up no step here."""
        elsewhere = self.stack.lm.lower().startswith(("http:", "https:", "recorded:"))
        return "device" if self.one_device and not elsewhere else "lm"

    @cached_property
    def key(self) -> str:
        """Text that is equal for configs whose replays on one stack are equal."""
        return canonical_json(asdict(replace(self, stack=None, names=None)))  # type: ignore[arg-type]


def resolve(config: Config, acts_as: Mapping[str, Knob]) -> Knobs:
    """Turn a config into frames, samples and options.

    Args:
        config: the settings.
        acts_as: knob → the value that it acts as, for those whose own value nothing reads.
    """
    read = _changed(config, acts_as)
    assistant, own = read.assistant, read.workbench
    return Knobs(
        assistant=own.listener,
        listen=_listen(read),
        chunks=ChunkKnobs(
            chunker=own.chunker,
            stream=assistant.tts_stream,
            max_chars=assistant.tts_chunk_chars,
            min_chars=assistant.tts_chunk_min_chars,
            sentences=assistant.tts_chunk_sentences,
        ),
        playback=PlaybackKnobs(max(1, own.tts_prebuffer_frames), ms_to_samples(own.playout_ms)),
        barge_in=resolve_barge_in(read) if assistant.barge_in else None,
        placement=own.placement,
        echo=resolve_echo(read.echo),
        filters=resolve_filters(read.echo),
        stack=StackKnobs(
            **vars(read.stack),
            stt_model_path=assistant.stt_model_path,
            stt_config_path=assistant.stt_config_path,
            tts_model_path=assistant.tts_model_path,
            tts_config_path=assistant.tts_config_path,
            tts_voice_path=assistant.tts_voice_path,
            quantize=assistant.quantize,
        ),
        step_costs=_step_costs(read.step_costs),
        reactive=own.timing == "reactive",
        seed=own.seed,
        names=ConfigNames(
            stack=config.stack.name,
            listener=config.workbench.listener,
            placement=config.workbench.placement,
            timing=config.workbench.timing,
            fingerprint=config.fingerprint,
        ),
    )


def default(name: str) -> Knob:
    """Default of a knob by its bare name."""
    return get(Config(), name)


def _changed(config: Config, acts_as: Mapping[str, Knob]) -> Config:
    """The config with some knobs at other values, unchecked: they are defaults, or values that another knob allows."""
    for section in fields(config):
        old = getattr(config, section.name)
        new = {knob.name: acts_as[knob.name] for knob in fields(old) if knob.name in acts_as}
        config = replace(config, **{section.name: replace(old, **new)}) if new else config
    return config


def _listen(config: Config) -> ListenKnobs:
    assistant, own = config.assistant, config.workbench
    return ListenKnobs(
        silence=assistant.stt_silence,
        threshold=assistant.stt_silence_threshold,
        silence_frames=frames_for_ms(assistant.stt_silence_ms),
        min_speech_frames=max(1, frames_for_ms(assistant.stt_min_speech_ms)),
        vad=assistant.stt_vad,
        vad_threshold=assistant.stt_vad_threshold,
        vad_hits=assistant.stt_vad_hits,
        max_wait=seconds_to_samples(assistant.stt_max_seconds),
        preroll_frames=frames_for_ms(own.stt_preroll_ms),
        max_speech_frames=frames_for_ms(own.stt_max_speech_seconds * 1000),
        flush=own.stt_flush,
    )


def _step_costs(config: StepCostsConfig) -> StepCostKnobs:
    table = {
        "stt": config.stt_step_ms,
        "stt_reset": config.stt_reset_ms,
        "lm_first": config.lm_ttft_ms,
        "lm_token": config.lm_token_ms,
        "tts_start": config.tts_start_ms,
        "tts": config.tts_step_ms,
    }
    is_fixed = config.source == "fixed"
    return StepCostKnobs(
        config.source,
        config.profile if config.source == "profile" else "",
        tuple((stage, ms_to_samples(ms)) for stage, ms in table.items()) if is_fixed else (),
    )
