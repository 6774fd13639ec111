"""Tuning: Optuna over exact replays, and a config that the assistant loads.

A trial is the same :func:`workbench.replay.engine.replay` that ``workbench replay`` runs, with some knobs changed;
there is no second simulator. Nothing in here knows which stack is replayed.
"""
