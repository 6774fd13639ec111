"""The commands that a checklist prints: real names, to be pasted into sh, bash or zsh in the project's folder."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.moshi_json import moshi_json
from workbench.tuning.result import Result
from workbench.tuning.spec import StudySpec

BUDGET = "budget.toml"
"""The study's limits, in its folder, for commands that hold a run to them."""

_PATHS = ("stt_model_path", "stt_config_path", "tts_model_path", "tts_config_path")


def budget_path(spec: StudySpec) -> Path:
    """Where a study's limits are."""
    return spec.folder / BUDGET


def commands(result: Result, kept: Mapping[str, Any], folder: Path) -> dict[str, str | None]:
    """The command of each item of the checklist; None where this study knows nothing to check.

    Args:
        result: of the study.
        kept: the user's own ``moshi.json``.
        folder: where ``tuned.toml`` is.
    """
    spec = result.spec
    sessions = [item.folder for item in spec.sessions]
    tuned = ["--config", (folder / "tuned.toml").as_posix()]
    replay = ["replay", *sessions, *tuned, "--budget", budget_path(spec).as_posix()]
    profiled = [] if result.config.step_costs.source == "profile" else ["--set", "step_costs.source=profile"]
    models, voice = _models(result, kept), voice_of(result, kept)
    doctor = None if models is None else _line("doctor", *tuned, *models)
    return {
        "aligned": _line("sessions", "--verify", *sessions),
        "shapes": doctor,
        "reset": doctor,
        "voice": voice and _line("voices", "check", _here(voice[0]), *(["--tts", _here(voice[1])] if voice[1] else [])),
        "beside": _line(*replay, "--set", "placement=shared"),
        "chunks": _line(*replay, *profiled),
        "mapping": _line(*replay),
    }


HARMONY = "~/MLX-Harmony/configs/moshi.json"
"""Where the assistant has its file, unless ``tune`` was given it."""


def copy_commands(folder: Path, installed: str) -> list[str]:
    """Commands that back up, apply and verify a study's ``moshi.json``."""
    ours, backup = (shlex.quote((folder / name).as_posix()) for name in ("moshi.json", "moshi.before.json"))
    theirs = installed if installed == HARMONY else shlex.quote(installed)
    return [
        f"cp {theirs} {backup}  # back up",
        f"cp {ours} {theirs}  # apply",
        f"cmp {ours} {theirs} && echo applied  # verify",
    ]


def voice_of(result: Result, kept: Mapping[str, Any]) -> tuple[Path, Path | None] | None:
    """The voice that the assistant will speak with, else the one of the study's TTS; and the TTS, where it is here."""
    named = moshi_json(result.config, kept)["tts_voice_path"] or ""
    tts = _tts(result, kept)
    if tts is not None and not Path(named).is_file():
        from workbench.moshi.checkpoint import find
        from workbench.moshi.voices import resolve

        try:
            return resolve(find(tts), named), tts
        except WorkbenchError:
            pass
    return (Path(named), tts) if named else None


def _models(result: Result, kept: Mapping[str, Any]) -> list[str] | None:
    """Options by which ``doctor`` finds the models: those of the user's file, else those that the study ran on."""
    values, own = moshi_json(result.config, kept), result.config.assistant
    theirs = [f"{key}={values[key]}" for key in _PATHS if values[key] and values[key] != getattr(own, key)]
    if theirs:
        return [part for item in theirs for part in ("--set", item)]
    if result.config.stack.models or any(values[key] for key in _PATHS):
        return []
    return ["--models", _here(_nano())] if result.config.stack.name == "nano" else None


def _tts(result: Result, kept: Mapping[str, Any]) -> Path | None:
    """Folder of the TTS, where it is known and on this machine."""
    stack = result.config.stack
    named = moshi_json(result.config, kept)["tts_model_path"]
    root = Path(named or stack.models or (_nano() if stack.name == "nano" else "nowhere"))
    here = root if named or not (root / "tts").is_dir() else root / "tts"
    return here if (here / "config.json").is_file() else None


def _nano() -> Path:
    from workbench.moshi.nano import folder

    return folder()


def _here(path: Path) -> str:
    """As it is typed in the folder that the study was run in."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _line(*words: str) -> str:
    return shlex.join(("workbench", *words))
