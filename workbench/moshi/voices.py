"""Voices of the DSM TTS: embeddings in ``<name>.<sig>@<epoch>.safetensors``, key ``speaker_wavs`` (1, dim, frames).

The embeddings come from an encoder Kyutai has not published. One made with the public Mimi has a standard deviation
near 0.067 instead of 0.7 and gives noise (kyutai-labs/moshi #404), which a look at the numbers finds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.tensors import read_header
from workbench.sessions.folders import as_argument

KEY = "speaker_wavs"
STD_RANGE = (0.3, 1.5)
"""Around the 0.715 of published voices; 0.067 is what the wrong encoder gives."""


@dataclass(frozen=True)
class Voice:
    """A voice file that passed.

    Attributes:
        path: the file.
        dim: size of a frame's embedding.
        frames: how many, 125 for 10 s.
        std: standard deviation of all values.
        metadata: what the file says of itself (sig, epoch).
    """

    path: Path
    dim: int
    frames: int
    std: float
    metadata: dict[str, str]


def is_inert(checkpoint: Checkpoint) -> bool:
    """Whether voice and cfg do nothing in this TTS, as its config.json then says.

    Nano is such a model. It comes with one file of zeros, because moshi_mlx wants a file.
    """
    return bool(checkpoint.config.get("tts_config", {}).get("inert_voice"))


def available(checkpoint: Checkpoint) -> list[Path]:
    """Voices beside a TTS checkpoint, in its directory or ``voices/`` below it, sorted."""
    suffix = checkpoint.voice_suffix
    found: Iterator[Path] = (p for d in (checkpoint.root, checkpoint.root / "voices") for p in d.rglob("*" + suffix))
    return sorted(set(found))


def resolve(checkpoint: Checkpoint, voice: str) -> Path:
    """The file of ``voice``: a path, a name in the checkpoint's ``voices/``, or the only voice there for ``""``.

    Raises:
        WorkbenchError: there is none, or none was named and there are several.
    """
    suffix = checkpoint.voice_suffix
    here = available(checkpoint)
    if not voice:
        if len(here) == 1:
            return here[0]
        state = "has no voice" if not here else f"has {len(here)} voices"
        command = f"workbench voices list {as_argument(checkpoint.root)}"
        raise WorkbenchError(f"{checkpoint.root}: {state}; name one with tts_voice_path (`{command}` shows them)")
    candidates = [Path(voice), *(d / (voice + suffix) for d in (checkpoint.root, checkpoint.root / "voices"))]
    candidates += [p for p in here if p.name.removesuffix(suffix) == voice]
    for path in candidates:
        if path.is_file():
            return path
    raise WorkbenchError(f"voice {voice}: no such file, and none of that name in {checkpoint.root / 'voices'}")


def check(path: Path, checkpoint: Checkpoint | None = None) -> Voice:
    """Look at key, shape, dtype, spread and origin of a voice.

    Raises:
        WorkbenchError: names the file and what is wrong with it.
    """
    header = read_header(path)
    if KEY not in header.shapes:
        raise WorkbenchError(f"{path}: has no tensor {KEY} (has {', '.join(sorted(header.shapes)) or 'none'})")
    shape, dtype = header.shapes[KEY], header.dtypes[KEY]
    if len(shape) != 3 or shape[0] != 1:
        raise WorkbenchError(f"{path}: {KEY} has shape {list(shape)}, must be [1, dim, frames]")
    if dtype not in ("F32", "F16", "BF16"):
        raise WorkbenchError(f"{path}: {KEY} is {dtype}, must be floating point")
    values = _values(path)
    if not np.isfinite(values).all():
        raise WorkbenchError(f"{path}: {KEY} holds values that are not finite")
    std = float(values.std())
    low, high = STD_RANGE
    if checkpoint is not None and is_inert(checkpoint):
        if std:
            raise WorkbenchError(f"{path}: no voice does anything in {checkpoint.root}; leave tts_voice_path empty")
    elif not low <= std <= high:
        why = "; 0.07 is what the public Mimi gives, which is not the voice encoder" if std < low else ""
        raise WorkbenchError(f"{path}: standard deviation {std:.3f}, published voices have about 0.7{why}")
    if checkpoint is not None:
        _fits(path, header.metadata, shape[1], checkpoint)
    return Voice(path, shape[1], shape[2], std, header.metadata)


def _fits(path: Path, metadata: dict[str, str], dim: int, checkpoint: Checkpoint) -> None:
    spec = checkpoint.config.get("conditioners", {}).get("speaker_wavs", {}).get("tensor")
    if spec is None:
        raise WorkbenchError(f"{checkpoint.root}: this TTS takes no voice embedding (no speaker_wavs conditioner)")
    if dim != spec["dim"]:
        raise WorkbenchError(f"{path}: {KEY} has {dim} values per frame, the model wants {spec['dim']}")
    model_id = checkpoint.config["model_id"]
    for key in ("sig", "epoch"):
        if key in metadata and metadata[key] != str(model_id.get(key)):
            raise WorkbenchError(
                f"{path}: made for {key} {metadata[key]}, the model in {checkpoint.root} is {key} {model_id.get(key)}"
            )


def _values(path: Path) -> npt.NDArray[Any]:
    import mlx.core as mx

    return np.array(mx.load(str(path))[KEY].astype(mx.float32))
