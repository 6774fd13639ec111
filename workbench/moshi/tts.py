"""DSM text to speech, one LM step at a time.

The model says when it is ready for the next word; a state machine then feeds that word's tokens. Sound follows
text by ``delay_steps`` plus the acoustic delay, so the first frame comes out of step 19 of the published model, for
every chunk anew. The loop is that of moshi_mlx's ``TTSModel.generate``, turned into an iterator that can be closed.
"""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.files import sha256_file
from workbench.moshi import text as normalise
from workbench.moshi import voices
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.codec import Codec
from workbench.moshi.model import Backend, LmBackend, Model, fingerprint, load, open_codec
from workbench.moshi.stream import ZERO, Drawing, TokenIds, TokenStream

INERT = {
    "n_q": "stored, never read",
    "padding_bonus": "its code is commented out",
    "cfg_is_no_prefix": "never read",
    "cfg_is_no_text": "never read",
}
"""Options of moshi_mlx 0.3.0 that do nothing."""


@dataclass(frozen=True)
class TtsOptions:
    """What shapes the speech; the defaults are MLX-Harmony's.

    Attributes:
        voice: file or name; empty takes the only one there is.
        temperature: of text and audio.
        cfg: strength of the voice for models that were trained with it as an input: 1.0, 1.5 … 4.0.
        max_padding: frames the model may wait before the next word is forced.
        initial_padding: frames of waiting forced at the start.
        final_padding: frames spoken after the last word.
        padding_between: frames forced between words.
        quantize: bits to quantise to while loading; 0 is off.
        max_steps: gives up here.
        text: ``moshi_mlx`` leaves the text to the package, ``gaps`` also closes the gaps it leaves (``text``).
        decoder: ``exact`` as the reference; ``rustymimi`` differs audibly little but not in nothing: moshi_mlx lets the
            two positions of a frame see each other, rustymimi does not.
        lm: what steps the LM.
    """

    voice: str = ""
    temperature: float = 0.6
    cfg: float = 1.0
    max_padding: int = 8
    initial_padding: int = 2
    final_padding: int = 2
    padding_between: int = 0
    quantize: int = 0
    max_steps: int = 30_000
    text: Literal["moshi_mlx", "gaps"] = "moshi_mlx"
    decoder: Backend = "exact"
    lm: LmBackend = "auto"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "TtsOptions":
        """Options by name.

        Raises:
            WorkbenchError: names an option that is unknown, or known to do nothing.
        """
        names = {f.name for f in dataclasses.fields(cls)}
        for name in given:
            if name in INERT:
                raise WorkbenchError(
                    f"tts option {name}: does nothing in moshi_mlx 0.3.0 ({INERT[name]}); leave it out"
                )
            if name not in names:
                raise WorkbenchError(f"tts option {name}: unknown; there are {', '.join(sorted(names))}")
        return cls(**given)


class DsmTts:
    """A DSM TTS checkpoint (role ``Tts``).

    Args:
        checkpoint: a TTS model.
        options: see :class:`TtsOptions`.

    Raises:
        WorkbenchError: the voice or an option does not suit the model.
    """

    def __init__(self, checkpoint: Checkpoint, options: TtsOptions | None = None) -> None:
        self.options = options or TtsOptions()
        # Before the weights, which take seconds: a wrong voice is said at once.
        _check_conditions(checkpoint, self.options)
        self.model: Model = load(checkpoint, "tts", quantize=self.options.quantize or None, lm_backend=self.options.lm)
        self.codec: Codec = open_codec(checkpoint, self.options.decoder, checkpoint.config["dep_q"])
        self._tts = _tts_model(self.model, checkpoint, self.options)
        self.delay_steps: int = self._tts.delay_steps
        self.start_steps = self.delay_steps + max(self.model.lm.delays)
        self._live = 0
        self._use(self.options)

    def _use(self, options: TtsOptions) -> None:
        """Set the voice of ``options`` and what follows from it."""
        checkpoint = self.model.checkpoint
        self.options = options
        self.voice = _check_conditions(checkpoint, options)
        self._condition, self._cross = _conditions(self._tts, self.voice.path, options)
        described = dataclasses.asdict(options) | {"role": "tts", "voice": sha256_file(self.voice.path)}
        self.fingerprint = fingerprint(checkpoint, described, (self.codec, self.model.steps))

    def synthesize(self, text: str, seed: int | None = 0) -> "Synthesis":
        """Speak one chunk; ends the one before.

        Args:
            text: what to say; ``<break time="0.5s"/>`` is a pause.
            seed: seeds sampling; None continues as moshi_mlx's ``run_tts`` does.

        Raises:
            WorkbenchError: there is nothing to say.
        """
        if self.options.text == "gaps":
            text, _ = normalise.gaps(text)
        entries = self._tts.prepare_script([text], padding_between=self.options.padding_between)
        if not any(e.tokens for e in entries):
            raise WorkbenchError(f"nothing to say in {text!r}")
        from workbench.moshi.load import PrivateKey

        self._live += 1
        self.model.steps.reset()
        self.codec.reset()
        key = self.model.key.copy() if seed is None else PrivateKey(seed)
        return Synthesis(self, self._live, self._tts.machine.new_state(entries), key)

    def with_voice(self, voice: str) -> "DsmTts":
        """The same loaded model with another voice; this one must not be used beside it.

        Raises:
            WorkbenchError: the voice is not there or does not suit the model.
        """
        other = copy.copy(self)
        other._use(dataclasses.replace(self.options, voice=voice))
        return other

    def alive(self, number: int) -> bool:
        """Whether this is still the newest chunk."""
        return number == self._live


def _check_conditions(checkpoint: Checkpoint, options: TtsOptions) -> voices.Voice:
    voice = voices.check(_voice_path(checkpoint, options.voice), checkpoint)
    if voices.is_inert(checkpoint) and options.cfg != TtsOptions.cfg:
        raise WorkbenchError(f"tts option cfg: does nothing in {checkpoint.root}, as its voice; leave it out")
    return voice


def _voice_path(checkpoint: Checkpoint, voice: str) -> Path:
    if checkpoint.kind != "tts":
        raise WorkbenchError(f"{checkpoint.root}: is of kind {checkpoint.kind}, a tts model is needed here")
    if "speaker_wavs" not in checkpoint.config.get("conditioners", {}):
        raise WorkbenchError(
            f"{checkpoint.root}: this TTS takes its voice from an audio prefix, which moshi_mlx 0.3.0 cannot do"
        )
    return voices.resolve(checkpoint, voice)


def _tts_model(model: Model, checkpoint: Checkpoint, options: TtsOptions) -> Any:
    """moshi_mlx's TTSModel: used for its script, its state machine and its conditions."""
    from moshi_mlx.models.tts import TTSModel

    from workbench.moshi.load import PrivateKey, build_mimi

    with PrivateKey(0).use():
        mimi = build_mimi(checkpoint.mimi_config, model.lm.dep_q)  # asked for its frame rate only
    return TTSModel(
        model.lm,
        mimi,
        model.text,
        temp=options.temperature,
        final_padding=options.final_padding,
        initial_padding=options.initial_padding,
        max_padding=options.max_padding,
        max_gen_length=options.max_steps,
        raw_config=checkpoint.config,
    )


def _conditions(tts: Any, voice: Path, options: TtsOptions) -> tuple[Any, Any]:
    """The condition added to every step, and the source of the cross-attention."""
    import mlx.core as mx
    from moshi_mlx.modules.conditioner import ConditionTensor

    strengths = sorted(tts.valid_cfg_conditionings)
    if options.cfg not in strengths:
        allowed = ", ".join(str(s) for s in strengths) or "none: moshi_mlx needs a model with a cfg conditioner"
        raise WorkbenchError(f"tts option cfg: {options.cfg} is not one this model knows ({allowed})")
    attributes = tts.make_condition_attributes([voice], options.cfg)
    provider = tts.lm.condition_provider
    try:
        parts = [provider.condition_tensor(k, v).tensor.squeeze(0) for k, v in attributes.text.items()]
    except ValueError as e:
        raise WorkbenchError(f"tts: moshi_mlx needs the conditions control and cfg, this model differs ({e})") from e
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    sources = [provider.conditioners[k].condition(v) for k, v in attributes.tensor.items()]
    if len(sources) != 1:
        raise WorkbenchError("tts: moshi_mlx takes one cross-attention conditioner, this model has more")
    return ConditionTensor(mx.stack([total], axis=0)), sources[0]


class Synthesis(Iterator[Audio | None]):
    """One chunk being spoken: each item is one LM step, a PCM frame (1920,) or None.

    Attributes:
        steps: LM steps done.
        words: (word, frame of the sound it begins in) of those consumed so far.
        tokens: the audio tokens of each PCM frame, (codebooks,).
        end_step: the step that asked for a word when none was left; None before that.
    """

    def __init__(self, tts: DsmTts, number: int, state: Any, key: Any) -> None:
        from moshi_mlx.utils import Sampler

        self._tts, self._number, self._state = tts, number, state
        self.tokens: list[TokenIds] = []
        self.steps = 0
        self._closed = False
        sampler = Sampler(temp=tts.options.temperature)
        drawing = Drawing((sampler, sampler), tts._condition, tts._cross, self._on_text)
        self._stream = TokenStream(tts.model.steps, key, drawing, self._on_audio)
        self._silent = [ZERO] * (tts.model.lm.n_q - tts.model.lm.dep_q)

    @property
    def end_step(self) -> int | None:
        """The step that asked for a word when none was left."""
        end: int | None = self._state.end_step
        return end

    @property
    def words(self) -> list[tuple[str, int]]:
        """Words consumed so far and the PCM frame each begins in."""
        return list(self._state.transcript)

    def _on_text(self, token: int) -> int:
        fed: int = self._tts._tts.machine.process(self.steps, self._state, token)[0]
        return fed

    def _on_audio(self, said: TokenIds) -> None:
        for k, delay in enumerate(self._tts.model.lm.delays[: len(said)]):
            if self.steps < delay + self._tts.delay_steps:
                said[k] = ZERO

    def _finished(self) -> bool:
        options, end = self._tts.options, self.end_step
        last = None if end is None else end + self._tts.delay_steps + options.final_padding
        return self._closed or self.steps >= options.max_steps or (last is not None and self.steps >= last)

    def __next__(self) -> Audio | None:
        """One LM step.

        Raises:
            RuntimeError: a newer chunk has taken the model.
        """
        if self._finished():
            raise StopIteration
        if not self._tts.alive(self._number):
            raise RuntimeError("this chunk has ended: a newer one was begun on the same model")
        self._stream.step(self._silent)
        self.steps += 1
        said = self._stream.audio()
        if said is None or (said == ZERO).any():
            return None
        self.tokens.append(said)
        return self._tts.codec.decode(said.astype(np.uint32))

    def close(self) -> None:
        """Cancel the rest."""
        self._closed = True
