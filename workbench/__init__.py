"""Record, replay, measure and tune a local Moshi voice assistant at exact 80 ms frames.

One way through the house: audio → session → frames → stages → trace → metrics → objective → study → report.
A module imports only from those before it in that flow (``tests/test_layers.py`` holds the rule).
"""

__version__ = "0.1.0"
