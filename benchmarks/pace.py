"""Simulation against reality: the demo sessions on a real clock and on the virtual one, with the same step costs.

    python benchmarks/pace.py [--stack scripted] [--placement serial --placement shared] [--listener NAME] [SESSION...]

Takes as long as the sessions are, for each placement. Passes where at least 95 % of the turns are the same, every other
has a named cause, and the median and the 95th percentile of voice-to-voice times lie within 10 %.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from workbench.sessions.folders import find_sessions

ROOT = Path(__file__).parent.parent


@click.command()
@click.option("--stack", default="scripted", show_default=True)
@click.option("--listener", default="workbench", show_default=True)
@click.option("--placement", "placements", multiple=True, default=("serial", "shared"), show_default=True)
@click.argument("sessions", nargs=-1)
def main(stack: str, listener: str, placements: tuple[str, ...], sessions: tuple[str, ...]) -> None:
    """Run each placement and say whether the two clocks agree."""
    named = [str(Path(name).resolve()) for name in sessions] or list(map(str, find_sessions(ROOT / "recordings")))
    passed = [_run(stack, listener, placement, named) for placement in placements]
    sys.exit(not all(passed))


def _run(stack: str, listener: str, placement: str, sessions: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        settings = ("barge_in=true", f"placement={placement}", f"stack.name={stack}", f"listener={listener}")
        command = [sys.executable, "-m", "workbench", "replay", *sessions, "--pace", "realtime", "--json"]
        command += ["--out", f"{folder}/run", *(part for item in settings for part in ("--set", item))]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        click.echo(done.stderr, err=True)
        return False
    found = json.loads(done.stdout)
    share = found["same"] / found["turns"]
    click.echo(f"{stack}, {listener}, {placement}: {len(sessions)} sessions; same turns {found['same']} of ", nl=False)
    click.echo(f"{found['turns']} ({share:.1%})")
    for item in found["differences"]:
        click.echo(f"  differs: {item['session']} at {item['at']:.2f} s: {item['what']}")
    near = True
    for key, (virtual, real) in found["scores"].items():
        change = real / virtual - 1
        near = near and abs(change) <= 0.1
        click.echo(f"  {key}: virtual {virtual:.0f} ms, real {real:.0f} ms ({change:+.1%})")
    for key in ("underruns", "barge_ins"):
        click.echo(f"  {key}: virtual {found[key][0]}, real {found[key][1]}")
    click.echo(f"  {found['steps']}")
    explained = all(";" in item["what"] for item in found["differences"])
    return share >= 0.95 and near and explained


if __name__ == "__main__":
    main()
