"""Action and output of ``workbench doctor``."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.config import Config
from workbench.errors import WorkbenchError, printable

if TYPE_CHECKING:
    from workbench.moshi.doctor import Finding


def examine(config: Config, steps: int, profile_path: Path | None, as_json: bool) -> int:
    """Check everything and print a line per finding; the exit code is 1 if one is bad."""
    found: list[Finding] = []
    for finding in _findings(config, steps, profile_path):
        found.append(finding)
        if not as_json:
            click.echo(printable(str(finding)))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    return int(any(finding.state == "bad" for finding in found))


def _findings(config: Config, steps: int, profile_path: Path | None) -> Iterator["Finding"]:
    """Findings on the machine, then on the models' files, and only if those are sound on the models at work."""
    from workbench.moshi import doctor, headroom
    from workbench.replay.profiles import other_work

    models, broken = doctor.models(config)
    if profile_path and not models and not broken:
        raise WorkbenchError("--profile: no models to measure; add --models FOLDER")
    yield from doctor.packages()
    yield from doctor.audio()
    yield from broken
    if not models and not broken:
        yield doctor.Finding("models", "note", "none given; --models FOLDER checks them (`workbench models list`)")
        return
    files = [finding for checkpoint in models.values() for finding in doctor.model(checkpoint)]
    yield from files
    if broken or any(finding.state == "bad" for finding in files):
        return
    for checkpoint in models.values():
        yield from doctor.contract(checkpoint)
    if "stt" in models:
        yield from doctor.bleed_of(models["stt"])
    if load := other_work():
        text = f"measured{load.removeprefix(',')}: run it again when nothing else runs"
        yield doctor.Finding("headroom", "note", text)
    timings = headroom.measure(models, steps, config.assistant.tts_voice_path)
    yield from headroom.report(timings)
    if profile_path:
        from workbench.simulation.step_costs import write_profile

        write_profile(profile_path, headroom.profile(timings, config.step_costs))
        yield doctor.Finding("profile", "ok", str(profile_path))
