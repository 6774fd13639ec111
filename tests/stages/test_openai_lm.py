"""The language model behind a real HTTP server on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workbench.cache import Store
from workbench.errors import WorkbenchError
from workbench.stages.lm import CachedLm, CannedLm, open_lm
from workbench.stages.openai_lm import EndpointLm, RecordedLm, RecordedReply, costs_ms, read_replies


def event(piece):
    return "data: " + json.dumps({"choices": [{"delta": {"content": piece}}]})


class Server(ThreadingHTTPServer):
    """Answers every request with ``lines``; keeps what was asked."""

    daemon_threads = True

    def __init__(self):
        self.asked, self.status = [], 200
        self.before_last = lambda: None
        self.lines = [': ping', 'data: {"choices": [{"delta": {"role": "assistant"}}]}', event("It"), event(" is"),
                      event(" nine."), 'data: {"choices": []}', "data: [DONE]"]  # fmt: skip

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.asked.append((handler.path, json.loads(body)))
                handler.send_response(self.status)
                handler.end_headers()
                for line in self.lines:
                    if line == event(" is"):
                        self.before_last()
                    handler.wfile.write(line.encode() + b"\n\n")
                    handler.wfile.flush()

            def log_message(handler, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=lambda: self.serve_forever(0.05), daemon=True).start()

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


def test_streams_a_reply(server, tmp_path):
    lm = EndpointLm(server.url, tmp_path / "a" / "replies.jsonl")
    assert list(lm.reply(HISTORY)) == ["It", " is", " nine."]
    [reply] = read_replies(tmp_path / "a" / "replies.jsonl")
    assert (reply.history, reply.tokens) == (HISTORY, ("It", " is", " nine."))
    assert list(reply.times_ms) == sorted(reply.times_ms)
    [(path, body)] = server.asked
    assert path == "/v1/chat/completions"
    assert body["model"] == "small"
    assert body["stream"] is True
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["messages"][-1]["content"] == "What time is it?"


def test_pieces_come_while_the_server_still_writes(server):
    written = threading.Event()
    server.before_last = lambda: written.wait(10)
    stream = EndpointLm(server.url).reply(HISTORY)
    assert next(stream) == "It"
    assert not written.is_set()
    written.set()
    assert list(stream) == [" is", " nine."]


def test_a_replay_asks_once_and_a_recording_needs_no_server(server, tmp_path):
    kept, store = tmp_path / "replies.jsonl", Store(None)
    lm = EndpointLm(server.url, kept)
    first = CachedLm(lm, store).reply(HISTORY, 0)
    server.lines = [event("Something else")]
    assert CachedLm(lm, store).reply(HISTORY, 0) == first
    assert len(server.asked) == 1
    assert CachedLm(lm, store).reply(("Bye",), 1) == ("Something else",)
    server.shutdown()
    recorded = open_lm(f"recorded:{kept}")
    assert tuple(recorded.reply(HISTORY)) == first
    assert list(recorded.reply(("Bye",))) == ["Something else"]
    assert list(recorded.reply(("Good bye",))) == ["Something else"]  # not in the file: the reply at that turn
    assert list(recorded.reply(("a", "b", "c", "d", "e"))) == ["Something else"]  # beyond the file: the last


def test_costs_of_replies(server, tmp_path):
    kept = tmp_path / "replies.jsonl"
    list(EndpointLm(server.url, kept).reply(HISTORY))
    costs = costs_ms(read_replies(kept))
    assert (len(costs["lm_first"]), len(costs["lm_token"])) == (1, 2)
    assert all(c >= 0 for c in costs["lm_token"])


def refused(work):
    with pytest.raises(WorkbenchError) as error:
        work()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_server_that_is_not_there():
    assert "no language model answers there" in refused(
        lambda: list(EndpointLm("http://127.0.0.1:9/v1").reply(HISTORY))
    )


def test_a_server_that_refuses(server):
    server.status, server.lines = 404, ["model not found"]
    assert "answered 404 Not Found: model not found" in refused(lambda: list(EndpointLm(server.url).reply(HISTORY)))


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
    assert said in refused(lambda: list(EndpointLm(server.url).reply(HISTORY)))


def test_specs(tmp_path):
    assert isinstance(open_lm("canned"), CannedLm)
    assert "must be canned, recorded:FILE, mlx-lm:DIRECTORY or http" in refused(lambda: open_lm("cloud"))
    assert "cannot be read" in refused(lambda: open_lm(f"recorded:{tmp_path / 'none'}"))
    (tmp_path / "bad").write_text('{"history": ["a"], "tokens": ["b"], "times_ms": []}\n')
    assert "bad, line 1: must be a reply" in refused(lambda: open_lm(f"recorded:{tmp_path / 'bad'}"))
    (tmp_path / "empty").touch()
    assert "is empty" in refused(lambda: open_lm(f"recorded:{tmp_path / 'empty'}"))
    assert "must be like http://" in refused(lambda: EndpointLm("ftp://x"))


def test_recorded_is_named_by_what_it_says():
    a, b = (RecordedReply(HISTORY, (text,), (1.0,)) for text in ("Yes.", "No."))
    assert RecordedLm([a]).fingerprint == RecordedLm([a]).fingerprint != RecordedLm([b]).fingerprint
