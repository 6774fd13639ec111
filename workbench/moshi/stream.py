"""The multi-stream LM step by step: what moshi_mlx's ``LmGen`` does, without its bounds.

``LmGen`` keeps every token of a run in one array of ``max_steps`` columns, so a stream ends at that step, and asks
the device for each codebook's value on its way. Only the last few columns are ever read: here those are kept on the
host, a step waits for the device once, and a stream has no last step. Tests hold both to the same tokens.
"""

import copy
from collections import deque
from collections.abc import Callable, Sequence

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from moshi_mlx.models import Lm
from moshi_mlx.modules.conditioner import ConditionTensor
from moshi_mlx.utils import Sampler

from workbench.moshi.load import PrivateKey

TokenIds = npt.NDArray[np.int32]

NEW_WORD, PAD = 0, 3
"""Text tokens without text: a word begins (or ends) here; nothing happens."""

ZERO = -1
"""A token that embeds to zero: no input."""


class TokenStream:
    """One run of a multi-stream LM.

    Args:
        model: the LM; its caches hold the run's past, so one run per model at a time.
        samplers: of text tokens and of audio tokens.
        key: random state of this run.
        condition: added to every step's input.
        cross: source of the cross-attention, where the model has one.
        on_text: predicted text token → the one to use, where the text is not free.
        on_audio: changes the step's audio tokens, (dep_q,), in place.
    """

    def __init__(
        self,
        model: Lm,
        *,
        samplers: tuple[Sampler, Sampler],
        key: PrivateKey,
        condition: ConditionTensor | None = None,
        cross: mx.array | None = None,
        on_text: Callable[[int], int] | None = None,
        on_audio: Callable[[TokenIds], None] | None = None,
    ) -> None:
        self._model, self._key = model, key
        self._samplers = samplers
        self._condition, self._cross = condition, cross
        self._on_text, self._on_audio = on_text, on_audio
        self._own, self._delays = model.dep_q, list(model.delays)
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
        self.text: int = self._model.cfg.text_out_vocab_size  # the token that stands before the first
        # Newest last; a codebook's delay says how far back to look.
        self._said: deque[TokenIds] = deque(maxlen=self._span + 1)
        self._heard: deque[Sequence[int]] = deque(maxlen=self._span + 1)
        self.hidden: mx.array | None = None
        self._heads: list[mx.array] = []

    def step(self, other: Sequence[int] | npt.NDArray[np.integer] = ()) -> int:
        """Advance one frame.

        Args:
            other: the codes that come in, (n_q - dep_q,); what the STT hears, or the user's side of a dialogue.

        Returns:
            The text token.
        """
        inputs = [mx.array([[t]]) for t in self._inputs(other)]
        with self._key.use():
            text, audio, self.hidden = self._model._sample(
                mx.array([[self.text]], dtype=mx.int32),
                inputs,
                *self._samplers,
                ct=self._condition,
                cross_attention_src=self._cross,
                on_text_hook=self._text_hook if self._on_text else None,
            )
        self._heads = [mx.softmax(head(self.hidden), axis=-1)[0, 0, 0] for head in self._model.extra_heads]
        mx.eval([text, *self._heads] if audio is None else [text, audio])
        self.text = int(text.item())
        if audio is not None:
            said = np.array(audio)[0, :, 0]
            if self._on_audio:
                self._on_audio(said)
            self._said.append(said)
        self.steps += 1
        return self.text

    def _inputs(self, other: Sequence[int] | npt.NDArray[np.integer]) -> list[int]:
        """What each codebook's embedding sees now: the column before this one, less the codebook's delay."""
        padding = self._model.cfg.audio_padding_token
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

    def _text_hook(self, token: mx.array) -> None:
        assert self._on_text is not None
        token[:] = mx.array([[self._on_text(int(token.item()))]])

    def audio(self) -> TokenIds | None:
        """The newest frame that all own codebooks have reached, (dep_q,), or None before there is one."""
        if self.steps - 1 - self._span < 0:
            return None
        # Codebook k said its part of that frame delay[k] steps after the frame's own step.
        return np.array([self._said[d - self._span - 1][k] for k, d in enumerate(self._delays[: self._own])])

    def heads(self) -> tuple[float, ...]:
        """Semantic-VAD heads of this step: probability of a pause of 0.5, 1, 2 and 3 s; empty without heads."""
        return tuple(float(p.item()) for p in self._heads)


def reset_caches(model: Lm) -> None:
    """Forget the past of every layer."""
    for cache in (*model.transformer_cache, *model.depformer_cache):
        cache.reset()
