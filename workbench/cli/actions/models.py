"""What ``models``, ``voices`` and ``doctor`` do and print."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from workbench.config import Config
from workbench.errors import WorkbenchError, printable

if TYPE_CHECKING:
    from workbench.moshi.checkpoint import Checkpoint
    from workbench.moshi.doctor import Finding

AUDITION = "Hello! I can hear you well. It is a quarter past nine, and the next meeting begins in twenty minutes."


def list_known() -> None:
    """Print the published models."""
    from workbench.moshi.hub import KNOWN

    for name, known in KNOWN.items():
        click.echo(printable(f"{name:11} {known.kind:7} {known.repo:27} {known.note}"))
    click.echo("\nworkbench models pull NAME FOLDER downloads one (several GB).")
    click.echo("workbench models init FOLDER --kind stt --size full generates one of the same size, to time a machine.")


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise WorkbenchError(f"{folder}: no such folder")
    from workbench.moshi.repository import is_model

    return sorted(filter(is_model, {p.parent for p in folder.glob("**/*")}))


def list_folder(folder: Path) -> None:
    """Print the models below a folder, a line each."""
    from workbench.moshi.checkpoint import find

    found = _below(folder)
    if not found:
        raise WorkbenchError(f"{folder}: holds no model (no config.json); `workbench models pull` gets one")
    for root in found:
        try:
            c = find(root)
            files = ", ".join(p.name for p in (c.weights, c.mimi) if p)
            click.echo(f"{root}  {c.kind}  {files}" + ("  generated, without meaning" if c.generated else ""))
        except WorkbenchError as error:
            click.echo(printable(f"{root}  unusable: {error}"))


def pull_and_check(name: str, folder: Path, voices: tuple[str, ...]) -> int:
    """Download a model and check it; fail if it is bad."""
    from workbench.moshi.hub import pull

    for path in pull(name, folder, voices=voices):
        click.echo(printable(str(path)))
    return check_folders([folder])


def check_folders(folders: Sequence[Path]) -> int:
    """Check models; report each, and fail if one did."""
    from workbench.moshi.checkpoint import check, find

    failed = 0
    for folder in folders:
        try:
            c = find(folder)
            lines = check(c)
        except WorkbenchError as error:
            failed = 1
            click.echo(printable(f"bad  {error}"))
            continue
        click.echo(f"ok   {folder}: {c.kind}" + (", generated, without meaning" if c.generated else ""))
        for line in lines:
            click.echo(printable(f"       {line}"))
    return failed


def generate(folder: Path, kind: str, size: str, seed: int, bits: int | None, mimi: str | None) -> None:
    """Generate a model and say what was written."""
    from workbench.moshi.generate import Recipe, init

    recipe = Recipe(cast(Any, kind), cast(Any, size), seed, cast(Any, mimi), bits)
    for path in init(folder, recipe):
        click.echo(printable(f"{path.stat().st_size / 1e6:10.2f} MB  {path}"))


def list_voices(folder: Path) -> None:
    """Print the voices of a TTS model."""
    from workbench.moshi import voices
    from workbench.moshi.checkpoint import find

    c = _tts(find(folder))
    _say_generated(c)
    found = voices.available(c)
    if not found:
        raise WorkbenchError(f"{folder}: has no voices (*{c.voice_suffix}); `models pull … --voice NAME` gets one")
    for path in found:
        click.echo(printable(f"{path.name.removesuffix(c.voice_suffix):40} {path}"))


def _say_generated(c: "Checkpoint") -> None:
    if c.generated:
        click.echo(printable(f"note: {c.root}: generated, without meaning"), err=True)


def _tts(c: "Checkpoint") -> "Checkpoint":
    if c.kind != "tts":
        raise WorkbenchError(f"{c.root}: is of kind {c.kind}, a tts model is needed here")
    return c


def check_voices(files: Sequence[Path], tts: Path | None) -> int:
    """Check voices; report each, and fail if one did."""
    from workbench.moshi import voices
    from workbench.moshi.checkpoint import find

    model = _tts(find(tts)) if tts else None
    failed = 0
    for path in files:
        try:
            v = voices.check(path, model)
        except WorkbenchError as error:
            failed = 1
            click.echo(printable(f"bad  {error}"))
            continue
        origin = ", ".join(f"{k} {x}" for k, x in sorted(v.metadata.items())) or "no metadata"
        click.echo(printable(f"ok   {path}: {v.frames} frames of {v.dim}, standard deviation {v.std:.3f}, {origin}"))
    return failed


def audition(folder: Path, names: Sequence[str], text: str | None, out: Path, seed: int) -> None:
    """Speak with each voice, write FLACs and the table."""
    from workbench.moshi.audition import HEADER, audition, row
    from workbench.moshi.checkpoint import find

    rows: list[str] = []
    model = _tts(find(folder))
    _say_generated(model)
    for take in audition(model, names, text or AUDITION, out, seed):
        for line in [row(take)] if rows else [HEADER, row(take)]:
            rows.append(line)
            click.echo(printable(line))
    (out / "voices.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    click.echo("\n" + printable(f"{len(names)} FLAC files and voices.txt in {out}"))


def examine(config: Config, steps: int, profile_path: Path | None, as_json: bool) -> int:
    """Look at everything there is to look at; a line per finding, exit code 1 if one is bad."""
    found: list[Finding] = []
    for finding in _findings(config, steps, profile_path):
        found.append(finding)
        if not as_json:
            click.echo(str(finding))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    return int(any(finding.state == "bad" for finding in found))


def _findings(config: Config, steps: int, profile_path: Path | None) -> Iterator["Finding"]:
    """The machine, then the models' files, and only if those are sound the models at work."""
    from workbench.moshi import doctor, headroom
    from workbench.replay.profiles import other_work

    models, broken = doctor.models(config)
    if profile_path and not models and not broken:
        raise WorkbenchError("--profile: needs models to measure; give --models FOLDER")
    yield from doctor.packages()
    yield from doctor.audio()
    yield from broken
    if not models and not broken:
        yield doctor.Finding("models", "note", "none given; --models FOLDER looks at them (`workbench models list`)")
        return
    files = [finding for checkpoint in models.values() for finding in doctor.model(checkpoint)]
    yield from files
    if broken or any(finding.state == "bad" for finding in files):
        return
    for checkpoint in models.values():
        yield from doctor.contract(checkpoint)
    if "stt" in models:
        yield from doctor.bleed_of(models["stt"])
    if beside := other_work():
        text = f"measured{beside.removeprefix(',')}: look again when nothing else runs"
        yield doctor.Finding("headroom", "note", text)
    timings = headroom.measure(models, steps, config.assistant.tts_voice_path)
    yield from headroom.report(timings)
    if profile_path:
        from workbench.simulation.step_costs import write_profile

        write_profile(profile_path, headroom.profile(timings, config.step_costs))
        yield doctor.Finding("profile", "ok", str(profile_path))
