"""What was run: warnings, settings, and the knobs that differ from the defaults."""

from collections.abc import Iterator

from workbench.config import Config, knobs, to_dict
from workbench.reports.material import Material
from workbench.runs import Run
from workbench.stacks import warnings

LABEL_WORDS = {
    "human": "human",
    "constructed": "constructed (exact by construction)",
    "auto": "auto (drafted by a voice activity detector, not checked)",
    None: "none",
}
"""Names of the origins of labels."""


TIMING_WORDS = {
    "fixed": "fixed: the recording is kept as it is",
    "reactive": "reactive: turns move with the agent's answers",
}


def first_words(run: Run) -> tuple[str, ...]:
    """Warnings about a run, printed before any figure."""
    return warnings(run.config, run.generated)


def facts(data: Material) -> list[tuple[str, str]]:
    """(what, value): stack, listener, placement, costs, timing, echo, fingerprint, weights and packages."""
    config, manifest = data.run.config, data.manifest
    profile = manifest.get("profile")
    costs = {
        "fixed": "the fixed table of the config",
        "measured": "measured while it ran",
    }.get(config.step_costs.source, "")
    if profile:
        costs = f"drawn from profile {profile['digest'][:12]}, {profile['machine'] or 'machine not named'}"
    heard = sum(item.trace.header.echo for item, _ in data.sessions)
    return [
        ("stack", config.stack.name),
        ("listener", config.workbench.listener),
        ("placement", config.workbench.placement),
        ("costs", costs or config.step_costs.source),
        ("timing", TIMING_WORDS.get(config.workbench.timing, config.workbench.timing)),
        ("echo", f"the microphone hears the agent in {heard} of {len(data.sessions)} sessions"),
        ("config fingerprint", config.fingerprint),
        *((f"weights, {name}", digest) for name, digest in sorted(manifest.get("weights", {}).items())),
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(manifest.get("packages", {}).items()))),
    ]


def changed_knobs(config: Config) -> Iterator[tuple[str, str, str, str]]:
    """(knob, value, default, what it does) of every knob that is not at its default."""
    ours, default = to_dict(config), to_dict(Config())
    for path, knob in knobs().items():
        section, _, name = path.partition(".")
        if ours[section][name] != default[section][name]:
            value, usual = (_spelt(tree[section][name]) for tree in (ours, default))
            yield path, value, usual, knob.metadata["help"]


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "(empty)"
