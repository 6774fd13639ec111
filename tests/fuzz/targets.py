"""Targets: a file of the world that is broken, and a command that reads it."""

from dataclasses import dataclass

from .world import AUDIO, LABEL_FILES, TUNE

HEADER = 1 << 14
"""Bytes of a large file that are worth breaking: the rest is samples or weights."""


@dataclass(frozen=True)
class Target:
    """A file and a command.

    Attributes:
        file: path in the world.
        command: arguments.
        format: ``json``, ``lines`` (JSON), ``toml``, ``text``, ``tensors`` or ``bytes``: what it is broken as, too.
        is_signed: whether ``session.json`` has its checksum, which is put right, so that the reader gets to it.
    """

    file: str
    command: tuple[str, ...]
    format: str
    is_signed: bool = False

    @property
    def name(self) -> str:
        return f"{self.file} by {' '.join(self.command[:2])}"


def _target(file: str, command: str, format: str, is_signed: bool = False) -> Target:
    return Target(file, tuple(command.split()), format, is_signed)


_REPLAY = "replay made --stack scripted --out again"

TARGETS = (
    _target("recordings/made/session.json", _REPLAY, "json"),
    _target("recordings/made/session.json", "sessions --verify", "json"),
    _target("recordings/made/session.json", "label made --export out.txt", "json"),
    _target("recordings/made/mic.flac", _REPLAY, "bytes", True),
    _target("recordings/made/mic.flac", "sessions --verify", "bytes"),
    _target("recordings/made/agent.flac", _REPLAY, "bytes", True),
    _target("recordings/made/labels.csv", _REPLAY, "text"),
    _target("recordings/made/labels.csv", "sessions", "text"),
    _target("recordings/made/labels.csv", "label made --export out.txt", "text"),
    _target("recordings/made/events.jsonl", "sessions --verify", "lines"),
    _target("recordings/live/live.trace.jsonl", "compare live", "lines", True),
    _target("recordings/live/session.json", "compare live --json", "json"),
    _target("my.toml", _REPLAY + " --config my.toml", "toml"),
    _target("moshi.json", _REPLAY + " --config moshi.json", "json"),
    _target("moshi.json", " ".join(TUNE) + " --trials 1 --name t --keep-keys-from moshi.json", "json"),
    _target("budget.toml", _REPLAY + " --budget budget.toml", "toml"),
    _target("budget.toml", "score run --budget budget.toml --json", "toml"),
    _target("space.toml", " ".join(TUNE) + " --trials 1 --name t", "toml"),
    _target("spec.toml", "synth spec.toml", "toml"),
    _target("clips.json", "synth spec.toml", "json"),
    _target("audio/talk.wav", "synth spec.toml", "bytes"),
    _target("configs/space.toml", "sweep made stt_silence_ms --stack scripted --config my.toml", "toml"),
    _target("my.toml", "sweep made stt_silence_ms --values 240,480 --config my.toml --json", "toml"),
    _target("profile.json", _REPLAY + " --set profile=profile.json", "json"),
    _target("replies.jsonl", "replay silent --stack nano --step-costs fixed --set lm=recorded:replies.jsonl", "lines"),
    _target("run/run.json", "score run", "json"),
    _target("run/made.trace.jsonl", "score run", "lines"),
    _target("studies/s/study.toml", "studies", "toml"),
    _target("studies/s/study.toml", "tune made other --name s --resume --trials 4", "toml"),
    _target("studies/s/journal.log", "studies", "lines"),
    _target("studies/s/journal.log", "tune made other --name s --resume --trials 4", "lines"),
    _target("studies/s/profile.json", "tune made other --name s --resume --trials 4", "json"),
    _target("studies/s/result.json", "studies --json", "json"),
    _target("configs/s/tuned.toml", "studies", "toml"),
    _target("tapes/cut/.recording/header.json", "record --recover --dir tapes", "json"),
    _target("tapes/cut/.recording/journal.jsonl", "record --recover --dir tapes", "lines"),
    _target("tapes/cut/.recording/events.jsonl", "record --recover --dir tapes", "lines"),
    _target("tapes/cut/.recording/mic.s24", "record --recover --dir tapes", "bytes"),
    _target("models/stt/config.json", "models check models/stt", "json"),
    _target("models/tts/config.json", "models check models/tts", "json"),
    _target("models/duplex/config.json", "models list models", "json"),
    _target("models/stt/model.safetensors", "models check models/stt", "tensors"),
    _target("models/tts/mimi-generated.safetensors", "models check models/tts", "tensors"),
    _target("models/stt/tokenizer_generated_320.model", "models check models/stt", "bytes"),
    _target("models/tts/config.json", "voices list models/tts", "json"),
    _target("voice.safetensors", "voices check voice.safetensors", "tensors"),
    *(_target(f"audio/talk.{ending}", f"import audio/talk.{ending} --name new", "bytes") for ending in AUDIO),
    _target("audio/talk.wav", "import audio/talk.wav --name new --truncated", "bytes"),
    _target("audio/talk.flac", "import audio/talk.wav --agent audio/talk.flac --name new", "bytes"),
    *(_target(f"labels.{ending}", f"label other --import labels.{ending} --replace", "text") for ending in LABEL_FILES),
    _target("labels.rttm", "import audio/talk.wav --name new --labels labels.rttm --speaker anna", "text"),
    _target("store/cache.db", _REPLAY, "bytes"),
    _target("store/cache.db", "cache --json", "bytes"),
)
"""At least 34, as the figures in docs/reliability.md count them."""
