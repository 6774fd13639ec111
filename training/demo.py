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


def make(out: Path) -> None:
    """Write every line once, the voices in turn, with a JSON of word spans each, and index.json."""
    import soundfile

    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    kokoro = Kokoro(SEED, load_voices(VOICE_FILE))
    index = []
    for at, text in enumerate(LINES):
        voice = VOICES[at % len(VOICES)]
        speech = kokoro.say(text, {voice: 1.0}, rng.choice((0.95, 1.0, 1.05)), ".", set())
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
