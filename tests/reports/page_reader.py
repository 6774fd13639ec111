"""Reads back what a page holds, as its scripts do."""

import base64
import json
import re
import zlib

import numpy as np


def elements(path):
    """Id → text of every script element that has one, in order."""
    found = re.findall(r'<script type="[\w/]+" id="([\w-]+)">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    return dict(found)


def unpack(text):
    """A packed value; its arrays as uint8."""
    packed = zlib.decompress(base64.b64decode(text))
    at = 4 + int.from_bytes(packed[:4], "little")
    value = json.loads(packed[4:at])
    for name, size in value.pop("bytes").items():
        value[name] = np.frombuffer(packed[at : at + size], np.uint8)
        at += size
    assert at == len(packed)
    return value


def page_data(path):
    """All data of a page: its small data, the whole sessions, ``charts``, ``tables`` by name and ``sounds``."""
    found = elements(path)
    data = json.loads(found["data"])
    data["sessions"] = [item | unpack(found[f"data-session-{i}"]) for i, item in enumerate(data.get("sessions", []))]
    data["charts"] = unpack(found["data-charts"]) if "data-charts" in found else {}
    data["tables"] = {name[11:]: unpack(text) for name, text in found.items() if name.startswith("data-table-")}
    data["sounds"] = [base64.b64decode(text) for name, text in found.items() if name.startswith("sound-")]
    return data


def size_without_sound(path):
    """Bytes of a page but for its MP3s."""
    sounds = sum(len(text) for name, text in elements(path).items() if name.startswith("sound-"))
    return path.stat().st_size - sounds
