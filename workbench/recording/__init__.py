"""The recorder: from a PortAudio device to a session on disk, losing nothing.

The way the samples go: PortAudio callback (``capture``) → ring of blocks (``ring``) → writer thread (``writer``), which
fits them to 24 kHz mono (``fit``), keeps time true where blocks are missing (``holes``) and appends them to a tape
(``tape``). Finishing (``finish``) turns the tape into a session. ``calibrate`` and ``meter`` only look on.
"""
