"""Model directories from the Hugging Face hub: a model's own files, and nothing else of the repository.

A repository is a stranger's: the names in its ``config.json`` may only be files inside the directory that is filled.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.moshi.repository import CONFIG, FALLBACKS, default_config, file_names, inside, read_config
from workbench.moshi.sizes import Kind, ModelConfig

VOICE_REPO = "kyutai/tts-voices"


@dataclass(frozen=True)
class Known:
    """A published model.

    Attributes:
        repo: on the hub.
        kind: its role.
        note: what to know before choosing it.
    """

    repo: str
    kind: Kind
    note: str


KNOWN = {
    "stt-1b": Known("kyutai/stt-1b-en_fr-candle", "stt", "English and French, 0.5 s delay, semantic-VAD heads"),
    "stt-1b-mlx": Known("kyutai/stt-1b-en_fr-mlx", "stt", "the same without heads: stt_vad cannot be used"),
    "stt-2.6b": Known("kyutai/stt-2.6b-en-mlx", "stt", "English, 2.5 s delay: wants stt_flush; no heads"),
    "tts-1.6b": Known("kyutai/tts-1.6b-en_fr", "tts", f"English and French; voices in {VOICE_REPO}"),
    "moshiko-q4": Known("kyutai/moshiko-mlx-q4", "duplex", "male voice, 7B in 4 bits"),
    "moshiko-q8": Known("kyutai/moshiko-mlx-q8", "duplex", "male voice, 7B in 8 bits"),
    "moshika-q4": Known("kyutai/moshika-mlx-q4", "duplex", "female voice, 7B in 4 bits"),
    "moshika-q8": Known("kyutai/moshika-mlx-q8", "duplex", "female voice, 7B in 8 bits"),
}
"""Repositories with the files moshi_mlx 0.3.0 loads, by a short name."""


def pull(name: str, directory: Path, *, voices: tuple[str, ...] = ()) -> Iterator[Path]:
    """Download a model, file by file.

    Args:
        name: a short name of :data:`KNOWN`, or ``owner/repository``.
        directory: where to; files that are there and whole are kept.
        voices: names in the voice repository, such as ``expresso/ex03-ex01_happy_001_channel1_334s.wav``.

    Yields:
        Each file once it is there.

    Raises:
        WorkbenchError: there is no such repository or file, or the hub cannot be reached.
    """
    repo = KNOWN[name].repo if name in KNOWN else name
    if repo.count("/") != 1:
        raise WorkbenchError(f"{name}: not a known model ({', '.join(KNOWN)}) nor owner/repository")
    config = _config(repo, directory)
    if config is None:
        config = default_config()
    else:
        yield directory / CONFIG
    source = f"{repo}: {CONFIG}"
    wanted = [file_names(config, key, source) for key in FALLBACKS]
    wanted_voices = [inside(voice + _suffix(config), f"{source}: voice {voice}") for voice in voices]
    for names in wanted:
        yield _first(repo, names, directory)
    for voice in wanted_voices:
        yield _download(VOICE_REPO, voice, directory / "voices")


def _config(repo: str, directory: Path) -> ModelConfig | None:
    """The repository's configuration; None where it has none, and moshi_mlx's own stands for it."""
    try:
        _download(repo, CONFIG, directory)
    except _MissingError:
        # One of another model would be read in its place.
        if (directory / CONFIG).exists():
            raise WorkbenchError(
                f"{directory}: holds the {CONFIG} of another model, and {repo} has none; name a new directory"
            ) from None
        return None
    return read_config(directory)


def _suffix(config: ModelConfig) -> str:
    model_id = config.get("model_id")
    model_id = model_id if isinstance(model_id, dict) else {}
    return f".{model_id.get('sig')}@{model_id.get('epoch')}.safetensors"


class _MissingError(WorkbenchError):
    """The repository has no such file."""


def _first(repo: str, names: tuple[str, ...], directory: Path) -> Path:
    """Download the first of the names that the repository has."""
    for name in names[:-1]:
        try:
            return _download(repo, name, directory)
        except _MissingError:
            continue
    try:
        return _download(repo, names[-1], directory)
    except _MissingError:
        raise WorkbenchError(f"{repo}: has no file {' or '.join(names)}; not a Moshi model?") from None


def _download(repo: str, file: str, directory: Path) -> Path:
    import requests
    from huggingface_hub import errors, hf_hub_download

    where = os.environ.get("HF_ENDPOINT") or None
    try:
        return Path(hf_hub_download(repo, file, local_dir=directory, endpoint=where))
    except errors.GatedRepoError as e:
        raise WorkbenchError(f"{repo}: its licence must be accepted on the hub; then `huggingface-cli login`") from e
    except errors.RepositoryNotFoundError as e:
        raise WorkbenchError(f"{repo}: no such repository on the hub (or it is private)") from e
    except errors.EntryNotFoundError as e:
        if not isinstance(e, errors.LocalEntryNotFoundError):
            raise _MissingError(f"{repo}: has no file {file}") from e
        raise WorkbenchError(_offline(repo, file, directory)) from e
    except (errors.OfflineModeIsEnabled, requests.RequestException, OSError) as e:
        raise WorkbenchError(_offline(repo, file, directory)) from e


def _offline(repo: str, file: str, directory: Path) -> str:
    return (
        f"{repo}: the hub cannot be reached and {directory / file} is not there; "
        "connect, or copy the repository's files into that directory"
    )
