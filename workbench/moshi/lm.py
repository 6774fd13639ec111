"""A language model in process, by mlx-lm (extra ``mlx-lm``), from a directory as ``mlx_lm.convert`` writes it."""

import functools
import importlib.util
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.cache import cache_folder, key_of
from workbench.errors import WorkbenchError, install
from workbench.files import read_json, sha256_file
from workbench.moshi.tensors import read_header
from workbench.stages.chat_stream import spoken
from workbench.stages.openai_lm import SYSTEM, messages
from workbench.stages.protocols import ReplyRemark
from workbench.stages.recorded_lm import kept

KIND = "mlx-lm"
"""What a spec begins with: ``mlx-lm:DIRECTORY`` or ``mlx-lm:DIRECTORY#temp=0.7``."""

_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "model*.safetensors")
"""What mlx-lm and its tokenizer read of a directory."""

_HOTTEST = 5.0


class MlxLm:
    """A language model that shares this process, and its device, with STT and TTS.

    The most likely token is taken, or, with a temperature, one drawn by random numbers that the conversation seeds: the
    same conversation gets the same answer, in any order of turns. Nothing is carried from one turn to the next, so each
    first token pays for the whole conversation; servers keep what they have read.

    Args:
        spec: what ``[stack] lm`` says.
        record: file that every whole reply is added to, for ``recorded``.
        system: system prompt.
        max_tokens: bound on an answer.

    Raises:
        WorkbenchError: the extra is not installed, or the directory holds no model of mlx-lm's.
    """

    def __init__(self, spec: str, record: Path | None = None, *, system: str = SYSTEM, max_tokens: int = 200) -> None:
        self.root, self.temp = _parse(spec)
        if importlib.util.find_spec("mlx_lm") is None:
            raise WorkbenchError(f"[stack] lm {spec!r} takes mlx-lm; {install(KIND)}")
        self._record, self._system, self._max = record, system, max_tokens
        self.digests = {path.name: sha256_file(path) for path in _files(self.root)}
        packages = {name: version(name) for name in ("mlx", "mlx-lm", "tokenizers", "transformers")}
        self.fingerprint = key_of(KIND, 1, packages, self.digests, self.temp, system, max_tokens)

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`.

        Raises:
            WorkbenchError: the model cannot be loaded, or has no notion of a conversation.
        """
        # Loaded here and not with the first token, whose time is taken.
        return kept(spoken(self._generate(*self._loaded, history)), history, self._record)

    def _generate(self, model: Any, tokenizer: Any, history: tuple[str, ...]) -> Iterator[str]:
        from mlx_lm import stream_generate
        from mlx_lm.sample_utils import make_sampler

        from workbench.moshi.load import PrivateKey

        key = PrivateKey(int(key_of(list(history))[:8], 16))
        stream = stream_generate(
            model, tokenizer, self._prompt(tokenizer, history), max_tokens=self._max, sampler=make_sampler(self.temp)
        )
        finish = None
        while True:
            with key.use():
                answer = next(stream, None)
            if answer is None:
                break
            finish = answer.finish_reason
            if answer.text:
                yield answer.text
        if finish == "length":
            raise ReplyRemark(f"the reply was cut off at {self._max} tokens")

    @functools.cached_property
    def _loaded(self) -> tuple[Any, Any]:
        # Before transformers is imported: it has advice for people who have no PyTorch.
        os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
        from mlx_lm import stream_generate
        from mlx_lm.sample_utils import make_sampler
        from mlx_lm.utils import MODEL_REMAPPING, load

        from workbench.moshi.load import PrivateKey

        kind = read_json(self.root / "config.json")["model_type"]
        if importlib.util.find_spec(f"mlx_lm.models.{MODEL_REMAPPING.get(kind, kind)}") is None:
            raise WorkbenchError(f"{self.root}: mlx-lm {version('mlx-lm')} does not know models of type {kind!r}")
        try:
            with PrivateKey(0).use():  # a module draws weights when it is built, before they are read
                model, tokenizer = load(str(self.root), tokenizer_config={"trust_remote_code": False})
        except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise WorkbenchError(f"{self.root}: mlx-lm cannot load it: {_first_line(error)}") from None
        if not tokenizer.chat_template:
            raise WorkbenchError(f"{self.root}: has no chat template; take a model that is made for conversation")
        with PrivateKey(0).use():  # the first steps of all compile kernels
            list(stream_generate(model, tokenizer, [0], max_tokens=2, sampler=make_sampler(self.temp)))
        return model, tokenizer

    def _prompt(self, tokenizer: Any, history: tuple[str, ...]) -> list[int]:
        from jinja2 import TemplateError

        said = messages(history)
        first = {"role": "user", "content": f"{self._system}\n\n{said[0]['content']}"}
        # Some models know no system prompt, and their templates say so; theirs goes before the first words.
        for turns in ([{"role": "system", "content": self._system}, *said], [first, *said[1:]]):
            try:
                # What thinks aloud must not do so here: every word would be spoken.
                tokens: list[int] = tokenizer.apply_chat_template(
                    turns, add_generation_prompt=True, enable_thinking=False
                )
            except TemplateError as error:
                refused = _first_line(error)
            else:
                return tokens
        raise WorkbenchError(f"{self.root}: its chat template refuses a conversation: {refused}")


def open_mlx_lm(spec: str) -> MlxLm:
    """The model that ``[stack] lm`` names; its replies are kept in ``replies/`` in the cache folder.

    Raises:
        WorkbenchError: see :class:`MlxLm`.
    """
    return MlxLm(spec, cache_folder() / "replies" / f"{key_of(spec)[:16]}.jsonl")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _parse(spec: str) -> tuple[Path, float]:
    folder, mark, text = spec.partition(":")[2].partition("#temp=")
    try:
        temp = float(text) if mark else 0.0
    except ValueError:
        temp = -1.0
    if not folder or not 0 <= temp <= _HOTTEST:
        raise WorkbenchError(f"[stack] lm is {spec!r}, must be {KIND}:DIRECTORY or {KIND}:DIRECTORY#temp=0.7")
    return Path(folder), temp


def _files(root: Path) -> list[Path]:
    """What is read of a model directory, sorted by name.

    Raises:
        WorkbenchError: something is missing, or the configuration is none.
    """
    if not root.is_dir():
        raise WorkbenchError(f"{root}: no such directory ([stack] lm); mlx-lm's models are not fetched by themselves")
    if not (root / "config.json").is_file():
        raise WorkbenchError(f"{root}: has no config.json, so it is no model of mlx-lm's ([stack] lm)")
    config = read_json(root / "config.json")
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise WorkbenchError(f"{root / 'config.json'}: names no model_type, so it is no model of mlx-lm's")
    if not (weights := sorted(root.glob("model*.safetensors"))):
        raise WorkbenchError(f"{root}: has no model*.safetensors ([stack] lm)")
    for path in weights:  # MLX reads beyond the end of a truncated file and says nothing
        read_header(path)
    if not (root / "tokenizer_config.json").is_file():
        raise WorkbenchError(f"{root}: has no tokenizer_config.json ([stack] lm)")
    return sorted({path for pattern in _FILES for path in root.glob(pattern)})
