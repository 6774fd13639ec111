"""Model directories from the Hugging Face hub: a model's own four files, and nothing else of the repository."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.moshi.sizes import Kind

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
    path = _download(repo, "config.json", directory)
    yield path
    config = read_json(path)
    names = [config.get("moshi_name", "model.safetensors"), config.get("mimi_name"), config.get("tokenizer_name")]
    for file in names:
        if not file:
            raise WorkbenchError(f"{repo}: its config.json names no weights, codec or tokenizer; not a Moshi model")
        yield _download(repo, file, directory)
    for voice in voices:
        model_id = config.get("model_id") or {}
        suffix = f".{model_id.get('sig')}@{model_id.get('epoch')}.safetensors"
        yield _download(VOICE_REPO, voice + suffix, directory / "voices")


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
            raise WorkbenchError(f"{repo}: has no file {file}") from e
        raise WorkbenchError(_offline(repo, file, directory)) from e
    except (errors.OfflineModeIsEnabled, requests.RequestException, OSError) as e:
        raise WorkbenchError(_offline(repo, file, directory)) from e


def _offline(repo: str, file: str, directory: Path) -> str:
    return (
        f"{repo}: the hub cannot be reached and {directory / file} is not there; "
        "connect, or copy the repository's files into that directory"
    )
