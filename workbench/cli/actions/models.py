"""Action and output of ``workbench models``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from workbench.errors import WorkbenchError, printable


def list_known(as_json: bool) -> None:
    """Print the published models."""
    from workbench.moshi.hub import KNOWN

    if as_json:
        rows = [{"name": name, "kind": known.kind, "repository": known.repo} for name, known in KNOWN.items()]
        click.echo(json.dumps(rows))
        return
    for name, known in KNOWN.items():
        click.echo(printable(f"{name:11} {known.kind:7} {known.repo:27} {known.note}"))
    click.echo("\nworkbench models pull NAME FOLDER downloads one (several GB).")
    click.echo("workbench models init FOLDER --kind stt --size full generates one of the same size, to time a machine.")


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise WorkbenchError(f"{folder}: no such folder")
    from workbench.moshi.repository import is_model

    return sorted(filter(is_model, {p.parent for p in folder.glob("**/*")}))


def list_folder(folder: Path, as_json: bool) -> None:
    """Print the models below a folder, a line each."""
    from workbench.moshi.checkpoint import find

    found = _below(folder)
    if not found:
        raise WorkbenchError(
            f"{folder}: holds no model (no config.json); `workbench models list` shows what can be downloaded"
        )
    if as_json:
        click.echo(json.dumps([_described(root) for root in found]))
        return
    for root in found:
        try:
            c = find(root)
            files = ", ".join(p.name for p in (c.weights, c.mimi) if p)
            click.echo(
                printable(f"{root}  {c.kind}  {files}" + ("  generated, without meaning" if c.generated else ""))
            )
        except WorkbenchError as error:
            click.echo(printable(f"{root}  unusable: {error}"))


def _described(root: Path) -> dict[str, Any]:
    """A model in ``--json``; why it is unusable, where it is."""
    from workbench.moshi.checkpoint import check, find

    try:
        c = find(root)
        notes = check(c)
    except WorkbenchError as error:
        return {"folder": str(root), "usable": False, "problem": str(error)}
    return {"folder": str(root), "usable": True, "kind": c.kind, "generated": c.generated, "notes": list(notes)}


def pull_and_check(name: str, folder: Path, voices: tuple[str, ...]) -> int:
    """Download a model and check it; fail if it is bad."""
    from workbench.moshi.hub import pull

    for path in pull(name, folder, voices=voices):
        click.echo(printable(str(path)))
    return check_folders([folder])


def check_folders(folders: Sequence[Path], as_json: bool = False) -> int:
    """Check models; report each, and fail if one did."""
    if as_json:
        rows = [_described(folder) for folder in folders]
        click.echo(json.dumps(rows))
        return int(not all(row["usable"] for row in rows))
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
        click.echo(printable(f"ok   {folder}: {c.kind}" + (", generated, without meaning" if c.generated else "")))
        for line in lines:
            click.echo(printable(f"       {line}"))
    return failed


def generate(folder: Path, kind: str, size: str, seed: int, bits: int | None, mimi: str | None) -> None:
    """Generate a model and say what was written."""
    from workbench.moshi.generate import Recipe, init

    recipe = Recipe(cast(Any, kind), cast(Any, size), seed, cast(Any, mimi), bits)
    for path in init(folder, recipe):
        click.echo(printable(f"{path.stat().st_size / 1e6:10.2f} MB  {path}"))
