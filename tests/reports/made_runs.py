"""Small constructed sessions, replayed on the scripted stack."""

import numpy as np

from workbench.config import Config, override
from workbench.reports import gather
from workbench.runs import run_sessions, score_run
from workbench.sessions.labels import Label, validate, write_labels
from workbench.sessions.session import write_manifest
from workbench.sessions.tracks import write_track
from workbench.units import SAMPLE_RATE, seconds_to_samples

LEVELS = {"speech": 0.06, "noise": 0.08, "background": 0.02, "backchannel": 0.03}


def make_session(folder, seconds, *rows, source="constructed", echo=None):
    """A session of noise bursts; rows are (start s, end s, kind, turn, text)."""
    rng = np.random.default_rng(0)
    samples = seconds_to_samples(seconds)
    pcm = 0.0005 * rng.standard_normal(samples)
    labels = [Label(seconds_to_samples(a), seconds_to_samples(b), *rest) for a, b, *rest in rows]
    for label in labels:
        pcm[label.start : label.end] += LEVELS[label.kind] * rng.standard_normal(label.end - label.start)
    folder.mkdir(parents=True)
    write_track(folder / "mic.flac", iter([np.clip(pcm, -0.99, 0.99).astype(np.float32)]))
    if labels:
        write_labels(folder / "labels.csv", validate(labels, samples, folder.name))
    write_manifest(folder, tracks={"mic": "mic.flac"}, labels_source=source if labels else None, echo=echo)
    return folder


QUARTER_TURNS = 50
"""Turns of :func:`make_quarter`: one in 18 s, as when two people talk."""


def make_quarter(folder):
    """A quarter of an hour of one session in which no second sounds like another; every tenth turn is cut in on."""
    rng = np.random.default_rng(0)
    length = 18 * SAMPLE_RATE
    labels = []

    def blocks():
        for turn in range(QUARTER_TURNS):
            start = int(rng.integers(SAMPLE_RATE // 2, SAMPLE_RATE))
            spans = [(start, start + int(rng.integers(1 * SAMPLE_RATE, 2 * SAMPLE_RATE)))]
            again = spans[0][1] + seconds_to_samples(0.9 if turn % 10 == 0 else 0.5)
            spans.append((again, again + SAMPLE_RATE))
            pcm = rng.standard_normal(length, dtype=np.float32) * np.float32(0.0005)
            for begin, end in spans:
                syllables = np.repeat(rng.uniform(0.01, 0.1, 40), 1200)[: end - begin].astype(np.float32)
                pcm[begin:end] += rng.standard_normal(end - begin, dtype=np.float32) * syllables
                words = f"the question with number {turn} is"
                labels.append(Label(begin + turn * length, end + turn * length, "speech", turn + 1, words))
            yield np.clip(pcm, -0.99, 0.99)

    folder.mkdir(parents=True)
    write_track(folder / "mic.flac", blocks())
    write_labels(folder / "labels.csv", validate(labels, QUARTER_TURNS * length, folder.name))
    write_manifest(folder, tracks={"mic": "mic.flac"}, labels_source="constructed")
    return folder


def make_run(base, folders, name="run", **knobs):
    """A replayed and scored run: (run, scored, summary)."""
    run = run_sessions(folders, override(Config(), {"stack.name": "scripted"} | knobs), base / name)
    return run, *score_run(run)


def make_report(base, folders, limits=None, **knobs):
    """What the reports of a run are made of."""
    return gather(*make_run(base, folders, **knobs), limits)


def questions(base):
    """A clean question whose words hold markup, and a turn with a pause that the endpointer takes for the end."""
    return [
        make_session(base / "clean", 12, (0.5, 2.5, "speech", 1, "what | does *this* cost: $5 or $6")),
        make_session(
            base / "held",
            16,
            (0.5, 1.5, "speech", 1, "I would like"),
            (2.7, 4.0, "speech", 1, "to know"),
            (9.0, 9.4, "noise", None, "cough"),
            echo={"taps": [[40, -30]]},
        ),
    ]


def picture(path):
    """A PNG as an array of shape (height, width, 4)."""
    from matplotlib.image import imread

    return imread(path)


SECOND = SAMPLE_RATE
