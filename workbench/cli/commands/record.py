"""``workbench record``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import PATH, config_options
from workbench.files import RECORDINGS

if TYPE_CHECKING:
    from workbench.config import Config


class _Seconds(click.FloatRange):
    """Length of time in seconds; refuses ``nan``, which click takes to be in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


@click.command()
@click.option("--name", metavar="NAME", help="Name of the session; by default the date and time.")
@click.option("--device", metavar="DEVICE", help="Microphone: number, name or part of the name ('workbench devices').")
@click.option("--output", metavar="DEVICE", help="Loudspeaker for --play, --play-session and --live.")
@click.option(
    "--seconds", type=_Seconds(min=0.08, max=86_400), help="Length of the recording; without it, q or Ctrl-C ends it."
)
@click.option(
    "--agent-device", metavar="DEVICE", help="Loopback device that gives what another assistant plays: the agent track."
)
@click.option("--play", type=PATH, metavar="FILE", help="Audio file to play while recording.")
@click.option("--play-session", metavar="SESSION", help="Session whose agent track is played while recording.")
@click.option("--live", is_flag=True, help="Run the assistant on the microphone and play its answers.")
@click.option(
    "--rate", type=click.IntRange(8_000, 192_000), help="Sample rate to open the devices at, in Hz, instead of 24000."
)
@click.option(
    "--calibrate", is_flag=True, help="Measure the noise floor and your speech first, and suggest a threshold."
)
@click.option("--no-meter", is_flag=True, help="One line per second instead of the live meter.")
@click.option("--recover", is_flag=True, help="Finish recordings that were cut off; records nothing.")
@click.option(
    "--dir",
    "folder",
    type=PATH,
    default=RECORDINGS,
    show_default=True,
    help="Folder for the session.",
)
@config_options()
def record(
    name: str | None,
    device: str | None,
    output: str | None,
    agent_device: str | None,
    seconds: float | None,
    play: Path | None,
    play_session: str | None,
    live: bool,
    rate: int | None,
    calibrate: bool,
    config: "Config",
    no_meter: bool,
    recover: bool,
    folder: Path,
) -> int:
    """Record a session from the microphone; --play plays a file meanwhile, --live runs the assistant.

    --live runs the stack of --config and --stack on the microphone and keeps its trace with the session; 'workbench
    compare' compares it with a replay. Without --live the config only gives the meter its threshold. --agent-device
    records what MLX-Harmony itself plays (docs/record.md says how to set it up).
    """
    from workbench.cli.actions.record import RecordRequest, record_and_show, recover_and_show

    if recover:
        return recover_and_show(folder, name)
    request = RecordRequest(
        name, device, output, agent_device, seconds, play, play_session, live, rate, calibrate, config, no_meter, folder
    )
    return record_and_show(request)
