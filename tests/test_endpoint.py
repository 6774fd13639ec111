"""The language model behind a real HTTP server on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workbench.errors import WorkbenchError
from workbench.stages.endpoint import EndpointLm, RecordedLm, costs_ms, read_replies
from workbench.stages.lm import CannedLm, open_lm


def event(piece):
    return "data: " + json.dumps({"choices": [{"delta": {"content": piece}}]})


class Server(ThreadingHTTPServer):
    """Answers every request with ``lines``; keeps what was asked."""

    daemon_threads = True

    def __init__(self):
        self.asked, self.status = [], 200
        self.lines = [': ping', 'data: {"choices": [{"delta": {"role": "assistant"}}]}', event("It"), event(" is"),
                      event(" nine."), 'data: {"choices": []}', "data: [DONE]"]  # fmt: skip

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.asked.append((handler.path, json.loads(body)))
                handler.send_response(self.status)
                handler.end_headers()
                for line in self.lines:
                    handler.wfile.write(line.encode() + b"\n\n")
                    handler.wfile.flush()

            def log_message(handler, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1#small"


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


HISTORY = ("Hello", "Hi.", "What time is it?")


def test_streams_a_reply(server):
    reply = EndpointLm(server.url).ask(HISTORY)
    assert reply.tokens == ("It", " is", " nine.")
    assert list(reply.times_ms) == sorted(reply.times_ms)
    [(path, body)] = server.asked
    assert path == "/v1/chat/completions"
    assert body["model"] == "small"
    assert body["stream"] is True
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["messages"][-1]["content"] == "What time is it?"


def test_a_kept_reply_is_not_asked_for_again(server, tmp_path):
    kept = tmp_path / "replies.jsonl"
    first = EndpointLm(server.url, kept).reply(HISTORY)
    server.lines = [event("Something else")]
    again = EndpointLm(server.url, kept)
    assert again.reply(HISTORY) == first
    assert len(server.asked) == 1
    assert again.reply(("Bye",)) == ("Something else",)
    recorded = open_lm(f"recorded:{kept}")
    server.shutdown()
    assert recorded.reply(HISTORY) == first
    assert recorded.reply(("Bye",)) == ("Something else",)
    assert recorded.reply(("Good bye",)) == ("Something else",)  # not in the file: the reply at that turn
    assert recorded.reply(("a", "b", "c", "d", "e")) == ("Something else",)  # beyond the file: the last


def test_costs_of_replies(server, tmp_path):
    kept = tmp_path / "replies.jsonl"
    EndpointLm(server.url, kept).reply(HISTORY)
    costs = costs_ms(read_replies(kept))
    assert (len(costs["lm_first"]), len(costs["lm_token"])) == (1, 2)
    assert all(c >= 0 for c in costs["lm_token"])


def refused(work):
    with pytest.raises(WorkbenchError) as error:
        work()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_server_that_is_not_there():
    assert "no language model answers there" in refused(lambda: EndpointLm("http://127.0.0.1:9/v1").reply(HISTORY))


def test_a_server_that_refuses(server):
    server.status, server.lines = 404, ["model not found"]
    assert "answered 404 Not Found: model not found" in refused(lambda: EndpointLm(server.url).reply(HISTORY))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("data: {oops", "no chat completion"),
        ("data: []", "no chat completion"),
        ('data: {"error": "too long"}', "too long"),
    ],
)
def test_a_server_that_sends_nonsense(server, line, said):
    server.lines = [line]
    assert said in refused(lambda: EndpointLm(server.url).reply(HISTORY))


def test_specs(tmp_path):
    assert isinstance(open_lm("canned"), CannedLm)
    assert "must be canned, recorded:FILE or http" in refused(lambda: open_lm("cloud"))
    assert "cannot be read" in refused(lambda: open_lm(f"recorded:{tmp_path / 'none'}"))
    (tmp_path / "bad").write_text('{"history": ["a"], "tokens": ["b"], "times_ms": []}\n')
    assert "bad, line 1: must be a reply" in refused(lambda: open_lm(f"recorded:{tmp_path / 'bad'}"))
    (tmp_path / "empty").touch()
    assert "is empty" in refused(lambda: open_lm(f"recorded:{tmp_path / 'empty'}"))
    assert "must be like http://" in refused(lambda: EndpointLm("ftp://x"))


def test_recorded_is_named_by_what_it_says(server, tmp_path):
    a = EndpointLm(server.url).ask(HISTORY)
    server.lines = [event("No.")]
    b = EndpointLm(server.url).ask(HISTORY)
    assert RecordedLm([a]).fingerprint != RecordedLm([b]).fingerprint
