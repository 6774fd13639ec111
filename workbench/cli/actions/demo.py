"""Action and output of ``workbench demo``."""

import textwrap
from collections import Counter
from pathlib import Path

import click

from workbench.cli.actions.replay import replay_and_show, replay_for_page
from workbench.cli.actions.report import write_grid_of, write_page_of
from workbench.cli.actions.score import Asked
from workbench.cli.actions.tune import say, show_changes, tune_demo
from workbench.config import Config
from workbench.errors import WorkbenchError, printable
from workbench.files import RECORDINGS, SHIPPED, read_json
from workbench.reports.incidents import Incident, incidents
from workbench.reports.material import Material, clock
from workbench.reports.study_page import write_study_page
from workbench.sessions.folders import MANIFEST, find_sessions
from workbench.stacks import shared_stacks
from workbench.tuning.objective import LOSS
from workbench.tuning.output.checklist import WIDTH
from workbench.tuning.spec import StudySpec
from workbench.tuning.sweep import Sweep
from workbench.units import frames_for_ms

DEMO = Path("reports/demo")
"""Folder of the demo's run, which each demo writes anew."""

COLLECTION = "workbench demo"
"""``provenance.collection`` of a demo session; other sessions are the user's own."""


WORST = 5
"""Incidents that the console names; the page has all."""

BARS = "▁▂▃▄▅▆▇█"
POINTS = 10
"""Most values of the sweep that fit a line."""


@shared_stacks()
def run_demo(config: Config, out: Path, page: bool) -> int:
    """Replay every demo session, tune on them where the stack has a listener to tune, and tell what was found.

    Demo sessions in ``recordings/`` are taken first; where there are none, those that came with workbench.
    """
    folders = demo_sessions(RECORDINGS) or demo_sessions(SHIPPED / RECORDINGS)
    if not folders:
        raise WorkbenchError(f"{SHIPPED / RECORDINGS}: no demo session; install workbench again")
    plural = "" if len(folders) == 1 else "s"
    click.echo(f"Replaying {len(folders)} demo session{plural} on the {config.stack.name} stack.")
    if config.stack.name == "moshi-duplex":
        return replay_and_show(folders, config, (out, out == DEMO), Asked(), False, page)
    data, _ = replay_for_page(folders, config, (out, out == DEMO), Asked(), page=False)
    for problem in dict.fromkeys(problem for _, problem in data.run.failed):
        click.echo(f"error: {problem}", err=True)
    _annoyances(data)
    result, found, configs = tune_demo(folders, config)
    for swept in result.sweeps:
        if swept.axes[0].name == "stt_silence_ms":
            _bars(swept, result.spec)
    click.echo("")
    say(f"Were these yours: {found.title}.")
    for words in found.banner[:1]:
        say(words, 2)
    show_changes(result, found)
    pages = [_page(data), write_study_page(result.spec.folder)] if page else []
    click.echo("")
    for what, path in zip(("listen to it", "why this setting"), pages, strict=False):
        click.echo(printable(f"{what + ':':19}{path}"))
    click.echo(printable(f"{'all of the answer:':19}{configs / 'checklist.md'}"))
    click.echo("These are recordings of others: do not apply this. Nothing of your assistant was changed.")
    click.echo(f"{'your own room:':19}workbench record --name kitchen --calibrate   (then label, and tune)")
    return 2 if data.run.failed else 0


def _page(data: Material) -> Path:
    """The page of the run, with what the study recommends and with sliders: estimates where models are slow."""
    config = data.run.config
    if config.assistant.stt_silence and config.step_costs.source != "measured":
        write_grid_of(data, exact=config.stack.name == "scripted")
    return write_page_of(data)


def _annoyances(data: Material) -> None:
    """Say what went wrong most often, and name the incidents that cost most with the moment to listen to."""
    found = [item for item in incidents(data) if item.cost]
    counted = Counter(item.kind for item in found)
    often = ", ".join(f"{count} × {kind}" for kind, count in counted.most_common())
    listener = data.run.config.workbench.listener
    click.echo("")
    say(f"What would annoy you today, with listener {listener}: {often or 'nothing'}.", 2)
    worst: dict[str, Incident] = {}
    for item in found:  # the worst of each kind first, then of other recordings
        worst.setdefault(item.kind, item)
    chosen = [*worst.values(), *(item for item in found if item.session not in {one.session for one in worst.values()})]
    shown = sorted(chosen[:WORST], key=lambda item: (item.session, item.t))
    for item in shown:
        head = f"{item.session[:20]:20} {clock(item.t)}  {item.kind}: "
        for line in textwrap.wrap(
            item.remedy or item.text, WIDTH, initial_indent=head, subsequent_indent=" " * 29, max_lines=2
        ):
            click.echo(printable(line))
    if len(found) > len(shown):
        click.echo(f"{'':29}({len(shown)} of {len(found)}; the page has all, to listen to)")


def _bars(swept: Sweep, spec: StudySpec) -> None:
    """One line of bars: loss at each silence, with the numbers, all other knobs as recommended."""
    today = frames_for_ms(spec.config.assistant.stt_silence_ms)
    silences = [frames_for_ms(float(point.values[0])) for point in swept.points]
    marks = {place: "<" for place, frames in enumerate(silences) if frames == today} | {swept.now: ">"}
    points = [(place, point) for place, point in enumerate(swept.points) if point.scores.get(LOSS) is not None]
    step = -(-len(points) // POINTS)
    shown = [item for number, item in enumerate(points) if number % step == 0 or item[0] in marks]
    losses = [float(point.scores[LOSS] or 0.0) for _, point in shown]
    if not losses:
        return
    low, span = min(losses), max(losses) - min(losses) or 1.0
    bars = [f"{BARS[round((loss - low) / span * (len(BARS) - 1))]} {loss:.1f}" for loss in losses]
    values = [f"{marks.get(place, '')}{point.values[0]}" for place, point in shown]
    click.echo("")
    say(
        f"Seconds lost per turn (waiting, plus {spec.prices.cut_in:g} for each cut-in and "
        f"{spec.prices.longest_delay + spec.prices.missed_end:g} for a turn without an answer), on the recordings that "
        "the search saw, at each stt_silence_ms. < is today (700 acts as 720), > is recommended:",
        3,
    )
    for row in (values, bars):
        click.echo("".join(text.rjust(WIDTH // (POINTS + 2)) for text in row))


def demo_sessions(recordings: Path) -> list[Path]:
    """Demo sessions in a folder, sorted by name."""
    if not recordings.is_dir():
        return []
    return [folder for folder in find_sessions(recordings) if _is_demo(folder / MANIFEST)]


def _is_demo(manifest: Path) -> bool:
    """Whether a manifest is that of a demo session; one that cannot be read is a user's own."""
    try:
        data = read_json(manifest)
    except WorkbenchError:
        return False
    provenance = data.get("provenance") if isinstance(data, dict) else None
    return isinstance(provenance, dict) and provenance.get("collection") == COLLECTION
