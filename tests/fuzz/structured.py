"""Structured cases: command lines, settings, names and label rows that nobody would write, in the right form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st

from workbench.config import knobs

from .mutations import CONTROL, HOSTILE_NUMBERS, HOSTILE_TEXT
from .world import TUNE


@dataclass(frozen=True)
class Case:
    """What is run.

    Attributes:
        command: arguments.
        files: path in the world → what is written there before.
        links: path → where a symbolic link there leads.
    """

    command: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


text = st.one_of(
    st.sampled_from(
        [item for item in HOSTILE_TEXT if "\x00" not in item and "\ud800" not in item and len(item) < 6000]
    ),
    st.sampled_from(HOSTILE_NUMBERS).map(str),
)
"""What may stand in a command line: no NUL, no lone surrogate."""

_NAMES = ("made", "other", "live", "recordings", "run", "nowhere", "audio/talk.wav", "my.toml", "models/stt", "-", "")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "replay": (
        "--config",
        "--stack",
        "--models",
        "--listener",
        "--step-costs",
        "--set",
        "--out",
        "--budget",
        "--price",
    ),
    "score": ("--budget", "--price"),
    "sessions": ("--verify", "--json"),
    "compare": ("--set", "--out"),
    "label": ("--import", "--export", "--speaker", "--file-id", "--channel", "--source"),
    "import": ("--agent", "--mic-channel", "--agent-channel", "--labels", "--speaker", "--source", "--name", "--dir"),
    "models": ("--kind", "--size", "--seed", "--bits", "--mimi"),
    "voices": ("--voice", "--text"),
    "studies": ("--storage",),
    "cache": ("--json",),
    "sweep": ("--values", "--set", "--listener", "--price"),
    "synth": ("--dir", "--replace"),
    "tune": ("--name", "--space", "--objective", "--trials", "--sampler", "--seed", "--keep-keys-from"),
}


@st.composite
def options(draw: st.DrawFn) -> Case:
    """A command with names and options that do not fit."""
    name = draw(st.sampled_from(sorted(_OPTIONS)))
    words = draw(st.lists(st.one_of(st.sampled_from(_NAMES), text), max_size=2))
    if name == "models":
        words = [draw(st.sampled_from(["list", "check", "init"])), *words]
    elif name == "voices":
        words = [draw(st.sampled_from(["list", "check"])), *words]
    elif name == "tune":
        words = [*TUNE[1:], "--trials", "1", "--name", "t", *words]
    elif name == "sweep":
        words = [
            "made",
            draw(st.sampled_from(["stt_silence_ms", "barge_in", "seed", "placement"])),
            "--stack",
            "scripted",
        ]
    elif name in ("replay", "compare"):
        words = ["made" if name == "replay" else "live", *words]
    given: list[str] = []
    for option in draw(st.lists(st.sampled_from(_OPTIONS[name]), max_size=2)):
        if name == "tune" and option == "--trials":
            value = draw(st.sampled_from(["0", "-1", "1", "x", "nan", "1e3", ""]))
        else:
            value = draw(st.one_of(text, st.sampled_from(_NAMES)))
        given += [option] if option in ("--verify", "--json", "--replace") else [option, value]
    stack = ["--stack", "scripted"] if name == "replay" and "--stack" not in given else []
    return Case((name, *words, *stack, *given))


@st.composite
def settings_of_knobs(draw: st.DrawFn) -> Case:
    """A replay with knobs at values that may be none, or are allowed and rare."""
    command = ["replay", "made", "--out", "again", "--stack", "scripted"]
    for knob in draw(st.lists(st.sampled_from(sorted(knobs())), min_size=1, max_size=4)):
        value = draw(st.one_of(st.sampled_from(["true", "false", "0", "1", "80", "0.5", "mlx-harmony"]), text))
        if knob == "stack.name" and value in ("moshi", "nano"):
            continue
        command += ["--set", f"{knob.rpartition('.')[2]}={value}"]
    return Case(tuple(command))


@st.composite
def names(draw: st.DrawFn) -> Case:
    """Files and folders with names that a terminal or Markdown would take for more, or that lead elsewhere."""
    name = draw(
        st.sampled_from([CONTROL.replace("\x00", ""), "[red]x[/red]", "`a`|b", "-rf", "a b", "\udcff\udcfe", "ü"])
    )
    what = draw(st.sampled_from(["audio", "session", "config", "link", "labels", "model", "run"]))
    if what == "audio":
        return Case(("import", f"audio/{name}.wav"), {f"audio/{name}.wav": b"RIFF"})
    if what == "session":
        command = draw(
            st.sampled_from([("sessions", "--verify"), ("replay", f"recordings/{name}", "--stack", "scripted")])
        )
        return Case(command, {f"recordings/{name}/session.json": b'{"format": 1, "name": "x"}'})
    if what == "config":
        return Case(("replay", "made", "--config", f"{name}.toml"), {f"{name}.toml": b"[assistant]\nx = 1\n"})
    if what == "labels":
        return Case(("label", "made", "--import", f"{name}.csv", "--replace"), {f"{name}.csv": b"x\n"})
    if what == "model":
        return Case(("models", "check", f"models/{name}"), {f"models/{name}/config.json": b'{"dim": "\\u001b[31m"}'})
    if what == "run":
        return Case(("score", name), {f"{name}/run.json": b'{"format": 1}'})
    to = draw(st.sampled_from(["/etc/passwd", "/dev/zero", "..", "nowhere", "/dev/stdin", name]))
    at = draw(st.sampled_from(["recordings/made/mic.flac", "recordings/made/labels.csv", "my.toml", "run/run.json"]))
    command = (
        ("score", "run") if at.startswith("run") else ("replay", "made", "--stack", "scripted", "--config", "my.toml")
    )
    return Case(command, links={at: to})


@st.composite
def label_rows(draw: st.DrawFn) -> Case:
    """Label files of every format with rows in the right form and wrong in what they say."""
    time = st.one_of(
        st.sampled_from(["0", "1.5", "-1", "5", "5.0001", "1e9", "nan", "1e400", "1,5", "", "01:02"]), text
    )
    word = st.one_of(
        st.sampled_from(["speech", "noise", "Backchannel", "anna", "1", "<NA>", "inter_segment_gap"]), text
    )
    ending = draw(st.sampled_from(["csv", "txt", "rttm", "stm"]))
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        a, b, x, y = draw(time), draw(time), draw(word), draw(word)
        forms: Mapping[str, Callable[[], str]] = {
            "csv": lambda a=a, b=b, x=x, y=y: f"{a},{b},{x},{y},{x}",  # type: ignore[misc]
            "txt": lambda a=a, b=b, x=x, y=y: f"{a}\t{b}\t{x}: {y}",  # type: ignore[misc]
            "rttm": lambda a=a, b=b, x=x, y=y: f"SPEAKER {y} 1 {a} {b} <NA> <NA> {x} <NA> <NA>",  # type: ignore[misc]
            "stm": lambda a=a, b=b, x=x, y=y: f"{y} 1 {x} {a} {b} <o> {y}",  # type: ignore[misc]
        }
        rows.append(forms[ending]())
    head = "start,end,kind,turn,text\n" if ending == "csv" else ""
    content = (head + "\n".join(rows) + "\n").encode("utf-8", "surrogatepass")
    return Case(("label", "made", "--import", f"rows.{ending}", "--replace"), {f"rows.{ending}": content})


FAMILIES: Mapping[str, tuple[Callable[[], st.SearchStrategy[Case]], int]] = {
    "options": (options, 200),
    "knobs": (settings_of_knobs, 150),
    "names": (names, 70),
    "label rows": (label_rows, 80),
}
"""Name → the strategy, and how many cases are drawn: 500 in all."""
