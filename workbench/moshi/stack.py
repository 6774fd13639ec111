"""The stacks ``moshi`` and ``nano``: one directory with a model per role, loaded once, serving every session.

``--models DIR`` (or ``[stack] models``) holds a model directory per role: ``DIR/stt``, ``DIR/tts``, ``DIR/duplex``.
``stt_model_path`` and ``tts_model_path``, the assistant's own keys, name one role each and come first.
"""

from pathlib import Path

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint, find
from workbench.moshi.lm import MlxLm
from workbench.moshi.repository import is_model
from workbench.moshi.sizes import Kind
from workbench.sessions.labels import Label
from workbench.simulation.step_costs import Profile, read_profile
from workbench.stages.openai_lm import EndpointLm
from workbench.stages.protocols import DuplexModel as DuplexRole
from workbench.stages.protocols import Stages, TextLm

PROFILE = "profile.json"
"""Cost profile beside the models, where they come with one."""

SMALL = 256 << 20
"""Bytes of weights up to which a process may load the models once more. One with nano, 30 MB, takes 250 MB in all; the
published models take gigabytes each, and keep every core busy by themselves."""


def several(*checkpoints: Checkpoint) -> bool:
    """Whether models are small and on the CPU; on a GPU, processes wait for each other (not measured: no GPU here)."""
    import mlx.core as mx

    files = [path for item in checkpoints for path in (item.weights, item.mimi) if path is not None]
    return bool(mx.default_device() == mx.cpu) and sum(path.stat().st_size for path in files) <= SMALL


def locate(config: Config, kind: Kind) -> Checkpoint:
    """The model of one role.

    Raises:
        WorkbenchError: says where it was looked for and which key to set.
    """
    own = {"stt": ("stt_model_path", "stt_config_path"), "tts": ("tts_model_path", "tts_config_path")}.get(kind)
    given = getattr(config.assistant, own[0]) if own else ""
    if own and given:
        if not Path(given).is_dir():
            raise WorkbenchError(
                f"{given}: no such model directory ({own[0]}); name one that is here, or set the assistant's paths "
                "aside: --set stt_model_path= --set tts_model_path= --set tts_voice_path="
            )
        other = getattr(config.assistant, own[1])
        return _of_kind(find(Path(given), Path(other) if other else None), kind, own[0])
    if not config.stack.models:
        keys = f"--models DIR, [stack] models{f' or {own[0]}' if own else ''}"
        raise WorkbenchError(f"no {kind} model given; set {keys} (`workbench models` shows how to get one)")
    root = Path(config.stack.models)
    if not root.is_dir():
        raise WorkbenchError(f"{root}: no such directory ([stack] models)")
    here = root / kind if (root / kind).is_dir() else root
    if not is_model(here):
        raise WorkbenchError(f"{root}: has neither {kind}/config.json nor config.json ([stack] models)")
    return _of_kind(find(here), kind, "[stack] models")


def _of_kind(checkpoint: Checkpoint, kind: Kind, key: str) -> Checkpoint:
    if checkpoint.kind != kind:
        raise WorkbenchError(f"{checkpoint.root}: is of kind {checkpoint.kind}, {key} must give a model of kind {kind}")
    return checkpoint


class MoshiStack:
    """STT and TTS of Kyutai's formats, and whichever LM the config names (role ``Stack``).

    Args:
        name: as in ``[stack] stack``.
        config: names the models, the voice, how the TTS draws its tokens, and what the listener needs of the STT.
        lm: where replies come from.
    """

    vocabulary: frozenset[str] | None = None

    def __init__(self, name: str, config: Config, lm: TextLm) -> None:
        from workbench.moshi.stt import DsmStt
        from workbench.moshi.tts import DsmTts, TtsOptions

        self.name = name
        hears, speaks = locate(config, "stt"), locate(config, "tts")
        self._stt = DsmStt(hears)
        if config.assistant.stt_vad:
            self._stt.require_pause_heads()
        drawn = config.stack
        options = TtsOptions(
            voice=config.assistant.tts_voice_path,
            quantize=config.assistant.quantize,
            temperature=drawn.tts_temperature,
            cfg=drawn.tts_cfg,
            max_padding=drawn.tts_padding_max,
            initial_padding=drawn.tts_padding_initial,
            final_padding=drawn.tts_padding_final,
            padding_between=drawn.tts_padding_between,
        )
        self._tts = DsmTts(speaks, options)
        self._lm = lm
        # A server that is asked by several at once answers each more slowly, and its times are kept.
        self.several = several(hears, speaks) and not isinstance(lm, MlxLm | EndpointLm)
        self.weights = {
            f"{role}.{part}": digest
            for role, checkpoint in (("stt", hears), ("tts", speaks))
            for part, digest in checkpoint.digests.items()
        }
        if isinstance(lm, MlxLm):
            self.weights |= {f"lm.{part}": digest for part, digest in lm.digests.items()}
        path = Path(config.stack.models) / PROFILE
        self.profile: Profile | None = read_profile(path) if config.stack.models and path.exists() else None

    def stages(self, labels: tuple[Label, ...]) -> Stages:
        """The same three for every session; models do not look at labels."""
        return Stages(self._stt, self._lm, self._tts)


class DuplexStack:
    """Moshi itself (role ``Stack``).

    Args:
        config: names the model, and how it draws its tokens.
    """

    name = "moshi-duplex"
    vocabulary: frozenset[str] | None = None

    def __init__(self, config: Config) -> None:
        from workbench.moshi.duplex import Duplex, DuplexOptions

        checkpoint, drawn = locate(config, "duplex"), config.stack
        options = DuplexOptions(drawn.duplex_temperature, drawn.duplex_top_k_text, drawn.duplex_top_k_audio)
        self._duplex = Duplex(checkpoint, options)
        self.several = several(checkpoint)
        self.weights = {f"duplex.{part}": digest for part, digest in checkpoint.digests.items()}
        path = checkpoint.root / PROFILE
        self.profile: Profile | None = read_profile(path) if path.exists() else None

    def stages(self, labels: tuple[Label, ...]) -> DuplexRole:
        """The one model, for every session."""
        return self._duplex
