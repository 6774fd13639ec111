"""Colours of charts and figures: the eight of Okabe and Ito (2008), distinct for all common colour blindnesses."""

from collections.abc import Mapping

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, RED, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#999999"

OWNER_COLOURS: Mapping[str, str] = {
    "framing": GREY,
    "setting": ORANGE,
    "compute": BLUE,
    "model": GREEN,
    "device": PURPLE,
}
"""Cause of a part of the waterfall."""
