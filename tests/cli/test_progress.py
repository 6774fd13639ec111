"""How far a command is: a bar on a terminal; without one a line a minute, so that a log shows that it lives."""

import time

from workbench.cli.progress import SILENT, Bar


def test_without_a_terminal_a_line_a_minute_says_how_far_it_is(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Bar() as bar:
        bar.say("loading the stack")
        for trial in range(5):
            now[0] += SILENT / 2
            bar.step("trials", trial + 1, 5)
        now[0] += SILENT
        bar.say("waiting for 1 of others")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "trials: 2 of 5\ntrials: 4 of 5\nwaiting for 1 of others\n")
