"""Sessions of a page and their sound: of whole sessions as long as there is room, of the others the clips."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, default_folder, key_of
from workbench.reports.material import Material
from workbench.reports.session_data import session_data
from workbench.sessions.mp3 import MP3_FORM, encode_mp3
from workbench.units import SAMPLE_RATE

WHOLE_SECONDS = 600
"""Sessions that are this long together are audible as a whole; of the others, the incidents are."""

Clip = tuple[str, int, int]
"""(session, first sample, first sample after)."""


class PageSessions:
    """Sessions of one run, or of the two of a comparison, as the page's scripts read them.

    Args:
        seconds: sessions that are this long together are audible as a whole; by default :data:`WHOLE_SECONDS`.

    Attributes:
        listed: of each session its name, length in samples, and place of its sound in ``sounds``, or None.
        packed: name in the page → all that the timeline shows of a session.
        sounds: MP3s, the user left, the agent right.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._left = (WHOLE_SECONDS if seconds is None else seconds) * SAMPLE_RATE
        self.listed: list[dict[str, Any]] = []
        self.packed: dict[str, dict[str, Any]] = {}
        self.sounds: list[bytes] = []

    def add(self, data: Material, clips: Sequence[Clip], side: str = "") -> list[dict[str, int]]:
        """Add the sessions of a run, by name.

        Args:
            data: the run and its scores.
            clips: stretches that must be audible.
            side: added to the sessions' names.

        Returns:
            Of each clip its session's place, the place of the sound that it is in, and the moment at which that begins.
        """
        places: list[dict[str, int]] = [{}] * len(clips)
        store = Store(default_folder())
        try:
            for item, scores in data.sessions:
                name, number = item.session.name, len(self.listed)
                agent = data.run.folder / f"{name}.agent.flac"
                session, mic, played = session_data(data.run, item, scores, agent)
                own = [(place, start, end) for place, (of, start, end) in enumerate(clips) if of == name]
                whole = session["samples"] <= self._left
                if whole:
                    self._left -= session["samples"]
                spans = [(0, session["samples"])] if whole else list(_joined([(start, end) for _, start, end in own]))
                first = len(self.sounds)
                self.sounds += [sound(store, mic, played, span) for span in spans]
                for place, start, _ in own:
                    at = max(i for i, (begin, _) in enumerate(spans) if begin <= start)
                    places[place] = {"session": number, "sound": first + at, "offset": spans[at][0]}
                session["name"] += side
                self.packed[f"session-{number}"] = session
                self.listed.append(
                    {"name": session["name"], "samples": session["samples"], "sound": first if whole else None}
                )
        finally:
            store.close()
        return places


def _joined(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans that overlap as one, ascending.

    >>> list(_joined([(5, 9), (0, 3), (8, 12)]))
    [(0, 3), (5, 12)]
    """
    first, last = -1, -1
    for start, end in sorted(spans):
        if start > last:
            if last >= 0:
                yield first, last
            first = start
        last = max(last, end)
    if last >= 0:
        yield first, last


def sound(store: Store, mic: Audio, agent: Audio, span: tuple[int, int]) -> bytes:
    """MP3 of samples ``[start, end)``: the user left, the agent right. Encoded once, then cached."""
    start, end = span
    parts = [np.zeros(end - start, dtype=np.float32) for _ in range(2)]
    for part, track in zip(parts, (mic, agent), strict=True):
        cut = track[start:end]
        part[: len(cut)] = cut
    key = key_of("mp3", MP3_FORM, *(hashlib.sha256(part.tobytes()).hexdigest() for part in parts))
    coded = store.get(key, bytes)
    if coded is None:
        coded = encode_mp3(*parts)
        store.put(key, coded, bytes)
    return coded
