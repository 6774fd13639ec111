"""Action and output of ``workbench dashboard``."""

import socket
from threading import Thread
from wsgiref.simple_server import make_server

import click

from workbench.cli.actions.studies import url_here
from workbench.errors import WorkbenchError, install, printable
from workbench.tuning.spec import STUDIES, read_spec
from workbench.tuning.storage import answering, open_storage
from workbench.tuning.study import load as load_study


def run_dashboard(name: str, storage: str | None, host: str, port: int) -> None:
    """Serve optuna-dashboard until it is stopped."""
    url = url_here(read_spec(STUDIES / name)) if storage is None else storage
    try:
        import optuna_dashboard
    except ImportError:
        raise WorkbenchError(f"the dashboard needs a package; {install('dashboard')}") from None
    with answering(url):
        backend = open_storage(url, existing=True)
        load_study(name, backend)
    _check_free(host, port)
    click.echo(printable(f"http://{host}:{port}/ shows study {name}; Ctrl-C stops"))
    with make_server(host, port, optuna_dashboard.wsgi(backend)) as server:
        # In a thread of its own: inside a request wsgiref would take Ctrl-C for a failure of that request, and go on.
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        serving.join()


def _check_free(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise WorkbenchError(f"cannot listen on {host}:{port} ({why}); choose others with --host and --port") from None
