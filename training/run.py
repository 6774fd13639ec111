"""Make nano from nothing: each stage keeps its work and goes on from it, so a stopped run is just started again."""

from __future__ import annotations

import argparse
import subprocess

from training import settings


def packages() -> None:
    """Fetch the voices: kokoro-js (Apache-2.0) by npm."""
    settings.PACKAGES.mkdir(parents=True, exist_ok=True)
    if not settings.VOICES.exists():
        name = settings.VOICES.stem.replace("-1.", "@1.")
        subprocess.run(["npm", "pack", name], cwd=settings.PACKAGES, check=True)


def speech() -> None:
    """Synthesize all shards of speech."""
    from training import units
    from training.kokoro import load_voices
    from training.speech import make_shard

    voices = load_voices(settings.VOICES)
    settings.SPEECH.mkdir(parents=True, exist_ok=True)
    units.make(settings.SPEECH / "units.npz", voices)
    # A bit of everything first, so that the later stages can be tried before all of it is there.
    for index in range(max(settings.SHARDS.values())):
        for kind, count in settings.SHARDS.items():
            if index < count:
                make_shard(settings.SPEECH, kind, index, voices)


def codec() -> None:
    """Train the codec."""
    from training.train_codec import train

    train(settings.STEPS["codec"])


def decoder() -> None:
    """Train the codec's decoder further."""
    from training.train_decoder import train

    train(settings.STEPS["decoder"])


def tokenizer() -> None:
    """Build the tokenizer."""
    from training.tokenizer import build

    build(settings.TOKENIZER)


def stt() -> None:
    """Train the STT."""
    from training.train_stt import train

    train(settings.STEPS["stt"])


def tts() -> None:
    """Train the TTS."""
    from training.train_tts import train

    train(settings.STEPS["tts"])


def export() -> None:
    """Write the package data."""
    from training.export import export as write

    write()


def evaluate() -> None:
    """Measure and print the table."""
    from training.evaluate import main

    main([])


STAGES = (packages, speech, codec, decoder, tokenizer, stt, tts, export, evaluate)


def main() -> None:
    """Run all stages, or those named."""
    names = [stage.__name__ for stage in STAGES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(names)}; all without")
    chosen = parser.parse_args().stages
    if unknown := set(chosen) - set(names):
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if not chosen or {"codec", "decoder", "stt", "tts"} & set(chosen):
        import torch

        torch.set_num_threads(settings.THREADS)
        torch.set_flush_denormal(True)
    for stage in STAGES:
        if not chosen or stage.__name__ in chosen:
            print(f"== {stage.__name__}", flush=True)
            stage()


if __name__ == "__main__":
    main()
