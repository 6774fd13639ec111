"""The config tree: frozen, typed, read from TOML, changed by dotted path, fingerprinted.

``[assistant]`` holds the 26 keys of MLX-Harmony's ``moshi.json`` under their own flat names, with that file's defaults;
everything else is the workbench's own and never reaches the assistant. Every knob's name is unique in the tree, so
``--set stt_silence_ms=560`` and ``--set assistant.stt_silence_ms=560`` are the same.
"""

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import tomli_w

from workbench.errors import WorkbenchError
from workbench.files import canonical_json, sha256_text

Knob = bool | int | float | str
"""What a knob can hold."""


def _knob(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    inert: bool = False,
) -> Any:
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices, "inert": inert})


@dataclass(frozen=True)
class AssistantConfig:
    """The consumer's own keys (MLX-Harmony, branch ``moshi-dev``, class ``MoshiConfig``) and defaults."""

    enabled: bool = _knob(False, "start voice mode")
    stt_model_path: str = _knob("", "directory of the STT checkpoint")
    stt_config_path: str = _knob("", "another config.json for the STT")
    stt_max_seconds: float = _knob(8.0, "how long to wait for speech to start; 0 waits for ever", low=0, high=3600)
    stt_vad: bool = _knob(False, "end the turn on the model's pause head")
    stt_vad_threshold: float = _knob(0.5, "pause probability that counts as a hit", low=0, high=1)
    stt_vad_hits: int = _knob(2, "hits needed to end the turn", low=1, high=100)
    stt_silence: bool = _knob(True, "gate and end the turn on frame RMS")
    stt_silence_threshold: float = _knob(
        0.01, "frame RMS, linear full scale, from which a frame is speech", low=0, high=1
    )
    stt_silence_ms: int = _knob(
        700, "silence that ends the turn; acts in steps of 80 ms, rounded up", low=0, high=10_000
    )
    stt_min_speech_ms: int = _knob(
        200, "speech that starts a turn; acts in steps of 80 ms, rounded up", low=0, high=5_000
    )
    stt_block_ms: int = _knob(80, "no effect: the consumer's loop uses 80 ms always", low=1, high=1000, inert=True)
    stt_warmup_blocks: int = _knob(
        2, "no effect: the consumer's loop drops 2 blocks always", low=0, high=100, inert=True
    )
    tts_model_path: str = _knob("", "directory of the TTS checkpoint")
    tts_config_path: str = _knob("", "another config.json for the TTS")
    tts_voice_path: str = _knob("", "voice embedding, .safetensors")
    quantize: int = _knob(0, "bits to quantise the TTS to while loading; 0 is off", low=0, high=8)
    tts_chunk_chars: int = _knob(180, "longest text chunk handed to the TTS", low=0, high=10_000)
    tts_chunk_sentences: bool = _knob(True, "cut chunks at sentence ends")
    tts_chunk_min_chars: int = _knob(60, "chunks shorter than this are merged", low=0, high=10_000)
    tts_stream: bool = _knob(False, "cut and speak while the LM still writes")
    use_stt: bool = _knob(True, "listen at all")
    use_tts: bool = _knob(True, "speak at all")
    smoke_test: bool = _knob(False, "speak and listen once, then leave")
    barge_in: bool = _knob(False, "let the user interrupt the agent")
    barge_in_window_seconds: float = _knob(
        2.0, "how long each chunk listens for the start of a barge-in", low=0, high=3600
    )


@dataclass(frozen=True)
class WorkbenchConfig:
    """Knobs that only the workbench has."""

    listener: str = _knob(
        "workbench",
        "turn detection: workbench (corrected) or mlx-harmony (as shipped, faults included)",
        choices=("workbench", "mlx-harmony"),
    )
    placement: str = _knob(
        "serial",
        "stages on devices: serial (in turn), shared (at the same time on one device), split (a device each)",
        choices=("serial", "shared", "split"),
    )
    chunker: str = _knob(
        "workbench",
        "sentence split of the listener workbench: its own, or MLX-Harmony's (it never matches)",
        choices=("workbench", "mlx-harmony"),
    )
    stt_preroll_ms: int = _knob(240, "audio before the gate opened that the STT still gets", low=0, high=5_000)
    stt_flush: bool = _knob(True, "push silence through the STT at the end instead of waiting its delay out")
    stt_max_speech_seconds: float = _knob(30.0, "a turn is ended after this", low=1, high=3600)
    tts_prebuffer_frames: int = _knob(0, "PCM frames in hand before playback starts", low=0, high=1000)
    barge_in_min_ms: int = _knob(
        240, "speech that interrupts the agent; steps of 80 ms, rounded up", low=0, high=10_000
    )
    playout_ms: float = _knob(20.0, "device latency from buffer to loudspeaker", low=0, high=2_000)
    timing: str = _knob("fixed", "keep the recording as it is", choices=("fixed",))
    seed: int = _knob(0, "seeds speech and drawn costs", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class StackConfig:
    """Which models speak and hear."""

    name: str = _knob("nano", "scripted, nano, moshi or moshi-duplex")
    models: str = _knob("", "directory that holds the stack's models")
    lm: str = _knob("canned", "where replies come from: canned, recorded:FILE, mlx-lm:DIRECTORY or an http:// endpoint")


@dataclass(frozen=True)
class StepCostsConfig:
    """What the stages cost on the virtual clock."""

    source: str = _knob(
        "profile",
        "drawn from a measured profile, a fixed table, or measured now",
        choices=("profile", "fixed", "measured"),
    )
    profile: str = _knob("", "profile file; the stack's own by default")
    stt_step_ms: float = _knob(20.0, "fixed: one STT frame, codec included", low=0, high=10_000)
    stt_reset_ms: float = _knob(2.0, "fixed: clearing the STT before a listen cycle", low=0, high=10_000)
    lm_ttft_ms: float = _knob(150.0, "fixed: transcript to first token", low=0, high=600_000)
    lm_token_ms: float = _knob(15.0, "fixed: each further token", low=0, high=10_000)
    tts_start_ms: float = _knob(10.0, "fixed: setting up one chunk", low=0, high=10_000)
    tts_step_ms: float = _knob(40.0, "fixed: one TTS step, decoding included", low=0, high=10_000)


@dataclass(frozen=True)
class EchoConfig:
    """How the agent comes back through the microphone."""

    path: str = _knob("session", "from session.json, from here, or none", choices=("session", "config", "off"))
    echo_gain_db: float = _knob(-30.0, "loudspeaker to microphone", low=-120, high=20)
    echo_delay_ms: float = _knob(40.0, "loudspeaker to microphone", low=0, high=2_000)


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
        return sha256_text(canonical_json(to_dict(self)))

    def __hash__(self) -> int:
        """Of the fingerprint, which is worked out once: memos ask for it with every session of every trial."""
        return int(self.fingerprint[:15], 16)


def to_dict(config: Config) -> dict[str, dict[str, Knob]]:
    """Nested dictionaries, section → knob → value."""
    return dataclasses.asdict(config)


def dump_toml(config: Config) -> str:
    """The config as TOML; :func:`load` gives it back."""
    return tomli_w.dumps(to_dict(config))


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file over the defaults, then apply overrides.

    Args:
        path: a TOML file; it may leave out what it does not change. None is all defaults.
        overrides: dotted path or knob name → value, or its text as typed.

    Raises:
        WorkbenchError: names the file and the key that is unknown, of the wrong type or out of range.
    """
    config = Config()
    if path is not None:
        for dotted, value in _leaves(_read_toml(path), str(path)):
            config = _set(config, dotted, value, f"{path}: ")
    for dotted, value in (overrides or {}).items():
        config = _set(config, dotted, value, "")
    check(config)
    return config


def override(config: Config, changes: Mapping[str, Any]) -> Config:
    """Change knobs by dotted path or name.

    >>> override(Config(), {"stt_silence_ms": 560}).assistant.stt_silence_ms
    560

    Raises:
        WorkbenchError: names the key that is unknown, of the wrong type or out of range.
    """
    for dotted, value in changes.items():
        config = _set(config, dotted, value, "")
    check(config)
    return config


def override_alone(path: str, value: Knob) -> None:
    """Check type and range of one value; combinations are looked at in each trial.

    Raises:
        WorkbenchError: from the config.
    """
    if path in ("assistant.stt_silence", "assistant.stt_vad"):
        override(Config(), {"assistant.stt_silence": True, "assistant.stt_vad": True, path: value})
    else:
        override(Config(), {path: value})


def parse_assignment(text: str) -> tuple[str, str]:
    """Split ``knob=value`` as typed after ``--set``.

    Raises:
        WorkbenchError: there is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise WorkbenchError(f"--set {text}: must be knob=value")
    return name.strip(), value.strip()


API_KEY = "WORKBENCH_LM_KEY"
"""Environment variable of the key that an endpoint asks for; it is in no file, trace, report or error."""


def refuse_secrets(url: str) -> None:
    """Refuse a URL that holds a name, a password or a query, before it is written anywhere.

    Raises:
        WorkbenchError: it holds one; the URL is not repeated.
    """
    if "@" in url.partition("#")[0] or "?" in url.partition("#")[0]:
        raise WorkbenchError(
            "[stack] lm: the URL holds a user name, a password or a query; leave them out, a key goes into the "
            f"environment variable {API_KEY}"
        )


def check(config: Config) -> None:
    """Raise for combinations that the consumer refuses or that mean nothing.

    Raises:
        WorkbenchError: names both keys, or the one that holds a password.
    """
    if config.stack.lm.lower().startswith(("http:", "https:")):
        refuse_secrets(config.stack.lm)
    assistant = config.assistant
    if assistant.tts_stream and assistant.barge_in and config.workbench.listener == "mlx-harmony":
        raise WorkbenchError("tts_stream with barge_in: mlx-harmony refuses the two together; set one to false")
    if not (assistant.stt_silence or assistant.stt_vad):
        raise WorkbenchError("stt_silence and stt_vad are both false: nothing would ever end a turn; set one to true")


@cache
def knobs() -> Mapping[str, dataclasses.Field[Any]]:
    """Every knob by dotted path, in the tree's order."""
    found: dict[str, dataclasses.Field[Any]] = {}
    for section in dataclasses.fields(Config):
        for knob in dataclasses.fields(section.default):  # type: ignore[arg-type]
            found[f"{section.name}.{knob.name}"] = knob
    return found


def resolve(name: str) -> str:
    """Dotted path of a knob given by path or bare name.

    >>> resolve("stt_silence_ms")
    'assistant.stt_silence_ms'

    Raises:
        WorkbenchError: no such knob; the nearest names are offered.
    """
    if name in knobs():
        return name
    matches = [path for path in knobs() if path.partition(".")[2] == name]
    if matches:
        return matches[0]
    import difflib

    names = [path.partition(".")[2] for path in knobs()]
    near = difflib.get_close_matches(name.rpartition(".")[2], names, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise WorkbenchError(f"unknown key {name!r}{hint}")


def get(config: Config, name: str) -> Knob:
    """Value of a knob by dotted path or bare name."""
    section, _, knob = resolve(name).partition(".")
    value: Knob = getattr(getattr(config, section), knob)
    return value


def _set(config: Config, name: str, value: Any, where: str) -> Config:
    try:
        path = resolve(name)
        section, _, knob = path.partition(".")
        parsed = _coerce(knobs()[path], value)
    except WorkbenchError as error:
        raise WorkbenchError(f"{where}{error}") from None
    changed = dataclasses.replace(getattr(config, section), **{knob: parsed})
    return dataclasses.replace(config, **{section: changed})


@cache
def _types() -> Mapping[str, type]:
    found: dict[str, type] = {}
    for section in (StackConfig, AssistantConfig, WorkbenchConfig, StepCostsConfig, EchoConfig):
        found |= get_type_hints(section)
    return found


def _coerce(knob: dataclasses.Field[Any], value: Any) -> Knob:
    wanted = _types()[knob.name]
    parsed = _from_text(value, wanted) if isinstance(value, str) else value
    if wanted is float and type(parsed) is int:
        parsed = float(parsed)
    if type(parsed) is not wanted or type(parsed) not in get_args(Knob):
        raise WorkbenchError(f"{knob.name} is {value!r}, must be {_WORDS[wanted]}")
    low, high, choices = knob.metadata["low"], knob.metadata["high"], knob.metadata["choices"]
    if isinstance(parsed, float) and math.isnan(parsed):
        raise WorkbenchError(f"{knob.name} is NaN, must be {_WORDS[wanted]}")
    if (low is not None and parsed < low) or (high is not None and parsed > high):
        raise WorkbenchError(f"{knob.name} is {parsed}, must be from {low:g} to {high:g}")
    if choices is not None and parsed not in choices:
        raise WorkbenchError(f"{knob.name} is {parsed!r}, must be one of {', '.join(choices)}")
    return cast(Knob, parsed)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _from_text(text: str, wanted: type) -> Any:
    if wanted is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if wanted in (int, float):
        try:
            return wanted(text)
        except ValueError:
            return text
    return text


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise WorkbenchError(f"{path}: no such config file") from None
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"{path}: not valid TOML ({error})") from None


def _leaves(data: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    sections = {section.name for section in dataclasses.fields(Config)}
    for name, section in data.items():
        if name not in sections:
            raise WorkbenchError(f"{where}: unknown key {name!r}; sections are {', '.join(sorted(sections))}")
        if not isinstance(section, dict):
            raise WorkbenchError(f"{where}: {name} must be a section, [{name}]")
        for key, value in section.items():
            if isinstance(value, str) and _types().get(key, str) is not str:
                raise WorkbenchError(f"{where}: {name}.{key} is {value!r}, must be {_WORDS[_types()[key]]}")
            yield f"{name}.{key}", value
