"""Action and output of ``workbench cache``."""

import json

import click

from workbench.cache import Store, default_folder


def show_cache(clear: bool, clear_profiles: bool, as_json: bool) -> None:
    """Print the size of the cache, or clear it; delete the step costs measured on this machine."""
    forgotten: list[str] = []
    if clear_profiles:
        from workbench.replay.profiles import forget_profiles

        forgotten = forget_profiles()
    store = Store(default_folder())
    gone = store.clear() if clear else 0
    usage = store.usage()
    store.close()
    if as_json:
        fields = {"folder": str(usage.folder), "entries": usage.entries, "bytes": usage.bytes, "limit": usage.limit}
        click.echo(json.dumps(fields | {"cleared": gone, "cleared_profiles": forgotten}))
    elif clear or clear_profiles:
        if clear:
            click.echo(f"cleared {gone} entries from {usage.folder}")
        if clear_profiles:
            click.echo(f"cleared the step costs {', '.join(forgotten)}" if forgotten else "no step costs to clear")
    else:
        share = f"{usage.bytes / 2**20:.1f} of {usage.limit / 2**20:.0f} MiB"
        click.echo(f"{usage.folder}: {usage.entries} entries, {share}")
