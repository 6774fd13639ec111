"""Charts in the cache: bokeh, which takes longer to load than a page to write, is loaded for new ones only."""

import json
from collections.abc import Callable
from functools import lru_cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec

from workbench.cache import Store, code_version, default_folder, key_of

Chart = dict[str, Any]
"""A chart as JSON, as bokeh's script takes it."""

Drawn = ParamSpec("Drawn")


@lru_cache(maxsize=1)
def _store(folder: Path) -> Store:
    """Opened once for all charts of a process: opening and closing take longer than reading one."""
    return Store(folder)


def kept_chart(draw: Callable[Drawn, Chart]) -> Callable[Drawn, Chart]:
    """A function whose charts are kept in the cache, under what it draws and what draws it."""

    @wraps(draw)
    def chart(*given: Drawn.args, **named: Drawn.kwargs) -> Chart:
        store = _store(default_folder())
        key = key_of("chart", code_version(), version("bokeh"), draw.__name__, repr((given, named)))
        found = store.get(key, json.loads)
        if found is None:
            found = draw(*given, **named)
            store.put(key, found, lambda value: json.dumps(value).encode())
        return dict(found)

    return chart
