"""What the recorder survives and what it costs, on a real PulseAudio and through its own path.

    python benchmarks/record.py kill [--times 100]        kill -9 at random moments
    python benchmarks/record.py busy [--minutes 10]       real time, with the other core (or all) burnt
    python benchmarks/record.py duplex [--minutes 10]     the same while the recorder itself plays what it hears
    python benchmarks/record.py long [--hours 3]          memory over hours, fed faster than real time

Numbers go to stdout as one JSON object. Needs ``pulseaudio`` (``kill``, ``busy``) and the test extra's packages.
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.recording.conftest import RATE, Sound, find, noise, start_sound, track
from tests.recording.crashes import Listener, crash
from workbench.recording.devices import Device, StreamSettings
from workbench.recording.finalize import finish
from workbench.recording.plan import RecordingPlan
from workbench.recording.recorder import Recorder
from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import open_session
from workbench.units import FRAME_SAMPLES

_PLAYED_SECONDS = 240


def kill(times: int, at_once: int) -> dict[str, Any]:
    """Kill recorders after 0.1–6 s of tape; ``crash`` checks each result bit for bit against what was played."""
    random = np.random.default_rng(2)
    crashes = []
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        sound = start_sound(where / "sound")
        for batch in range(0, times, at_once):
            played = noise(_PLAYED_SECONDS, seed=batch)
            player, listener = sound.play(played), Listener(sound)
            sound.wait_for_sound()
            waits = random.uniform(0.1, 6.0, min(at_once, times - batch))

            def one(item: tuple[int, float], batch: int = batch, played: Any = played, listener: Any = listener) -> Any:
                return crash(sound, where, f"k{batch + item[0]}", played, listener, float(item[1]))

            with ThreadPoolExecutor(at_once) as pool:
                crashes += list(pool.map(one, enumerate(waits)))
            listener.close()
            player.terminate()
            player.wait()
            print(f"{len(crashes)} of {times}", file=sys.stderr)
        sessions = [f"recordings/k{i}" for i in range(times)]
        replayed = sound.run(
            "replay",
            *sessions,
            "--stack",
            "scripted",
            "--step-costs",
            "fixed",
            "--out",
            "run",
            where=where,
            timeout=600,
        )
        traces = len(list((where / "run").glob("*.trace.jsonl")))
        sound.server.terminate()
        sound.server.wait()
    lost = np.array([crash.lost_seconds for crash in crashes])
    return {
        "killed": times,
        "recovered_and_verified": len(crashes),
        "replayed": traces if replayed.returncode == 0 else 0,
        "lost_seconds_p50": round(float(np.median(lost)), 3),
        "lost_seconds_max": round(float(lost.max()), 3),
    }


def _burn() -> None:
    while True:
        pass


def _end(
    recorder: "subprocess.Popen[str]", timeout: float, burning: list[multiprocessing.Process], sound: Sound
) -> resource.struct_rusage:
    """Wait for the recorder to end, then end what went on beside it; give up if it failed.

    Returns:
        What children have used that had ended when the recorder had: it, and none of what went on beside it.
    """
    _, err = recorder.communicate(timeout=timeout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    for burner in burning:
        burner.kill()
    sound.server.terminate()
    sound.server.wait()
    if recorder.returncode:
        raise SystemExit(err)
    return used


def busy(minutes: float, burners: int) -> dict[str, Any]:
    """Record a known noise beside burning processes, and compare every sample.

    The noise holds no zero, so what the microphone track holds beside zeros must be the noise, from its first sample
    on: one lost sample would show. Zeros are gaps: the player's own (the sink ran dry), or holes that are marked.
    """
    burning = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(burners)]
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        sound = start_sound(where / "sound")
        for burner in burning:
            burner.start()
        seconds = minutes * 60
        played = noise(seconds, seed=3)
        process = sound.popen("record", "--name", "b", "--device", "room_mic", where=where)
        tape = where / "recordings" / "b" / PARTIAL / "mic.s24"
        while not (tape.exists() and tape.stat().st_size):
            time.sleep(0.1)
        sound.play(played).wait()
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        _end(process, 300, burning, sound)
        folder = where / "recordings" / "b"
        mic = track(folder)
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        device = open_session(folder).device
    heard = mic[mic != 0]
    first = find(heard[:480], played)
    inside = mic[np.flatnonzero(mic)[0] : np.flatnonzero(mic)[-1]]
    assert device is not None
    return {
        "minutes": minutes,
        "burners": burners,
        "load_average": os.getloadavg()[0],
        "samples_played": len(played),
        "samples_heard": len(heard),
        "samples_that_differ": int(np.count_nonzero(heard != played[first : first + len(heard)])),
        "lost_by_the_player_at_its_start": first,
        "zeros_between": int(np.count_nonzero(inside == 0)),
        "events": events,
        "callback_ms": device["mic_callback_ms"],
    }


def duplex(minutes: float, burners: int) -> dict[str, Any]:
    """Play a known noise and record it beside burning processes; compare every sample of both tracks.

    The noise holds no zero, so both tracks without their zeros must be the noise, whole: one lost sample would show.
    Zeros between are gaps. On the agent track each must be marked, as a hole (the device ran dry) or as starved
    (nothing was ready); on the microphone track they are the same silence heard.
    """
    burning = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(burners)]
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        sound = start_sound(where / "sound")
        for burner in burning:
            burner.start()
        played = noise(minutes * 60, seed=4)
        soundfile.write(where / "noise.wav", played, RATE, subtype="PCM_16")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = sound.popen(
            "record", "--name", "d", "--device", "room_mic", "--output", "room", "--play", "noise.wav", where=where
        )
        after = _end(process, minutes * 60 + 300, burning, sound)
        load.append(os.getloadavg()[0])
        folder = where / "recordings" / "d"
        mic, agent = track(folder), track(folder, "agent")
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        device = open_session(folder).device
    assert device is not None
    marked = np.zeros(len(agent), dtype=bool)
    for event in events:
        if event["event"] in ("hole", "starved") and event["track"] == "agent":
            marked[event["sample"] : event["sample"] + event["samples"]] = True
    sounding = np.flatnonzero(agent)
    inside = slice(sounding[0], sounding[-1] + 1)
    return {
        "minutes": minutes,
        "burners": burners,
        "load_average": load,
        "recorder_cpu_s": round(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime, 1),
        "samples_played": len(played),
        "agent_is_what_was_played": bool(np.array_equal(agent[agent != 0], played)),
        "mic_is_what_was_played": bool(np.array_equal(mic[mic != 0], played)),
        "agent_zeros_inside": int(np.count_nonzero(agent[inside] == 0)),
        "agent_zeros_unmarked": int(np.count_nonzero((agent[inside] == 0) & ~marked[inside])),
        "mic_holes": sum(event["event"] == "hole" and event["track"] == "mic" for event in events),
        "events": events,
        "agent_offset": device["agent_offset"],
        "agent_offset_spread": device["agent_offset_spread"],
        "round_trip": device["round_trip"],
        "mic_callback_ms": device["mic_callback_ms"],
        "agent_callback_ms": device["agent_callback_ms"],
    }


class _Feed:
    """A stream that hands out noise as fast as the writer takes it."""

    active = True
    latency = 0.0

    def __init__(self, callback: Any, ring: Any, blocks: int) -> None:
        self._callback, self._ring, self._blocks = callback, ring, blocks
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        random = np.random.default_rng(0)
        loud = np.where(np.arange(50) < 30, 0.05, 0.001)[:, None, None]  # 2.4 s of speech, 1.6 s of room
        pool = (random.normal(0, 1, (50, FRAME_SAMPLES, 1)) * loud * 32768).round().astype(np.float32) / 32768
        for number in range(self._blocks):
            while len(self._ring()) > 700:
                time.sleep(0.005)
            self._callback(pool[number % 50], number * FRAME_SAMPLES / RATE, 0, time.perf_counter())

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._thread.join()


def long(hours: float) -> dict[str, Any]:
    """Feed hours through callback, ring, writer, tape and finishing; then open and stream the session."""
    seconds = hours * 3600
    device = Device(0, "feed", "none", 1, 0, RATE, True, False)
    blocks = round(seconds * RATE / FRAME_SAMPLES) + 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "long"
        takes: list[Recorder] = []
        plan = RecordingPlan(folder, StreamSettings(device, "input", RATE, 1), (0.01, 700, 200), seconds=seconds)
        feed = lambda how, callback: _Feed(callback, lambda: takes[0].mic_ring, blocks)  # noqa: E731
        take = Recorder(plan, (feed, feed))
        takes.append(take)
        began = time.perf_counter()
        memory = []
        take.start()
        while take.watch() is None:
            time.sleep(0.2)
            memory.append((take.writer.samples / RATE, _resident_mib()))
        _drain(take)
        facts = take.stop()
        recorded = time.perf_counter() - began
        tape = (folder / PARTIAL / "mic.s24").stat().st_size
        began, before = time.perf_counter(), _resident_mib()
        session = finish(folder, facts, take.lock).session
        finished, after = time.perf_counter() - began, _resident_mib()
        began = time.perf_counter()
        opened = open_session(folder)
        opening = time.perf_counter() - began
        began = time.perf_counter()
        frames = sum(len(part) for part in opened.stream())
        streamed, at_end = time.perf_counter() - began, _resident_mib()
        size = session.mic.path.stat().st_size
        replay_peak, replayed = _replay(folder)
    first = next(mib for second, mib in memory if second >= seconds * 0.1)
    return {
        "hours": hours,
        "samples": session.samples,
        "frames_streamed": frames,
        "recorded_in_s": round(recorded, 1),
        "tape_mib": round(tape / 2**20),
        "flac_mib": round(size / 2**20),
        "resident_mib_at_10_percent": first,
        "resident_mib_at_end": memory[-1][1],
        "resident_mib_finish": [before, after],
        "resident_mib_after_streaming": at_end,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "finished_in_s": round(finished, 1),
        "opened_in_ms": round(opening * 1000, 1),
        "streamed_in_s": round(streamed, 1),
        "replayed_in_s": replayed,
        "replay_peak_mib": replay_peak,
        "callback_ms": facts["mic_callback_ms"],
        "holes": facts["holes"],
    }


def _replay(folder: Path) -> tuple[float, float]:
    """Peak memory (MiB) and seconds of ``workbench replay`` on the session, in a process of its own."""
    root = str(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "workbench", "replay", str(folder), "--stack", "scripted", "--step-costs", "fixed"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--out", str(folder.parent / "run")],
        env=os.environ | {"PYTHONPATH": root, "WORKBENCH_STORE": str(folder.parent / "store")},
        cwd=folder.parent, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return round(peak, 1), round(time.perf_counter() - began, 1)


def _drain(take: Recorder) -> None:
    """Let the feed come to its end: the length asked for is reached, and the rest is thrown away."""
    while take.writer.is_alive() and len(take.mic_ring) > 700:
        time.sleep(0.01)


def _resident_mib() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kill", "busy", "duplex", "long"])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--burners", type=int, default=1)
    parser.add_argument("--hours", type=float, default=3)
    given = parser.parse_args()
    if given.what == "kill":
        found = kill(given.times, given.at_once)
    elif given.what == "busy":
        found = busy(given.minutes, given.burners)
    elif given.what == "duplex":
        found = duplex(given.minutes, given.burners)
    else:
        found = long(given.hours)
    json.dump({"bench": f"record {given.what}", **found}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
