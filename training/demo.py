"""Spoken requests inside the vocabulary, as 24 kHz FLAC with exact word times, for demonstration sessions."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from training.kokoro import RATE, UNSEEN, Kokoro, load_voices
from training.settings import CACHE, SEED
from training.settings import VOICES as VOICE_FILE

VOICES = ("af_heart", "am_michael", "bf_emma", UNSEEN[1])
LINES = (
    """
hello|how are you today|what time is it|what is the weather today|what is the weather tomorrow
turn on the kitchen light|turn off the radio in the bedroom|set a timer for five minutes
set a timer for ten minutes please|remind me to buy milk tomorrow|remind me to call anna at three
play some jazz music please|stop the music|turn the volume down a little|call peter now
add coffee and bread to my list|what is on my list|wake me up at seven thirty|my name is john
um set the heater to twenty degrees|open the window please|no thank you|yes please|wait stop that
wait|stop|thank you|good night|let me think|two seven zero five
""".strip()
    .replace("\n", "|")
    .split("|")
)
SPOKEN = (
    ("call four one six nine two zero eight", "bm_daniel", 0.95),
    ("two seven zero five three nine", "af_sky", 0.95),
    ("turn on the light in the office please", "bm_george", 0.9),
    ("remind me to call mary on friday morning", "bm_george", 0.9),
    ("add coffee and bread to my list", "am_onyx", 0.9),
    ("uh can you play some rock music", "af_bella", 0.95),
    ("set the heater in the bedroom to fifteen degrees", "af_bella", 0.95),
    ("close the window please", "bf_alice", 1.0),
    ("turn off the kitchen light", "bf_alice", 1.0),
    ("what day is it tomorrow", "am_adam", 1.0),
    ("wake me up at eight thirty", "am_adam", 0.95),
)
"""More lines, each with its voice and speed; after the others, so that those stay as they are."""


def make(out: Path) -> None:
    """Write every line once, with a JSON of word spans each, and index.json."""
    import soundfile

    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    kokoro = Kokoro(SEED, load_voices(VOICE_FILE))
    index = []
    lines = [(text, VOICES[at % len(VOICES)], rng.choice((0.95, 1.0, 1.05))) for at, text in enumerate(LINES)]
    for at, (text, voice, speed) in enumerate([*lines, *SPOKEN]):
        speech = kokoro.say(text, {voice: 1.0}, speed, ".", set())
        spans = [
            {
                "word": word,
                "start": min(begin for _, i, begin, _ in speech.phones if i == index_),
                "end": max(end for _, i, _, end in speech.phones if i == index_),
            }
            for index_, word in enumerate(text.split())
        ]
        name = f"{at:02d}-{voice}"
        wave = speech.audio * 0.5 / np.abs(speech.audio).max()
        soundfile.write(out / f"{name}.flac", wave.astype(np.float32), RATE, subtype="PCM_16")
        item = {
            "file": f"{name}.flac",
            "text": text,
            "voice": voice,
            "seen_in_training": voice not in UNSEEN,
            "sample_rate": RATE,
            "samples": len(wave),
            "words": spans,
        }
        (out / f"{name}.json").write_text(json.dumps(item, indent=1) + "\n")
        index.append(item)
    (out / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    make(CACHE / "demo-utterances")
