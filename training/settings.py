"""Where the training keeps its work, how much of everything it makes, and its seed."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(os.environ.get("WORKBENCH_TRAINING", Path.home() / ".cache" / "workbench-training"))
SPEECH = CACHE / "speech"
CHECKPOINTS = CACHE / "checkpoints"
PACKAGES = CACHE / "packages"
STREAMS = CACHE / "streams"
TOKENIZER = CACHE / "tokenizer.model"
VOICES = PACKAGES / "kokoro-js-1.2.1.tgz"
DATA = Path(__file__).resolve().parents[1] / "workbench" / "data" / "nano"

SEED = 20240
THREADS = int(os.environ.get("WORKBENCH_TRAINING_THREADS", "2"))

# Shards of a hundred utterances (about four minutes) of each kind of speech: the TTS voice, its speaker speaking
# fluently, many voices.
SHARDS = {"units": 20, "tts": 12, "many": 50, "units-test": 1, "tts-test": 1, "seen-test": 1, "unseen-test": 1}
# Steps of each training in all; raising one takes a finished training further.
STEPS = {"codec": 14_000, "decoder": 8_000, "stt": 12_000, "tts": 2_100}
