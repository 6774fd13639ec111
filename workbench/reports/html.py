"""Pages: one HTML file each that needs nothing else and asks for nothing: styles, scripts, data and sound are inside.

A Content-Security-Policy in the page lets only its own scripts run, named by their hashes, and forbids every request.
What is large is packed: compressed by zlib, in base64, and unpacked by the page where it is first shown.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import printable
from workbench.files import write_text

SCRIPTS = ("basics.js", "sound.js", "lanes.js", "timeline.js", "labels.js", "sliders.js", "charts.js", "page.js")
"""Our own scripts in the order in which they run; each may use what stands in those before it."""


@dataclass(frozen=True)
class PageData:
    """Data of a page's scripts.

    Attributes:
        small: JSON value that is read when the page opens.
        first: name → value that the first drawing needs, packed; a value's uint8 arrays stay bytes.
        later: name → value that is shown when it is scrolled to or asked for, packed.
        charts: name → chart, as bokeh has it; packed too.
        sounds: MP3s; ``small`` names them by their place.
    """

    small: Mapping[str, Any]
    first: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    later: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    charts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sounds: Sequence[bytes] = ()


def write_page(path: Path, template: str, values: Mapping[str, Any], data: PageData) -> Path:
    """Write a page; the same values give the same bytes.

    Args:
        path: of the page.
        template: its name in ``reports/page/``.
        values: for the template; every text in them is shown as text.
        data: for the scripts.
    """
    scripts, drawer = [asset(name) for name in SCRIPTS], []
    later = {name: pack(value) for name, value in data.later.items()}
    if data.charts:
        script, compressed = _bokeh()
        drawer = [script]
        later |= {"charts": pack(data.charts), "bokeh": compressed}
    page = _environment().get_template(template)
    text = page.render(
        **values,
        page={
            "style": asset("page.css"),
            "policy": policy([*scripts, *drawer]),
            "scripts": scripts,
            "heights": {name: item["doc"]["roots"][0]["attributes"]["height"] for name, item in data.charts.items()},
            "data": script_json(data.small),
            "first": {name: pack(value) for name, value in data.first.items()},
            "later": later,
            "sounds": [base64.b64encode(sound).decode("ascii") for sound in data.sounds],
        },
    )
    write_text(path, text)
    return path


@cache
def _bokeh() -> tuple[str, str]:
    """Bokeh's own script, as it is and compressed, from where it is installed; bokeh is not loaded for it."""
    (folder,) = find_spec("bokeh").submodule_search_locations  # type: ignore[union-attr,misc]
    script = (Path(folder) / "server" / "static" / "js" / "bokeh.min.js").read_text(encoding="utf-8")
    return script, _compressed(script.encode("utf-8"))


def policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy of a page with these scripts.

    Styles may stand in the page (bokeh writes its own); pictures and sound come out of the page itself.
    """
    own = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {own}; style-src 'unsafe-inline'; img-src data: blob:; "
        "media-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def script_json(data: Any) -> str:
    r"""JSON that can stand in a script element, with what a reader would obey shown as text.

    >>> script_json({"name": "</script>\u202e"})
    '{"name":"\\u003c/script\\u003e\\\\u202e"}'
    """
    text = _json(data)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def pack(value: Mapping[str, Any]) -> str:
    """A value compressed, in base64: four bytes with the length of its JSON, the JSON, then its arrays.

    Args:
        value: JSON but for uint8 arrays at its top level; the JSON has the length of each in their order, ``bytes``.

    >>> zlib.decompress(base64.b64decode(pack({"name": "a", "mic": np.array([48, 57], dtype=np.uint8)})))[4:]
    b'{"name":"a","bytes":{"mic":2}}09'
    """
    arrays = {name: item for name, item in value.items() if isinstance(item, np.ndarray)}
    rest = {name: item for name, item in value.items() if name not in arrays}
    text = _json(rest | {"bytes": {name: len(item) for name, item in arrays.items()}}).encode("utf-8")
    return _compressed(b"".join([len(text).to_bytes(4, "little"), text, *(item.tobytes() for item in arrays.values())]))


def _compressed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def _json(data: Any) -> str:
    return json.dumps(_printable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def asset(name: str) -> str:
    """A file of ``reports/page/``."""
    return files("workbench.reports").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("workbench.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
