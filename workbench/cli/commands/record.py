"""``record`` and ``devices``."""

import math
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import config_options, json_option
from workbench.config import Config
from workbench.files import RECORDINGS


class _Seconds(click.FloatRange):
    """A length of time; ``nan`` is in every range of click's."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a length of time.", param, ctx)
        return seconds


@click.command()
@click.option("--name", metavar="NAME", help="Name of the session; by default the date and time.")
@click.option("--device", metavar="D", help="Microphone: number, name or part of the name ('workbench devices').")
@click.option("--output", metavar="D", help="Loudspeaker for --play, --play-session and --live.")
@click.option("--seconds", type=_Seconds(min=0.08, max=86_400), help="Stop after this long.")
@click.option("--play", type=click.Path(path_type=Path), metavar="FILE", help="Play this while recording.")
@click.option("--play-session", metavar="S", help="Play the agent track of this session while recording.")
@click.option("--live", is_flag=True, help="Run the assistant on the microphone and play its answers.")
@click.option("--rate", type=click.IntRange(8_000, 192_000), help="Open the devices at this rate, not at 24 kHz.")
@click.option("--calibrate", is_flag=True, help="First measure the noise floor and your speech; suggest a threshold.")
@click.option("--no-meter", is_flag=True, help="A plain line per second instead of the live meter.")
@click.option("--recover", is_flag=True, help="Finish all sessions that were cut off, and record nothing.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=RECORDINGS,
    show_default=True,
    help="Folder of sessions.",
)
@config_options()
def record(
    name: str | None,
    device: str | None,
    output: str | None,
    seconds: float | None,
    play: Path | None,
    play_session: str | None,
    live: bool,
    rate: int | None,
    calibrate: bool,
    config: Config,
    no_meter: bool,
    recover: bool,
    folder: Path,
) -> int:
    """Record a session from the microphone, if wanted while the agent's audio is played.

    --live runs the stack of --config and --stack on the microphone; its trace is kept beside the session, and
    'workbench compare' says in what a replay differs from it. Without it, the config gives the meter its threshold.
    """
    from workbench.cli.actions.record import RecordRequest, record_and_show, recover_and_show

    if recover:
        return recover_and_show(folder, name)
    request = RecordRequest(
        name, device, output, seconds, play, play_session, live, rate, calibrate, config, no_meter, folder
    )
    return record_and_show(request)


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List microphones and loudspeakers, and what will be done to fit them to 24 kHz mono."""
    from workbench.cli.actions.devices import show_devices

    show_devices(as_json)


COMMANDS = (record, devices)
