"""Pages: one HTML file each that needs nothing else and asks for nothing: styles, scripts, data and sound are inside.

A Content-Security-Policy in the page lets only its own scripts run, named by their hashes, and forbids every request.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from workbench.errors import printable
from workbench.files import write_text

SCRIPTS = ("basics.js", "sound.js", "lanes.js", "timeline.js", "labels.js", "sliders.js", "charts.js", "page.js")
"""Our own scripts in the order in which they run; each may use what stands in those before it."""


def write_page(path: Path, template: str, values: Mapping[str, Any], data: Mapping[str, Any]) -> Path:
    """Write a page; the same values give the same bytes.

    Args:
        path: of the page.
        template: its name in ``reports/page/``.
        values: for the template; every text in them is shown as text.
        data: JSON value for the scripts.
    """
    scripts = [asset(name) for name in SCRIPTS]
    if data.get("charts"):
        from workbench.reports.charts import SCRIPT

        scripts.insert(0, SCRIPT.read_text(encoding="utf-8"))
    page = _environment().get_template(template)
    text = page.render(
        **values,
        style=asset("page.css"),
        policy=policy(scripts),
        scripts=scripts,
        data=script_json(data),
    )
    write_text(path, text)
    return path


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
    text = json.dumps(_printable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


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
