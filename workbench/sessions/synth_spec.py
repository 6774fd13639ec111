"""Spec of a constructed session: the form of the TOML file that ``workbench synth`` reads (docs/synth.md).

Import this only inside the function that reads a spec: it loads pydantic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from workbench.errors import WorkbenchError
from workbench.file_forms import Form, check_form
from workbench.files import SHIPPED, read_toml
from workbench.sessions.clips import HINT
from workbench.sessions.echo_path import check_echo
from workbench.sessions.echo_presets import room_response
from workbench.sessions.folders import check_name
from workbench.sessions.noises import LASTING, SOUNDS

LONGEST_S = 3600.0
"""A session is held in memory while it is made: 0.7 GB for an hour."""
SPEECH_DBFS = -26.0
"""Level of a person near the microphone."""
LASTS_S = 4.0
"""Seconds that a lasting sound lasts by default."""
SPECS = Path("demo_sessions/specs")
"""Folder of the specs that come with workbench."""
ROOM_DBFS = -60.0
"""Level of a quiet room."""


@dataclass(frozen=True)
class Each:
    """One value for each session in turn, of a spec that makes several; with more sessions they begin anew."""

    values: tuple[float, ...]


def _check_ends(low: float, high: float) -> BeforeValidator:
    """Check of a key that holds a number, ``[lowest, highest]`` to draw from, or ``{each = […]}``."""

    def check(value: Any) -> Ends:
        if isinstance(value, dict):
            values = value.get("each")
            listed = isinstance(values, list) and value.keys() == {"each"} and all(map(_is_number, values))
            if not listed or not values or not low <= min(values) <= max(values) <= high:
                raise ValueError(f"must list numbers from {low:g} to {high:g}: {{ each = [number, …] }}")
            return Each(tuple(map(float, values)))
        ends = value if isinstance(value, list) else [value, value]
        good = len(ends) == 2 and all(map(_is_number, ends))
        if not good or not low <= ends[0] <= ends[1] <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, or [lowest, highest] to draw from")
        return float(ends[0]), float(ends[1])

    return BeforeValidator(check)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


Ends = tuple[float, float] | Each
"""Lowest and highest value of a number that is drawn, equal where it is given; or one for each session."""

Seconds = Annotated[Ends, _check_ends(-LONGEST_S, LONGEST_S)]
PauseSeconds = Annotated[Ends, _check_ends(0.02, 60)]
TailSeconds = Annotated[Ends, _check_ends(0, LONGEST_S)]
Dbfs = Annotated[Ends, _check_ends(-100, 0)]
SwayDb = Annotated[Ends, _check_ends(0, 30)]
LastsSeconds = Annotated[Ends, _check_ends(0.5, 600)]
StopSeconds = Annotated[Ends, _check_ends(0, 60)]
Metres = Annotated[Ends, _check_ends(0.1, 50)]
ReverbSeconds = Annotated[Ends, _check_ends(0, 5)]
GainDb = Annotated[Ends, _check_ends(-120, 20)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class PauseForm(Form, extra="forbid"):
    """A pause inside a clip: after so many words, in seconds."""

    after_word: Annotated[int, Field(ge=1)]
    s: PauseSeconds


class EventForm(Form, extra="forbid", populate_by_name=True):
    """One sound of a spec.

    Attributes:
        clip: name in the clips file; of several one is drawn.
        file: audio file, its path from the spec's folder.
        sound: a synthesised sound.
        lasts_s: seconds that a sound of :data:`workbench.sessions.noises.LASTING` lasts.
        kind: what the label says; ``agent`` is what the loudspeaker plays and gets no label.
        after_s: seconds from ``anchor`` to the first sample; negative is before it.
        anchor: where ``after_s`` counts from; written ``from``.
        level_dbfs: RMS over the trimmed clip, at 1 m where there is a distance.
        distance_m: from the microphone, in the room of the spec; None: as the clip is.
        text: words of ``file``, or of the label of a sound.
        pauses: pauses inside the clip.
        continues: whether it belongs to the turn before it.
        stops_agent_s: seconds from its first sample to where it makes the agent stop; None: the agent talks on.
    """

    clip: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] | None = None
    file: str | None = None
    sound: Literal[(*SOUNDS, *LASTING)] | None = None  # type: ignore[valid-type]
    lasts_s: LastsSeconds | None = None
    kind: Literal["speech", "backchannel", "noise", "background", "agent"] = "speech"
    after_s: Seconds
    anchor: Annotated[
        Literal["turn-end", "start", "event-start", "event-end", "agent-start", "agent-end"], Field(alias="from")
    ] = "turn-end"
    level_dbfs: Dbfs = (SPEECH_DBFS, SPEECH_DBFS)
    distance_m: Metres | None = None
    text: str | None = None
    pauses: list[PauseForm] = Field(default=[])
    continues: bool = False
    stops_agent_s: StopSeconds | None = None


class RoomForm(Form, extra="forbid"):
    """Noise of the room: RMS, and how far it rises and falls; reverberation time, and volume in cubic metres."""

    noise_dbfs: Dbfs = (ROOM_DBFS, ROOM_DBFS)
    sway_db: SwayDb = (0.0, 0.0)
    reverb_s: ReverbSeconds = (0.0, 0.0)
    volume_m3: Annotated[float, Field(ge=1, le=100_000)] = 40.0


Corner = Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=3, max_length=3)]
"""A place in a room, from one corner, or its length, width and height."""


class EchoRoomForm(Form, extra="forbid"):
    """A box-shaped room that the echo path is computed from; ``gain_db`` is of the direct sound at 1 m."""

    size_m: Corner
    loudspeaker_m: Corner
    microphone_m: Corner
    decay_s: Annotated[float, Field(gt=0.05, le=3)]
    gain_db: Annotated[float, Field(ge=-120, le=20)] = 0.0


class SpecForm(Form, extra="forbid", allow_inf_nan=False):
    """A whole spec, but for its events, which are checked one by one so that an error can count them."""

    format: Literal[1]
    name: str = ""
    shows: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    sessions: Annotated[int, Field(ge=1, le=999)] = 1
    clips: str | None = None
    tail_s: TailSeconds = (6.0, 6.0)
    room: RoomForm = RoomForm()
    echo: dict[str, Any] | None = None
    echo_gain_db: GainDb = (0.0, 0.0)
    provenance: dict[str, bool | int | float | str] = Field(default={})
    event: Annotated[list[dict[str, Any]], Field(min_length=1)]


@dataclass(frozen=True)
class SynthSpec:
    """A checked spec.

    Attributes:
        path: of the file.
        head: everything but the events; its ``name`` is filled.
        events: in the order of the file.
    """

    path: Path
    head: SpecForm
    events: tuple[EventForm, ...]

    def where(self, event: int) -> str:
        """Name of an event in an error, counted from 0 here and from 1 there."""
        return f"{self.path}: event {event + 1}"

    @property
    def names(self) -> list[str]:
        """Names of the sessions it makes."""
        count = self.head.sessions
        if count == 1:
            return [self.head.name]
        return [f"{self.head.name}-{number:0{len(str(count))}}" for number in range(1, count + 1)]


def shipped_specs() -> dict[str, Path]:
    """Specs that come with workbench, by name."""
    return {path.stem: path for path in sorted((SHIPPED / SPECS).glob("*.toml"), key=lambda path: path.stem)}


def find_spec(path: Path) -> Path:
    """A spec by its path, or the one of that name that comes with workbench where there is no such file.

    Raises:
        WorkbenchError: there is neither.
    """
    found = path if path.exists() else shipped_specs().get(str(path))
    if found is None:
        raise WorkbenchError(f"{path}: no such file; 'workbench synth --list' names the specs that come with it")
    return found


def read_spec(path: Path) -> SynthSpec:
    """Read and check a spec.

    Raises:
        WorkbenchError: names the file, the event and the key.
    """
    head = check_form(SpecForm, read_toml(path, HINT), str(path), HINT)
    head = head.model_copy(update={"name": check_name(head.name or path.stem, str(path))})
    head = head.model_copy(update={"echo": _echo(head.echo, str(path))})
    if head.echo is None and head.echo_gain_db != (0.0, 0.0):
        raise WorkbenchError(f"{path}: echo_gain_db needs the key echo, the path whose gains it raises")
    events = tuple(_event(item, head, f"{path}: event {number}") for number, item in enumerate(head.event, 1))
    return SynthSpec(path=path, head=head, events=events)


def _echo(echo: dict[str, Any] | None, where: str) -> Mapping[str, Any] | None:
    """The echo path as ``session.json`` holds it; a room becomes its impulse response."""
    if echo is None or "room" not in echo:
        return check_echo(echo, where)
    room = check_form(EchoRoomForm, echo["room"], f"{where}: echo.room", HINT)
    delay, response = room_response(room.size_m, room.loudspeaker_m, room.microphone_m, room.decay_s)
    gain = 10 ** (room.gain_db / 20)
    values = [float(f"{gain * value:.6g}") for value in response]
    rest = {key: value for key, value in echo.items() if key != "room"}
    return check_echo({"delay_samples": delay, "response": values, **rest}, where)


def _event(data: Mapping[str, Any], head: SpecForm, where: str) -> EventForm:
    event = check_form(EventForm, data, where, HINT)
    if sum(source is not None for source in (event.clip, event.file, event.sound)) != 1:
        raise WorkbenchError(f"{where}: must name exactly one of clip, file and sound; {HINT}")
    if event.clip and head.clips is None:
        raise WorkbenchError(f"{where}: clip needs the top-level key clips, the file with the clips; {HINT}")
    if event.clip and event.text is not None:
        raise WorkbenchError(f"{where}: text is for file and sound; a clip has its own words")
    if event.pauses and not event.clip:
        raise WorkbenchError(f"{where}: pauses need a clip, whose word times say where to cut")
    if event.lasts_s is not None and event.sound not in LASTING:
        raise WorkbenchError(f"{where}: lasts_s is for the sounds {', '.join(LASTING)}")
    if event.stops_agent_s is not None and event.kind == "agent":
        raise WorkbenchError(f"{where}: stops_agent_s is for what interrupts the agent")
    if event.distance_m is not None and event.kind == "agent":
        raise WorkbenchError(f"{where}: distance_m is not for the agent, who is heard through echo")
    if event.continues and event.kind != "speech":
        raise WorkbenchError(f"{where}: continues is for kind 'speech', not {event.kind!r}")
    words = [pause.after_word for pause in event.pauses]
    if words != sorted(set(words)):
        raise WorkbenchError(f"{where}: pauses must be in the order of their words, one a word")
    return event
