"""A minute through a real PortAudio device: what went out is what came in, and both tracks share one clock."""

import json
from pathlib import Path

import numpy as np
import soundfile

from workbench.session import open_session

from .conftest import RATE, Sound, find, noise, track

SECONDS = 62


def test_a_minute_in_duplex_is_bit_for_bit_at_one_offset(sound: Sound, tmp_path: Path) -> None:
    played = noise(SECONDS)
    soundfile.write(tmp_path / "agent.wav", played, RATE, subtype="PCM_16")
    done = sound.run(
        "record", "--name", "duplex", "--device", "room_mic", "--output", "room", "--play", "agent.wav", where=tmp_path
    )
    assert done.returncode == 0, done.stderr
    session = open_session(tmp_path / "recordings" / "duplex")
    assert session.verify() == []
    mic, agent = track(session.folder), track(session.folder, "agent")
    assert len(mic) == len(agent) == session.samples

    # What was handed to the device, silence before and after included.
    start = find(played[:480], agent)
    assert np.array_equal(agent[start : start + len(played)], played)
    assert not agent[:start].any()
    assert not agent[start + len(played) :].any()

    # What was heard: every sample of it, at one offset.
    heard = find(played[:480], mic)
    assert heard >= 0
    count = min(len(played), len(mic) - heard)
    assert count == len(played) >= 60 * RATE
    assert np.array_equal(mic[heard : heard + count], played)

    # Time stamps alone have put the tracks on one clock: what is left is measured, the same all along, and small.
    device = json.loads((session.folder / "session.json").read_text())["device"]
    assert device["round_trip"]["lag_samples"] == heard - start
    assert device["round_trip"]["lag_spread_samples"] == 0
    assert abs(heard - start) < 0.02 * RATE
    assert device["holes"] == 0
    assert (session.folder / "events.jsonl").read_text() == ""
