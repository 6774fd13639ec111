"""One duplex stream or two: what PortAudio makes of each, measured with noise that is played and heard again.

    python benchmarks/one_stream.py pulse [--seconds 60] [--burners 1]    through ALSA's pulse plugin, null sink
    python benchmarks/one_stream.py jack  [--seconds 60] [--burners 1]    JACK's dummy card, output led into input
    python benchmarks/one_stream.py record [--minutes 10] [--burners 1]   `workbench record --play` on that card

The first two open streams as a recorder could; ``two`` is how the recorder opens them on ALSA. Per way:
``heard`` is the noise as far as it was heard in one piece, ``inserted`` and ``lost`` count the places where samples
came in between or are missing (``by`` how many), ``reported`` counts callbacks with a status flag after the start, and
``stamps_off_ms`` is how far the time stamps lie from the distance at which the noise was really heard: the median over
the run, and least and most of the medians of each second. ``cpu`` is processor time per second of sound.
Numbers go to stdout as one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.recording.conftest import RATE, find, noise, start_sound, track
from tests.recording.jack import running_jack
from workbench.sessions.session import open_session

_SETTLE = 4.0
"""Seconds before the noise: streams start late and wake up twice on PulseAudio."""
_NEEDLE = 240
WAYS = [
    {"way": "two", "block": 1920, "latency": (0.24, 0.48)},
    {"way": "two", "block": 1920, "latency": (0.24, 0.16)},
    {"way": "one", "block": 1920, "latency": (0.24, 0.48)},
    {"way": "one", "block": 1920, "latency": (0.24, 0.16)},
    {"way": "one", "block": 480, "latency": (0.24, 0.16)},
    {"way": "one", "block": 0, "latency": (0.24, 0.48)},
    {"way": "one", "block": 0, "latency": (0.24, 0.16)},
    {"way": "one", "block": 0, "latency": (0.24, 0.48), "never_drop_input": True},
]


class _Track:
    """What went through one direction: samples, and per block (position, stamp, flags)."""

    def __init__(self, samples: int) -> None:
        self.pcm = np.zeros(samples, dtype=np.float32)
        self.blocks: list[tuple[int, float, int]] = []
        self.at = 0

    def add(self, block: Any, stamp: float, flags: int) -> None:
        self.blocks.append((self.at, stamp, flags))
        self.pcm[self.at : self.at + len(block)] = block[:, 0]
        self.at += len(block)


def child(way: dict[str, Any], seconds: float, devices: list[str], out: Path) -> None:
    """Run in a process of its own: play and hear, and keep both."""
    import sounddevice as sd

    os.setpriority(os.PRIO_PROCESS, 0, -10)
    sys.setswitchinterval(0.001)
    quiet = round(_SETTLE * RATE)
    source = np.concatenate([np.zeros(quiet), noise(seconds, seed=4) / 32768, np.zeros(60 * RATE)]).astype(np.float32)
    mic, agent = _Track(len(source)), _Track(len(source))

    def hear(block: Any, frames: int, stamps: Any, status: Any) -> None:
        mic.add(block, stamps.inputBufferAdcTime, status._flags)

    def play(block: Any, frames: int, stamps: Any, status: Any) -> None:
        block[:, 0] = source[agent.at : agent.at + frames]
        agent.add(block, stamps.outputBufferDacTime, status._flags)

    def both(heard: Any, played: Any, frames: int, stamps: Any, status: Any) -> None:
        play(played, frames, stamps, status)
        hear(heard, frames, stamps, status)

    common = {"samplerate": RATE, "blocksize": way["block"], "channels": 1, "dtype": "float32"}
    common |= {"clip_off": True, "dither_off": True}
    late_in, late_out = way["latency"]
    if way["way"] == "two":
        streams = [
            sd.InputStream(device=devices[0], latency=late_in, callback=hear, **common),
            sd.OutputStream(device=devices[1], latency=late_out, callback=play, **common),
        ]
    else:
        never = way.get("never_drop_input")
        streams = [sd.Stream(device=devices, latency=way["latency"], callback=both, never_drop_input=never, **common)]
    spent, began = time.process_time(), time.monotonic()
    for stream in streams:
        stream.start()
    print("started", flush=True)
    while time.monotonic() - began < _SETTLE + seconds + 3:
        time.sleep(0.1)
    spent = (time.process_time() - spent) / (time.monotonic() - began)
    for stream in streams:
        stream.close()
    np.savez(
        out, mic=mic.pcm[: mic.at], agent=agent.pcm[: agent.at], cpu=spent,
        mic_blocks=np.array(mic.blocks), agent_blocks=np.array(agent.blocks),
    )  # fmt: skip


def judge(path: Path, way: dict[str, Any]) -> dict[str, Any]:
    """Compare what was heard with what was played, and both with the time stamps."""
    with np.load(path) as kept:
        mic, agent, cpu = (kept[name] for name in ("mic", "agent", "cpu"))
        blocks = [kept["agent_blocks"], kept["mic_blocks"]]
    found: dict[str, Any] = {**way, "load_average": round(os.getloadavg()[0], 1), "cpu": round(float(cpu), 3)}
    if not len(mic) or not mic.any():
        return found | {"heard": "nothing"}
    mic, agent = (np.rint(pcm * 32768).astype(np.int16) for pcm in (mic, agent))
    played = agent[np.flatnonzero(agent)[0] : np.flatnonzero(agent)[-1] + 1]
    start, sent = int(np.flatnonzero(mic)[0]), int(np.flatnonzero(agent)[0])
    slips = list(_slips(mic[start:], played))
    heard = mic[start : start + len(played)]
    same = int(np.argmax(heard != played[: len(heard)])) if not np.array_equal(heard, played[: len(heard)]) else None
    offsets = [_by_second(part) for part in blocks]
    length = min(map(len, offsets))
    off = (start - sent - (offsets[0][:length] - offsets[1][:length])) / RATE * 1000
    return found | {
        "heard": "whole" if same is None else f"{same / RATE:.2f} s in one piece",
        "inserted": [slip for slip in slips if slip > 0][:10],
        "lost": [-slip for slip in slips if slip < 0][:10],
        "reported": int(sum(np.count_nonzero(part[part[:, 0] > sent][:, 2]) for part in blocks)),
        "callbacks_per_second": round(len(blocks[1]) / (len(mic) / RATE), 1),
        "lag_samples": start - sent,
        "stamps_off_ms": [round(float(x), 2) for x in (np.median(off), off.min(), off.max())],
    }


def _by_second(blocks: Any) -> Any:
    """The stamp of sample 0, in samples, by each second's blocks: the median, as the recorder takes it."""
    blocks = blocks[blocks[:, 0] > _SETTLE * RATE]
    second = (blocks[:, 0] // RATE).astype(int)
    offset = blocks[:, 1] * RATE - blocks[:, 0]
    return np.array([np.median(offset[second == one]) for one in np.unique(second)])


def _slips(heard: Any, played: Any) -> Iterator[int]:
    """Samples that came in between (positive) or are missing (negative), in order."""
    place = done = 0
    while (length := min(len(heard) - done, len(played) - place)) > _NEEDLE:
        differ = np.flatnonzero(heard[done : done + length] != played[place : place + length])
        if not len(differ):
            return
        done, place = done + int(differ[0]), place + int(differ[0])
        more = find(played[place : place + _NEEDLE], heard[done : done + 4 * RATE])
        less = find(heard[done : done + _NEEDLE], played[place : place + 4 * RATE])
        if more < 0 and less < 0:
            place, done = place + _NEEDLE, done + _NEEDLE  # changed in place
            yield 0
        elif less < 0 or 0 <= more < less:
            yield more
            done += more
        else:
            yield -less
            place += less


@contextmanager
def _burning(burners: int) -> Iterator[None]:
    burning = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(burners)]
    for burner in burning:
        burner.start()
    try:
        yield
    finally:
        for burner in burning:
            burner.kill()


def _burn() -> None:
    while True:
        pass


def _start(way: dict[str, Any], seconds: float, devices: list[str], out: Path, env: Any) -> "subprocess.Popen[str]":
    given = [json.dumps(way), str(seconds), json.dumps(devices), str(out)]
    return subprocess.Popen([sys.executable, __file__, "child", *given], env=env, stdout=subprocess.PIPE, text=True)


def pulse(seconds: float) -> list[dict[str, Any]]:
    """All ways on a null sink and its monitor."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        sound = start_sound(Path(name) / "sound")
        for way in WAYS:
            out = Path(name) / "kept.npz"
            _start(way, seconds, ["room_mic", "room"], out, sound.env).wait()
            found.append(judge(out, way))
            print(json.dumps(found[-1]), file=sys.stderr)
        sound.server.terminate()
        sound.server.wait()
    return found


def jack(seconds: float) -> list[dict[str, Any]]:
    """One stream and two on JACK's dummy card."""
    found = []
    for way in (WAYS[0], WAYS[2], WAYS[5]):
        with tempfile.TemporaryDirectory() as name, running_jack() as server:
            out = Path(name) / "kept.npz"
            process = _start(way, seconds, ["system", "system"], out, server.env)
            server.lead(process)
            process.wait()
            found.append(judge(out, way))
            print(json.dumps(found[-1]), file=sys.stderr)
    return found


def record(minutes: float) -> dict[str, Any]:
    """The recorder itself on JACK: every sample of both tracks is compared."""
    played = noise(minutes * 60, seed=4)
    with tempfile.TemporaryDirectory() as name, running_jack() as server:
        where = Path(name)
        soundfile.write(where / "noise.wav", played, RATE, subtype="PCM_16")
        process = server.record("--output", "system", "--name", "d", "--play", "noise.wav", where=where)
        if process.communicate()[1] and process.returncode:
            raise SystemExit("the recorder failed")
        folder = where / "recordings" / "d"
        mic, agent = track(folder), track(folder, "agent")
        events = (folder / "events.jsonl").read_text().splitlines()
        device = open_session(folder).device
    assert device is not None
    inside = agent[np.flatnonzero(agent)[0] : np.flatnonzero(agent)[-1] + 1]
    names = ("one_stream", "agent_offset", "agent_offset_spread", "drift_ppm", "round_trip")
    return {
        "load_average": os.getloadavg()[0],
        "samples_played": len(played),
        "agent_is_what_was_played": bool(np.array_equal(inside, played)),
        "mic_is_what_was_played": bool(np.array_equal(mic[mic != 0], played)),
        "lag_samples": find(played[:480], mic) - find(played[:480], agent),
        "lag_samples_at_the_end": find(played[-480:], mic) - find(played[-480:], agent),
        "events": [json.loads(line) for line in events],
        **{name: device.get(name) for name in (*names, "mic_callback_ms", "agent_callback_ms")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pulse", "jack", "record"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--burners", type=int, default=0)
    given = parser.parse_args()
    with _burning(given.burners):
        if given.what == "record":
            found: Any = record(given.minutes)
        else:
            found = (pulse if given.what == "pulse" else jack)(given.seconds)
    json.dump({"bench": f"one_stream {given.what}", "burners": given.burners, "found": found}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(json.loads(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
