"""Protocol of an assistant, and the types that its listen loop works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from workbench.arrays import Times
from workbench.barge_in.protocol import BargeInDecision
from workbench.config import Config, Knob
from workbench.knobs import ListenKnobs
from workbench.simulation.scheduler import Environment, Scheduler
from workbench.simulation.step_costs import CostSource, MeasuredCosts
from workbench.stages.cached_stt import CachedStt, Transcription
from workbench.stages.chunker import Chunker
from workbench.stages.playback import PlayoutRule
from workbench.stages.protocols import PAUSE_HEAD
from workbench.units import FRAME_SAMPLES


class Hears(Protocol):
    """What the loop needs of a transcription."""

    @property
    def pieces(self) -> list[tuple[int, str]]:
        """(step, text) of the steps that brought text."""
        ...

    @property
    def pauses(self) -> list[tuple[float, ...] | None]:
        """The pause heads of every step, where the model has them."""
        ...

    @property
    def steps(self) -> int:
        """Frames heard so far."""
        ...

    def hear(self, first: int, frames: int) -> None:
        """Hear session frames."""
        ...


class StepCosts(Protocol):
    """Cost of the STT's step on each session frame."""

    def __call__(self, first: int, frames: int) -> Times:
        """Costs of frames ``first … first + frames - 1``."""
        ...


@dataclass(frozen=True)
class ListenCycle:
    """How one listen cycle went.

    Attributes:
        reason: ``silence``, ``pause`` or ``limit`` when the turn was ended; ``timeout`` when no speech came;
            ``end`` when the session ended; ``overrun`` when skipping does not give the cycle (blocks were lost).
        ended: when the loop was done, computing included.
        last: frame that decided; -1 if none did.
        gate: frame at which the gate opened; -1 if it did not.
        fed: session frame of each STT step.
        done: when each step ended, same length.
        dropped: frames that the full queue lost after the gate had opened.
        silence_from: sample where the silence that was counted began.
    """

    reason: str
    ended: int
    last: int = -1
    gate: int = -1
    fed: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    silence_from: int = 0

    @property
    def committed(self) -> bool:
        """Whether the turn was ended."""
        return self.reason in ("silence", "pause", "limit")


def first_frame(t: int) -> int:
    """First frame that begins at ``t`` or later."""
    return -(-t // FRAME_SAMPLES)


class PauseHeadCounter:
    """Counts pause hits. ``consecutive`` clears the count on a miss; MLX-Harmony clears it on text only."""

    def __init__(self, knobs: ListenKnobs, consecutive: bool) -> None:
        self._knobs = knobs
        self._consecutive = consecutive
        self.hits = 0

    def see(self, pause: tuple[float, ...] | None, text: bool) -> bool:
        """One step; whether there are hits enough."""
        if pause is not None:
            if pause[PAUSE_HEAD] > self._knobs.vad_threshold:
                self.hits += 1
            elif self._consecutive:
                self.hits = 0
        if text:
            self.hits = 0
        return self.hits >= self._knobs.vad_hits


class NextListen(NamedTuple):
    """How a listen cycle opens.

    Attributes:
        at: when it opens, in samples.
        onset: frame at which its gate has opened already (a barge-in), or -1.
        earliest: first frame that it may hear.
        sound: frame at which the sound began that opened its gate, or -1.
    """

    at: int
    onset: int = -1
    earliest: int = 0
    sound: int = -1


@dataclass(frozen=True)
class Ears:
    """What a listener hears with.

    Attributes:
        stt: the STT of the run, with its microphone.
        costs: of its steps.
        knobs: of the listen loop.
        environment: of a live run; None in a replay, where all frames are there.
        device: of the STT's steps, where they compete with others.
        scheduler: of the session, with the listen cycles that go on in the background.
    """

    stt: CachedStt
    costs: CostSource
    knobs: ListenKnobs
    environment: Environment | None = None
    device: str = "stt"
    scheduler: Scheduler = field(default_factory=Scheduler)

    @property
    def is_measured(self) -> bool:
        """Whether steps are run and timed, and not drawn."""
        return isinstance(self.costs, MeasuredCosts)

    def step_costs(self, first: int, frames: int) -> Times:
        """What hearing session frames ``first … first + frames - 1`` costs."""
        if isinstance(self.costs, MeasuredCosts):
            return self.costs.taken("stt", 0, range(first, first + frames))
        return self.costs.draw("stt", 0, self.stt.mic.frames)[first : first + frames]


class Listening(NamedTuple):
    """A listen cycle that is over, and what the STT made of it."""

    cycle: ListenCycle
    hears: Transcription


class Assistant(Protocol):
    """A simulated assistant: how it listens, cuts, plays and is interrupted, and which knobs it reads.

    Attributes:
        chunker: how it cuts a reply.
        playout: how it plays the chunks.
        watches_chunks: whether a listen cycle during each chunk interrupts the answer, on the one STT; else a rule of
            :mod:`workbench.barge_in` does, during the whole answer.
        corrected: name of the assistant that does the same without its faults; empty where there is none.
        drops_blocks: whether its listener loses blocks while the STT is too slow.
    """

    chunker: Chunker
    playout: PlayoutRule
    watches_chunks: bool
    corrected: str
    drops_blocks: bool

    def acts_as(self, config: Config) -> Mapping[str, Knob]:
        """Knobs whose own value nothing reads under the other settings, and the value that they act as.

        Raises:
            WorkbenchError: the assistant refuses the settings; names the knobs.
        """
        ...

    def listen(self, ears: Ears, opening: NextListen) -> Listening:
        """One listen cycle, to the end of a turn or of the session."""
        ...

    def next_listen(self, last: int, over: int, stopped: BargeInDecision | None) -> NextListen:
        """How the listen cycle after an answer opens.

        Args:
            last: frame that ended the turn which was answered.
            over: when the answer is over.
            stopped: what interrupted it, if anything did.
        """
        ...
