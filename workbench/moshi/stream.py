"""The multi-stream LM step by step: what moshi_mlx's ``LmGen`` does, without its bounds.

``LmGen`` keeps every token of a run in one array of ``max_steps`` columns, so a stream ends at that step, and asks
the device for each codebook's value on its way. Only the last few columns are ever read: here those are kept on the
host, a step waits for the device once, and a stream has no last step. Tests hold both to the same tokens.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from moshi_mlx.models import Lm
from moshi_mlx.modules.conditioner import ConditionTensor
from moshi_mlx.utils import Sampler

from workbench.moshi.load import PrivateKey
from workbench.moshi.state import Slot, of_caches

TokenIds = npt.NDArray[np.int32]

NEW_WORD, PAD = 0, 3
"""Text tokens without text: a word begins (or ends) here; nothing happens."""

ZERO = -1
"""A token that embeds to zero: no input."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """What stays the same over all steps of a run.

    Attributes:
        samplers: of text tokens and of audio tokens.
        condition: added to every step's input.
        cross: source of the cross-attention, where the model has one.
        on_text: predicted text token → the one to use, where the text is not free.
    """

    samplers: tuple[Sampler, Sampler]
    condition: ConditionTensor | None = None
    cross: mx.array | None = None
    on_text: Callable[[int], int] | None = None


class LmOutput(NamedTuple):
    """What a step gives: text token, own audio tokens (dep_q,) if any, last hidden state (1, 1, dim), pause heads."""

    text: int
    audio: TokenIds | None
    hidden: Any
    heads: tuple[float, ...]


class LmSteps(Protocol):
    """An LM that is stepped; its past lives in it, so one run at a time.

    Attributes:
        lm: the model of moshi_mlx that it was made from.
    """

    lm: Lm

    def step(self, text: int, audio: Sequence[int], drawing: Drawing) -> LmOutput:
        """One step after a text token and the audio tokens of all codebooks, (n_q,); -1 is no input."""
        ...

    def step_together(self, texts: TokenIds, audio: TokenIds, drawing: Drawing) -> tuple[TokenIds, npt.NDArray[Any]]:
        """One step of several streams that only listen, from a reset on.

        Args:
            texts: last text token of each stream, (streams,).
            audio: audio tokens, (streams, n_q). Streams that have ended are left out from the end; none may be added.
            drawing: for all streams; the likeliest token is taken.

        Returns:
            Text tokens, (streams,), and pause heads, (streams, heads).
        """
        ...

    def reset(self) -> None:
        """Forget every step."""
        ...

    def slots(self) -> Iterator[Slot]:
        """What it remembers of the steps before."""
        ...


def narrow(cache: Any, streams: int) -> None:
    """Drop the streams of a key-value cache that have ended: those behind the first ``streams``."""
    if cache.keys is not None and len(cache.keys) > streams:
        cache.keys, cache.values = cache.keys[:streams], cache.values[:streams]


class MlxLmSteps:
    """Steps by moshi_mlx (role ``LmSteps``)."""

    def __init__(self, lm: Lm) -> None:
        self.lm = lm

    def step(self, text: int, audio: Sequence[int], drawing: Drawing) -> LmOutput:
        """See :class:`LmSteps`. The device is waited for once."""
        hook = drawing.on_text

        def replace(token: mx.array) -> None:
            assert hook is not None
            token[:] = mx.array([[hook(int(token.item()))]])

        said, own, hidden = self.lm._sample(
            mx.array([[text]], dtype=mx.int32),
            [mx.array([[token]]) for token in audio],
            *drawing.samplers,
            ct=drawing.condition,
            cross_attention_src=drawing.cross,
            on_text_hook=replace if hook else None,
        )
        heads = [mx.softmax(head(hidden), axis=-1)[0, 0, 0] for head in self.lm.extra_heads]
        mx.eval([said, *heads] if own is None else [said, own, *heads])
        tokens = None if own is None else np.array(own)[0, :, 0]
        return LmOutput(int(said.item()), tokens, hidden, tuple(float(p.item()) for p in heads))

    def step_together(self, texts: TokenIds, audio: TokenIds, drawing: Drawing) -> tuple[TokenIds, npt.NDArray[Any]]:
        """See :class:`LmSteps`."""
        for layer in self.lm.transformer_cache:
            narrow(layer.self_attn, len(texts))
        said, _, hidden = self.lm._sample(
            mx.array(texts[:, None]),
            [mx.array(column[None]) for column in audio.T],
            *drawing.samplers,
            ct=drawing.condition,
        )
        heads = [mx.softmax(head(hidden), axis=-1)[:, 0, 0].astype(mx.float32) for head in self.lm.extra_heads]
        mx.eval([said, *heads])
        pauses = np.stack([np.array(head) for head in heads], axis=1) if heads else np.zeros((len(texts), 0))
        return np.array(said)[:, 0], pauses

    def reset(self) -> None:
        """Forget every step, of every layer."""
        for cache in (*self.lm.transformer_cache, *self.lm.depformer_cache):
            cache.reset()

    def slots(self) -> Iterator[Slot]:
        """What it remembers of the steps before."""
        return of_caches(self.lm.transformer_cache)


class TokenStream:
    """One run of a multi-stream LM.

    Args:
        model: the LM, which holds the run's past.
        key: random state of this run.
        drawing: how tokens are drawn, and from what.
        on_audio: changes the step's audio tokens, (dep_q,), in place.
    """

    def __init__(
        self, model: LmSteps, key: PrivateKey, drawing: Drawing, on_audio: Callable[[TokenIds], None] | None = None
    ) -> None:
        self._model, self._key, self._drawing, self._on_audio = model, key, drawing, on_audio
        lm = model.lm
        self._own, self._delays = lm.dep_q, list(lm.delays)
        self._span = max(self._delays, default=0)
        self.clear()

    def copy(self) -> "TokenStream":
        """The run as it is now; the model's caches are not part of it."""
        other = copy.copy(self)
        other._key = self._key.copy()
        other._said, other._heard = self._said.copy(), self._heard.copy()
        return other

    def clear(self) -> None:
        """Back to before the first step. The model's caches are not touched."""
        self.steps = 0
        self.text: int = self._model.lm.cfg.text_out_vocab_size  # the token that stands before the first
        # Newest last; a codebook's delay says how far back to look.
        self._said: deque[TokenIds] = deque(maxlen=self._span + 1)
        self._heard: deque[Sequence[int]] = deque(maxlen=self._span + 1)
        self.hidden: Any = None
        self._heads: tuple[float, ...] = ()

    def step(self, other: Sequence[int] | npt.NDArray[np.integer] = ()) -> int:
        """Advance one frame.

        Args:
            other: the codes that come in, (n_q - dep_q,); what the STT hears, or the user's side of a dialogue.

        Returns:
            The text token.
        """
        inputs = self._inputs(other)
        with self._key.use():
            self.text, said, self.hidden, self._heads = self._model.step(self.text, inputs, self._drawing)
        if said is not None:
            if self._on_audio:
                self._on_audio(said)
            self._said.append(said)
        self.steps += 1
        return self.text

    def _inputs(self, other: Sequence[int] | npt.NDArray[np.integer]) -> list[int]:
        """What each codebook's embedding sees now: the column before this one, less the codebook's delay."""
        padding = self._model.lm.cfg.audio_padding_token
        column = self.steps - 1
        tokens = []
        for k, delay in enumerate(self._delays):
            if column - delay < 0:
                tokens.append(padding)
            elif k < self._own:
                tokens.append(int(self._said[-1][k]))  # said at the last step, for that column
            else:
                tokens.append(int(self._heard[-1 - delay][k - self._own]))
        self._heard.append([int(t) for t in other])
        return tokens

    def audio(self) -> TokenIds | None:
        """The newest frame that all own codebooks have reached, (dep_q,), or None before there is one."""
        if self.steps - 1 - self._span < 0:
            return None
        # Codebook k said its part of that frame delay[k] steps after the frame's own step.
        return np.array([self._said[d - self._span - 1][k] for k, d in enumerate(self._delays[: self._own])])

    def heads(self) -> tuple[float, ...]:
        """Semantic-VAD heads of this step: probability of a pause of 0.5, 1, 2 and 3 s; empty without heads."""
        return self._heads
