"""Every knob of a config by section: name, type, default, range and help."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from workbench.files import canonical_json, sha256_text

Knob = bool | int | float | str
"""What a knob can hold."""

ASSISTANTS = ("workbench", "mlx-harmony")
"""Assistants that can be simulated: ``workbench.assistants.NAME`` holds each, with ``_`` for ``-``."""

BARGE_IN_RULES = ("energy", "vad", "words", "words_n", "pause_head")
"""Barge-in rules to choose from: ``workbench.barge_in.NAME`` holds each, with ``_`` for ``-``."""

BARGE_IN_COMBINED = (
    "energy+words", "energy+words_n", "vad+words", "vad+words_n", "vad+pause_head", "words/pause_head",
)  # fmt: skip
"""Two rules as one: with ``+`` both must hold, with ``/`` either one is enough (``words/pause_head`` is unmute's)."""

ASKS_STT = frozenset({"words", "words_n", "pause_head"})
"""Barge-in rules that ask the STT, which must then hear the user while the agent speaks."""

ECHO_PRESETS = ("laptop", "soundbar", "phone-on-table", "headset")
"""Loudspeakers to choose from: ``workbench.sessions.echo_presets`` holds each."""

CANCELLERS = ("none", "aec3", "ratio")
MIC_FILTERS = ("none", "noise-suppression", "deepfilternet", "speech")
"""What may stand in front of the listener: ``workbench.simulation.filters.NAME`` holds each, with ``_`` for ``-``."""


def knob(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    inert: bool = False,
    consumer: bool = False,
) -> Any:
    """A knob. ``inert`` ones have no effect anywhere, ``consumer`` ones only in MLX-Harmony itself."""
    about = {"help": help, "low": low, "high": high, "choices": choices, "inert": inert, "consumer": consumer}
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class AssistantConfig:
    """The consumer's own keys (MLX-Harmony, branch ``moshi-dev``, class ``MoshiConfig``) and defaults."""

    enabled: bool = knob(False, "start voice mode", consumer=True)
    stt_model_path: str = knob("", "directory of the STT checkpoint")
    stt_config_path: str = knob("", "another config.json for the STT")
    stt_max_seconds: float = knob(8.0, "how long to wait for speech to start; 0 waits for ever", low=0, high=3600)
    stt_vad: bool = knob(False, "end the turn on the model's pause head")
    stt_vad_threshold: float = knob(0.5, "pause probability that counts as a hit", low=0, high=1)
    stt_vad_hits: int = knob(2, "hits needed to end the turn", low=1, high=100)
    stt_silence: bool = knob(True, "gate and end the turn on frame RMS")
    stt_silence_threshold: float = knob(
        0.01, "frame RMS, linear full scale, from which a frame is speech", low=0, high=1
    )
    stt_silence_ms: int = knob(
        700, "silence that ends the turn; acts in steps of 80 ms, rounded up", low=0, high=10_000
    )
    stt_min_speech_ms: int = knob(
        200, "speech that starts a turn; acts in steps of 80 ms, rounded up", low=0, high=5_000
    )
    stt_block_ms: int = knob(80, "no effect: the consumer's loop uses 80 ms always", low=1, high=1000, inert=True)
    stt_warmup_blocks: int = knob(
        2, "no effect: the consumer's loop drops 2 blocks always", low=0, high=100, inert=True
    )
    tts_model_path: str = knob("", "directory of the TTS checkpoint")
    tts_config_path: str = knob("", "another config.json for the TTS")
    tts_voice_path: str = knob("", "voice embedding, .safetensors")
    quantize: int = knob(0, "bits to quantise the TTS to while loading; 0 is off", low=0, high=8)
    tts_chunk_chars: int = knob(180, "longest text chunk handed to the TTS", low=0, high=10_000)
    tts_chunk_sentences: bool = knob(True, "cut chunks at sentence ends")
    tts_chunk_min_chars: int = knob(60, "chunks shorter than this are merged", low=0, high=10_000)
    tts_stream: bool = knob(False, "cut and speak while the LM still writes")
    use_stt: bool = knob(True, "listen at all", consumer=True)
    use_tts: bool = knob(True, "speak at all", consumer=True)
    smoke_test: bool = knob(False, "speak and listen once, then leave", consumer=True)
    barge_in: bool = knob(False, "let the user interrupt the agent; `mlx-harmony`'s watches outlive their chunk")
    barge_in_window_seconds: float = knob(
        2.0, "how long each chunk listens for the start of a barge-in", low=0, high=3600
    )


@dataclass(frozen=True)
class WorkbenchConfig:
    """Knobs that only the workbench has."""

    listener: str = knob(
        "workbench",
        "turn detection: workbench (corrected) or mlx-harmony (as shipped, faults included)",
        choices=ASSISTANTS,
    )
    placement: str = knob(
        "serial",
        "stages on devices: serial (in turn), shared (at the same time on one device), split (a device each)",
        choices=("serial", "shared", "split"),
    )
    chunker: str = knob(
        "workbench",
        "sentence split of the listener workbench: its own, or MLX-Harmony's (it never matches)",
        choices=ASSISTANTS,
    )
    stt_preroll_ms: int = knob(240, "audio before the gate opened that the STT still gets", low=0, high=5_000)
    stt_flush: bool = knob(True, "push silence through the STT at the end instead of waiting its delay out")
    stt_max_speech_seconds: float = knob(30.0, "a turn is ended after this", low=1, high=3600)
    tts_prebuffer_frames: int = knob(0, "PCM frames in hand before playback starts", low=0, high=1000)
    barge_in_rule: str = knob(
        "energy",
        "when the user interrupts the agent, see docs/bargein.md; a+b: both rules must hold, a/b: either is enough",
        choices=(*BARGE_IN_RULES, *BARGE_IN_COMBINED),
    )
    barge_in_min_ms: int = knob(
        240, "energy, vad: speech that interrupts the agent; steps of 80 ms, rounded up", low=0, high=10_000
    )
    barge_in_vad_threshold: float = knob(0.5, "vad: speech probability from which a frame is speech", low=0, high=1)
    barge_in_min_words: int = knob(2, "words_n: words that interrupt the agent", low=1, high=100)
    barge_in_backchannels: str = knob(
        "ah aha hm hmm huh mhm mm mmhm oh ok okay right sure uh uhhuh um yeah yep",
        "words_n: words that do not count, with spaces between them",
    )
    barge_in_pause_below: float = knob(
        0.4, "pause_head: probability of a pause of 2 s below which the user speaks", low=0, high=1
    )
    barge_in_grace_ms: int = knob(
        0, "time from the start of playback in which nothing stops the agent", low=0, high=60_000
    )
    barge_in_resume_ms: int = knob(
        0, "after a stop: wait so long for a word, then go on where it was heard; 0 never goes on", low=0, high=60_000
    )
    history: str = knob(
        "generated",
        "what the language model is given of a stopped answer: all that was generated, or only what was heard",
        choices=("generated", "heard"),
    )
    playout_ms: float = knob(20.0, "device latency from buffer to loudspeaker", low=0, high=2_000)
    timing: str = knob(
        "fixed",
        "people in the recording: fixed (as recorded), or reactive (turns move with the agent's answers)",
        choices=("fixed", "reactive"),
    )
    seed: int = knob(0, "seeds speech and drawn costs", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class StackConfig:
    """Which models speak and hear, and how they draw their tokens."""

    name: str = knob("nano", "scripted, nano, moshi or moshi-duplex")
    models: str = knob("", "directory that holds the stack's models")
    lm: str = knob("canned", "where replies come from: canned, recorded:FILE, mlx-lm:DIRECTORY or an http:// endpoint")
    tts_temperature: float = knob(0.6, "TTS: temperature of text and audio; 0 takes the likeliest", low=0, high=10)
    tts_cfg: float = knob(1.0, "TTS: strength of the voice, 1 to 4 by 0.5; other models have 1 only", low=0, high=10)
    tts_padding_max: int = knob(8, "TTS: longest wait before the next word is forced, in frames", low=0, high=1000)
    tts_padding_initial: int = knob(2, "TTS: wait at the start of a chunk, in frames", low=0, high=1000)
    tts_padding_final: int = knob(2, "TTS: frames spoken after the last word", low=0, high=1000)
    tts_padding_between: int = knob(0, "TTS: wait between words, in frames", low=0, high=1000)
    duplex_temperature: float = knob(
        0.8, "moshi-duplex: temperature of text and audio; 0 takes the likeliest", low=0, high=10
    )
    duplex_top_k_text: int = knob(25, "moshi-duplex: text tokens to draw from", low=1, high=1_000_000)
    duplex_top_k_audio: int = knob(250, "moshi-duplex: audio tokens to draw from", low=1, high=1_000_000)


@dataclass(frozen=True)
class StepCostsConfig:
    """What the stages cost on the virtual clock."""

    source: str = knob(
        "profile",
        "drawn from a measured profile, a fixed table, or measured now",
        choices=("profile", "fixed", "measured"),
    )
    profile: str = knob("", "profile file; the stack's own by default")
    stt_step_ms: float = knob(20.0, "fixed: one STT frame, codec included", low=0, high=10_000)
    stt_reset_ms: float = knob(2.0, "fixed: clearing the STT before a listen cycle", low=0, high=10_000)
    lm_ttft_ms: float = knob(150.0, "fixed: transcript to first token", low=0, high=600_000)
    lm_token_ms: float = knob(15.0, "fixed: each further token", low=0, high=10_000)
    tts_start_ms: float = knob(10.0, "fixed: setting up one chunk", low=0, high=10_000)
    tts_step_ms: float = knob(40.0, "fixed: one TTS step, decoding included", low=0, high=10_000)


@dataclass(frozen=True)
class EchoConfig:
    """How the agent comes back through the microphone."""

    path: str = knob(
        "session",
        "from session.json, from here (config), none (off), or a preset",
        choices=("session", "config", "off", *ECHO_PRESETS),
    )
    echo_gain_db: float = knob(-30.0, "config: loudspeaker to microphone", low=-120, high=20)
    echo_delay_ms: float = knob(40.0, "config: loudspeaker to microphone", low=0, high=2_000)
    canceller: str = knob(
        "none",
        "echo canceller in front of the listener: aec3 (WebRTC's), ratio (silences soft frames while the agent plays)",
        choices=CANCELLERS,
    )
    echo_ratio_db: float = knob(-20.0, "ratio: level over what is played from which a frame passes", low=-60, high=20)
    filter: str = knob(
        "none",
        "filter behind it: noise-suppression (WebRTC's), deepfilternet (a network), speech (silences all but voices)",
        choices=MIC_FILTERS,
    )
    echo_clip_dbfs: float = knob(
        0.0, "level at which the loudspeaker saturates (soft clip); 0 is never", low=-60, high=0
    )


@dataclass(frozen=True)
class Config:
    """The whole tree. Sections are in the order of the TOML file."""

    stack: StackConfig = StackConfig()
    assistant: AssistantConfig = AssistantConfig()
    workbench: WorkbenchConfig = WorkbenchConfig()
    step_costs: StepCostsConfig = StepCostsConfig()
    echo: EchoConfig = EchoConfig()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every knob. Two configs with one fingerprint replay alike."""
        return sha256_text(canonical_json(asdict(self)))

    def __hash__(self) -> int:
        """Of the fingerprint, which is worked out once: memos ask for it with every session of every trial."""
        return int(self.fingerprint[:15], 16)
