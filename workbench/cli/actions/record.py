"""Action and output of ``workbench record``."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import session_folder
from workbench.config import Config
from workbench.errors import WorkbenchError, printable
from workbench.recording.callbacks import check_playable
from workbench.recording.devices import StreamSettings, check_one_clock, find_device, one_stream, stream_settings
from workbench.recording.finalize import FinishedRecording, finish
from workbench.recording.loop import Recorded, record, signals
from workbench.recording.meter import MeterView, PlainView
from workbench.recording.observer import RecordingObserver
from workbench.recording.plan import RecordingPlan
from workbench.recording.tape_folder import NameTakenError, cut_off, ensure_new, is_cut_off
from workbench.recording.view import View
from workbench.sessions.folders import as_argument, check_name, recover_command
from workbench.sessions.session import open_session
from workbench.units import duration, samples_to_seconds

_QUIET_SECONDS, _SPEECH_SECONDS = 4.0, 8.0
"""Length of calibration: 50 frames of the room, up to 100 of speech."""
_LIVE_LATENCY_SECONDS = 0.16
"""Output buffer with --live, in seconds: its content is still heard after an interruption."""


@dataclass(frozen=True)
class RecordRequest:
    """Options of ``record`` as typed."""

    name: str | None
    device: str | None
    output: str | None
    agent_device: str | None
    seconds: float | None
    play: Path | None
    play_session: str | None
    live: bool
    rate: int | None
    calibrate: bool
    config: Config
    no_meter: bool
    folder: Path


def record_and_show(request: RecordRequest) -> int:
    """Record, finish, print the session; the exit code is 1 if the recording ended early."""
    assistant = request.config.assistant
    names = _names(request)
    folder = request.folder / next(names)
    ensure_new(folder)
    for left in cut_off(request.folder):
        click.echo(printable(f"note: {left} was cut off; finish it with '{recover_command(left)}'"), err=True)
    play = _play(request)
    how = stream_settings(find_device(request.device, "input"), "input", request.rate)
    speaks = play is not None or request.live
    out = stream_settings(find_device(request.output, "output"), "output", request.rate) if speaks else None
    loopback = _loopback(request, how)
    follower = _follower(request.config) if request.live else None
    if out is not None and follower is not None:
        out = replace(out, latency=_LIVE_LATENCY_SECONDS)
    together = out is not None and one_stream(how, out)
    _say_fit(how, out, play, together)
    if loopback is not None:
        click.echo(printable(f"agent: {loopback.device.name} ({loopback.words})"), err=True)
    calibration = _calibrate(how) if request.calibrate else None
    plan = RecordingPlan(
        folder=folder,
        input=how,
        gate=(assistant.stt_silence_threshold, assistant.stt_silence_ms, assistant.stt_min_speech_ms),
        play=play,
        output=out,
        loopback=loopback,
        one_stream=together,
        seconds=request.seconds,
        calibration=calibration,
        follower=follower,
    )
    recorded = _record(plan, request, names)
    _show(recorded.finished, recorded.remarks)
    if recorded.finished.session.live is not None:
        session = as_argument(recorded.finished.session.folder)
        click.echo(printable(f"  compare it with its replay: workbench compare {session}"))
    if not recorded.ended.as_asked:
        click.echo(printable(f"warning: {recorded.ended.why}; the session holds what was heard until then"), err=True)
    return 0 if recorded.ended.as_asked else 1


def _names(request: RecordRequest) -> Iterator[str]:
    """Names for the session in order of preference: the given one, or the time with a number if it is taken."""
    if request.name is not None:
        yield check_name(request.name, "record --name")
        return
    now = datetime.now().strftime("%Y%m%d-%H%M%S")  # noqa: DTZ005
    for number in count(1):
        name = now if number == 1 else f"{now}-{number}"
        if not (request.folder / name).exists():
            yield name


def _record(plan: RecordingPlan, request: RecordRequest, names: Iterator[str]) -> Recorded:
    """Record under the first name that is still free."""
    while True:
        try:
            return record(plan, _view(request, plan.folder.name))
        except NameTakenError:
            if (name := next(names, None)) is None:
                raise
            plan = replace(plan, folder=plan.folder.parent / name)


def recover_and_show(folder: Path, name: str | None) -> int:
    """Finish recordings that were cut off; one that fails is named, and the others are finished.

    The exit code is 130 if it was asked to stop, which it does after the recording at hand.
    """
    left = [folder / name] if name else cut_off(folder)
    if not left:
        click.echo(printable(f"{folder}: no recording was cut off here"))
    failed = 0
    with signals() as stopped:
        for path in left:
            if stopped:
                click.echo("stopped; the same command goes on with the rest", err=True)
                return 130
            try:
                _show(finish(path))
            except WorkbenchError as error:
                done = name is None and not is_cut_off(path)  # it was empty, or another process took it up meanwhile
                click.echo(printable(f"{'note' if done else 'error'}: {error}"), err=True)
                failed += not done
    return 2 if failed else 0


def _play(request: RecordRequest) -> Path | None:
    if (request.play is not None) + (request.play_session is not None) + request.live > 1:
        raise WorkbenchError("--play, --play-session and --live: give one of them")
    if request.play_session:
        session = open_session(session_folder(request.play_session))
        if "agent" not in session.tracks:
            raise WorkbenchError(f"{session.folder}: has no agent track to play; --play takes any audio file")
        return session.tracks["agent"].path
    if request.play:
        if done := check_playable(request.play):
            click.echo(printable(f"{request.play}: {done}"), err=True)
        return request.play
    if request.output and not request.live:
        raise WorkbenchError("--output: nothing to play; add --play, --play-session or --live")
    return None


def _loopback(request: RecordRequest, microphone: StreamSettings) -> StreamSettings | None:
    """Device that the agent track is recorded from."""
    if request.agent_device is None:
        return None
    if request.play is not None or request.play_session is not None or request.live:
        raise WorkbenchError("--agent-device records what another program plays: leave --play and --live out")
    found = stream_settings(find_device(request.agent_device, "input"), "input", request.rate)
    check_one_clock(microphone, found)
    return found


def _follower(config: Config) -> RecordingObserver:
    """The assistant; its models are loaded before anything is recorded."""
    from workbench.assistants import knobs_of
    from workbench.live.assistant import check_live
    from workbench.live.recording_observer import LiveAssistantObserver
    from workbench.stacks import generated, make_stack

    without = ", generated, without meaning" if generated(config) else ""
    click.echo(printable(f"assistant: loading stack {config.stack.name}{without}"), err=True)
    if knobs_of(config).reactive:
        raise WorkbenchError("timing is 'reactive', but people react by themselves in a live run; use timing = fixed")
    return LiveAssistantObserver(check_live(knobs_of(config), make_stack(config).stages(())), config)


def _say_fit(how: StreamSettings, out: StreamSettings | None, play: Path | None, together: bool) -> None:
    click.echo(printable(f"microphone: {how.device.name} ({how.words})"), err=True)
    if out is not None:
        streams = "one stream with the microphone" if together else "a stream of its own"
        what = play or "the answers"
        click.echo(printable(f"loudspeaker: {out.device.name} ({out.words}; {streams}), playing {what}"), err=True)


def _calibrate(how: StreamSettings) -> Mapping[str, Any]:
    from workbench.recording.calibrate import guided

    found = guided(how, _QUIET_SECONDS, _SPEECH_SECONDS, lambda text: click.echo(text, err=True))
    for line in found.lines():
        click.echo(printable(line))
    return found.to_json()


def _view(request: RecordRequest, name: str) -> View:
    if request.no_meter or not sys.stderr.isatty():
        return PlainView()
    return MeterView(name, keys=sys.stdin.isatty())


def _show(finished: FinishedRecording, remarks: tuple[str, ...] = ()) -> None:
    session = finished.session
    tracks = " and ".join(f"{name}.flac" for name in sorted(session.tracks, reverse=True))
    click.echo(printable(f"{session.folder}: {duration(samples_to_seconds(session.samples), 2)}, {tracks}"))
    for remark in (*finished.remarks, *remarks):
        click.echo(printable(f"  {remark}"))
    folder = as_argument(session.folder)
    click.echo(printable(f"next: 'workbench label {folder} --auto' drafts labels, then 'workbench replay {folder}'"))
