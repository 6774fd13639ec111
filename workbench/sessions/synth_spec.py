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
from workbench.files import read_toml
from workbench.sessions.clips import HINT
from workbench.sessions.echo_path import check_echo
from workbench.sessions.echo_presets import room_response
from workbench.sessions.folders import check_name
from workbench.sessions.noises import SOUNDS

LONGEST_S = 3600.0
"""A session is held in memory while it is made: 0.7 GB for an hour."""
SPEECH_DBFS = -26.0
"""Level of a person near the microphone."""
ROOM_DBFS = -60.0
"""Level of a quiet room."""


def _check_ends(low: float, high: float) -> BeforeValidator:
    """Check of a key that holds a number, or ``[lowest, highest]`` to draw from; both become (lowest, highest)."""

    def check(value: Any) -> tuple[float, float]:
        ends = value if isinstance(value, list) else [value, value]
        good = len(ends) == 2 and all(type(end) in (int, float) for end in ends)
        if not good or not low <= ends[0] <= ends[1] <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, or [lowest, highest] to draw from")
        return float(ends[0]), float(ends[1])

    return BeforeValidator(check)


Ends = tuple[float, float]
"""Lowest and highest value of a number that is drawn; equal where it is given."""

Seconds = Annotated[Ends, _check_ends(-LONGEST_S, LONGEST_S)]
PauseSeconds = Annotated[Ends, _check_ends(0.02, 60)]
TailSeconds = Annotated[Ends, _check_ends(0, LONGEST_S)]
Dbfs = Annotated[Ends, _check_ends(-100, 0)]
SwayDb = Annotated[Ends, _check_ends(0, 30)]


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
        kind: what the label says; ``agent`` is what the loudspeaker plays and gets no label.
        after_s: seconds from ``anchor`` to the first sample; negative is before it.
        anchor: where ``after_s`` counts from; written ``from``.
        level_dbfs: RMS over the trimmed clip.
        text: words of ``file``, or of the label of a sound.
        pauses: pauses inside the clip.
        continues: whether it belongs to the turn before it.
    """

    clip: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] | None = None
    file: str | None = None
    sound: Literal[tuple(SOUNDS)] | None = None  # type: ignore[valid-type]
    kind: Literal["speech", "backchannel", "noise", "background", "agent"] = "speech"
    after_s: Seconds
    anchor: Annotated[
        Literal["turn-end", "start", "event-start", "event-end", "agent-start", "agent-end"], Field(alias="from")
    ] = "turn-end"
    level_dbfs: Dbfs = (SPEECH_DBFS, SPEECH_DBFS)
    text: str | None = None
    pauses: list[PauseForm] = Field(default=[])
    continues: bool = False


class RoomForm(Form, extra="forbid"):
    """Noise of the room: RMS, and how far it rises and falls."""

    noise_dbfs: Dbfs = (ROOM_DBFS, ROOM_DBFS)
    sway_db: SwayDb = (0.0, 0.0)


Metres = Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=3, max_length=3)]
"""A place in a room, from one corner, or its length, width and height."""


class EchoRoomForm(Form, extra="forbid"):
    """A box-shaped room that the echo path is computed from; ``gain_db`` is of the direct sound at 1 m."""

    size_m: Metres
    loudspeaker_m: Metres
    microphone_m: Metres
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

    @property
    def echo(self) -> Mapping[str, Any] | None:
        """Echo path as ``session.json`` holds it."""
        return self.head.echo


def read_spec(path: Path) -> SynthSpec:
    """Read and check a spec.

    Raises:
        WorkbenchError: names the file, the event and the key.
    """
    head = check_form(SpecForm, read_toml(path, HINT), str(path), HINT)
    head = head.model_copy(update={"name": check_name(head.name or path.stem, str(path))})
    head = head.model_copy(update={"echo": _echo(head.echo, str(path))})
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
    if event.continues and event.kind != "speech":
        raise WorkbenchError(f"{where}: continues is for kind 'speech', not {event.kind!r}")
    words = [pause.after_word for pause in event.pauses]
    if words != sorted(set(words)):
        raise WorkbenchError(f"{where}: pauses must be in the order of their words, one a word")
    return event
