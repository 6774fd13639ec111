"""Where the training keeps its work, how much of everything it makes, and its seed."""

from __future__ import annotations

import os
from pathlib import Path

QUICK = os.environ.get("WORKBENCH_TRAINING_QUICK") == "1"
"""A little of everything, in a place of its own: walks the whole way in minutes and learns nothing."""

CACHE = Path(os.environ.get("WORKBENCH_TRAINING", Path.home() / ".cache" / "workbench-training"))
if QUICK:
    CACHE /= "quick"
SPEECH = CACHE / "speech"
CHECKPOINTS = CACHE / "checkpoints"
PACKAGES = CACHE / "packages"
STREAMS = CACHE / "streams"
TOKENIZER = CACHE / "tokenizer.model"
VOICES = PACKAGES / "kokoro-js-1.2.1.tgz"
DATA = CACHE / "nano" if QUICK else Path(__file__).resolve().parents[1] / "workbench" / "data" / "nano"

SEED = 20240
THREADS = int(os.environ.get("WORKBENCH_TRAINING_THREADS", "2"))

SHARD = 6 if QUICK else 100  # utterances
TESTED = 4 if QUICK else 100  # utterances of each test set
# Shards (about four minutes each) of each kind of speech: the TTS voice, its speaker speaking fluently, many voices.
SHARDS = {"units": 20, "tts": 12, "many": 50, "units-test": 1, "tts-test": 1, "seen-test": 1, "unseen-test": 1}
# Steps of each training in all; raising one takes a finished training further.
STEPS = {"codec": 14_000, "decoder": 14_000, "stt": 16_000, "tts": 2_100}
if QUICK:
    SHARDS = dict.fromkeys(SHARDS, 2)
    STEPS = dict.fromkeys(STEPS, 4)
