"""Action and output of ``workbench voices``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.errors import WorkbenchError, printable

if TYPE_CHECKING:
    from workbench.moshi.checkpoint import Checkpoint

AUDITION = "Hello! I can hear you well. It is a quarter past nine, and the next meeting begins in twenty minutes."


def list_voices(folder: Path, as_json: bool) -> None:
    """Print the voices of a TTS model."""
    from workbench.moshi import voices
    from workbench.moshi.checkpoint import find

    c = _tts(find(folder))
    _note_generated(c)
    found = voices.available(c)
    if not found:
        raise WorkbenchError(f"{folder}: has no voices (*{c.voice_suffix}); `models pull … --voice NAME` gets one")
    if as_json:
        click.echo(json.dumps([{"voice": item.name.removesuffix(c.voice_suffix), "file": str(item)} for item in found]))
        return
    for path in found:
        click.echo(printable(f"{path.name.removesuffix(c.voice_suffix):40} {path}"))


def _note_generated(c: "Checkpoint") -> None:
    if c.generated:
        click.echo(printable(f"note: {c.root}: generated, without meaning"), err=True)


def _tts(c: "Checkpoint") -> "Checkpoint":
    if c.kind != "tts":
        raise WorkbenchError(f"{c.root}: is of kind {c.kind}, a tts model is needed here")
    return c


def check_voices(files: Sequence[Path], tts: Path | None, as_json: bool) -> int:
    """Check voices; report each, and fail if one did."""
    from workbench.moshi import voices
    from workbench.moshi.checkpoint import find

    model = _tts(find(tts)) if tts else None
    failed = 0
    rows: list[dict[str, object]] = []
    for path in files:
        try:
            v = voices.check(path, model)
        except WorkbenchError as error:
            failed = 1
            rows.append({"file": str(path), "usable": False, "problem": str(error)})
            if not as_json:
                click.echo(printable(f"bad  {error}"))
            continue
        rows.append({"file": str(path), "usable": True, "frames": v.frames, "dim": v.dim, "std": float(v.std)})
        if as_json:
            continue
        origin = ", ".join(f"{k} {x}" for k, x in sorted(v.metadata.items())) or "no metadata"
        click.echo(printable(f"ok   {path}: {v.frames} frames of {v.dim}, standard deviation {v.std:.3f}, {origin}"))
    if as_json:
        click.echo(json.dumps(rows))
    return failed


def audition(folder: Path, names: Sequence[str], text: str | None, out: Path, seed: int) -> None:
    """Speak with each voice, write FLACs and the table."""
    from workbench.moshi.audition import HEADER, audition, row
    from workbench.moshi.checkpoint import find

    rows: list[str] = []
    model = _tts(find(folder))
    _note_generated(model)
    for take in audition(model, names, text or AUDITION, out, seed):
        for line in [row(take)] if rows else [HEADER, row(take)]:
            rows.append(line)
            click.echo(printable(line))
    (out / "voices.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    click.echo("\n" + printable(f"{len(names)} FLAC files and voices.txt in {out}"))
