"""Sections on the run's settings and sessions."""

from collections.abc import Iterator

from workbench.config import Config, knobs, to_dict
from workbench.reports.markdown import escape, link, table
from workbench.reports.material import Material
from workbench.runs import Run
from workbench.stacks import warnings
from workbench.units import SAMPLE_RATE

LABEL_WORDS = {
    "human": "human",
    "constructed": "constructed (exact by construction)",
    "auto": "auto (drafted by a voice activity detector, not checked)",
    None: "none",
}
"""Names of the origins of labels."""


TIMING_WORDS = {"fixed": "fixed: the recording is kept as it is"}


def first_words(run: Run) -> tuple[str, ...]:
    """Warnings about a run, printed before any figure."""
    return warnings(run.config, run.generated)


def opening(data: Material) -> Iterator[str]:
    """Title, warnings, and the size of the run."""
    yield from (f"# Run {escape(data.run.folder.name)}", "")
    for words in first_words(data.run):
        yield from (f"> **{words}**", "")
    if any(item.session.labels_source == "auto" for item, _ in data.sessions):
        yield from ("> **Some labels are automatic: scores against them are only as good as the detector.**", "")
    scores = data.summary.scores
    answered, turns = scores["turns_answered_n"] or 0, scores["turns_n"] or 0
    length = (scores["session_seconds"] or 0) / 60
    yield f"{len(data.sessions)} sessions, {length:.1f} min, {turns:.0f} labelled turns, {answered:.0f} answered."
    yield "All raw values and every score are in " + link("scores.json", "scores.json") + "."
    yield ""
    for _, problem in data.run.failed:
        yield from (f"> **Left out:** {escape(problem)}", "")


def what_was_run(data: Material) -> Iterator[str]:
    """Stack, listener, placement, costs, timing, fingerprint, weights, and the knobs that differ from the defaults."""
    config, manifest = data.run.config, data.manifest
    profile = manifest.get("profile")
    costs = {
        "fixed": "the fixed table of the config",
        "measured": "measured while it ran",
    }.get(config.step_costs.source, "")
    if profile:
        costs = f"drawn from profile `{profile['digest'][:12]}`, {escape(profile['machine']) or 'machine not named'}"
    rows = [
        ("stack", escape(config.stack.name)),
        ("listener", config.workbench.listener),
        ("placement", config.workbench.placement),
        ("costs", costs or config.step_costs.source),
        ("timing", TIMING_WORDS.get(config.workbench.timing, config.workbench.timing)),
        ("echo", _echo(data)),
        ("config fingerprint", f"`{config.fingerprint}`"),
        *((f"weights, {escape(name)}", f"`{digest}`") for name, digest in sorted(manifest.get("weights", {}).items())),
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(manifest.get("packages", {}).items()))),
    ]
    yield from ("## What was run", "", *table(("", ""), rows))
    changed = list(_changed(config))
    if not changed:
        yield from ("Every knob is at its default.", "")
        return
    yield from ("Knobs that differ from the defaults:", "")
    yield from table(("knob", "value", "default", "what it does"), changed)


def _echo(data: Material) -> str:
    heard = sum(item.trace.header.echo for item, _ in data.sessions)
    return f"the microphone hears the agent in {heard} of {len(data.sessions)} sessions"


def _changed(config: Config) -> Iterator[tuple[str, str, str, str]]:
    ours, default = to_dict(config), to_dict(Config())
    for path, knob in knobs().items():
        section, _, name = path.partition(".")
        if ours[section][name] != default[section][name]:
            value, usual = (escape(_spelt(tree[section][name])) for tree in (ours, default))
            yield f"`{path}`", value, usual, escape(knob.metadata["help"])


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "(empty)"


def sessions(data: Material) -> Iterator[str]:
    """A row per session, with links to its audio, trace and timeline."""
    header = ("session", "length", "labels", "turns", "answered", "cut-ins", "barge-ins", "underruns", "see and hear")
    rows = []
    for item, scores in data.sessions:
        name = item.session.name
        picture = f"figures/{name}.timeline.png"
        targets = {"timeline": picture, "agent audio": f"{name}.agent.flac", "trace": f"{name}.trace.jsonl"}
        links = [link(what, target) for what, target in targets.items() if (data.run.folder / target).exists()]
        stops = [row.cause for row in scores.barge_ins]
        false = sum(cause != "speech" for cause in stops)
        labelled = scores.labelled
        rows.append(
            (
                escape(name),
                f"{scores.samples / SAMPLE_RATE:.1f} s",
                LABEL_WORDS[item.session.labels_source if labelled else None],
                str(len(scores.turns)) if labelled else "–",
                str(sum(row.waterfall is not None for row in scores.turns)) if labelled else "–",
                str(sum(row.cutins for row in scores.turns)) if labelled else "–",
                (f"{len(stops)}, {false} false" if false else str(len(stops))) if labelled else "–",
                str(len(scores.underruns)),
                " · ".join(links),
            )
        )
    yield from ("## Sessions", "", "Scores are only as good as the labels of their session.", "")
    yield from table(header, rows, right=header[3:8])


def timelines(data: Material) -> Iterator[str]:
    """Timelines of the sessions."""
    shown = [
        item.session.name for item, _ in data.sessions if f"figures/{item.session.name}.timeline.png" in data.figures
    ]
    if not shown:
        return
    yield from ("## Timelines", "")
    yield (
        "Microphone level with the gate's threshold (shaded while the gate is open), labels, agent (dotted while it "
        "thinks, a green base line where it is audible, vermilion where it ran dry) and playback buffer. What "
        "should not be there is vermilion too."
    )
    yield ""
    for name in shown:
        yield from (f"![Timeline of {name}](figures/{name}.timeline.png)", "")
    if left := len(data.sessions) - len(shown):
        yield from (f"{left} more sessions were not drawn.", "")
