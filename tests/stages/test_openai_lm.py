"""The language model behind a real HTTP server on this machine."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workbench.cache import Store
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.stages.lm import CachedLm, CannedLm, open_lm
from workbench.stages.openai_lm import EndpointLm
from workbench.stages.recorded_lm import RecordedLm, RecordedReply, read_replies


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
                self.headers = handler.headers
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
    server.lines = [event("Something else"), "data: [DONE]"]
    assert CachedLm(lm, store).reply(HISTORY, 0) == first
    assert len(server.asked) == 1
    assert CachedLm(lm, store).reply(("Bye",), 1) == ("Something else",)
    server.shutdown()
    recorded = open_lm(f"recorded:{kept}")
    assert tuple(recorded.reply(HISTORY)) == first
    assert list(recorded.reply(("Bye",))) == ["Something else"]
    assert list(recorded.reply(("Good bye",))) == ["Something else"]  # not in the file: the reply at that turn
    assert list(recorded.reply(("a", "b", "c", "d", "e"))) == ["Something else"]  # beyond the file: the last


def refused(work):
    with pytest.raises(WorkbenchError) as error:
        work()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_server_that_is_not_there():
    assert "no language model answers there" in refused(
        lambda: list(EndpointLm("http://127.0.0.1:9/v1").reply(HISTORY))
    )


def finish(reason, **delta):
    return "data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": reason}]})


def with_null(event):
    return event.replace('"choices"', '"error": null, "usage": null, "choices"')


DONE = "data: [DONE]"
THOUGHT = 'data: {"choices": [{"delta": {"reasoning_content": "hm", "content": null}}]}'

WHOLE = {
    "finish_reason without [DONE]": [event("It is"), event(" nine."), finish("stop")],
    "[DONE] without finish_reason": [event("It is"), event(" nine."), DONE],
    "delta null at the end": [event("It is nine."), finish("stop").replace("{}", "null"), DONE],
    "error null in each": [with_null(event("It is")), with_null(event(" nine.")), finish("stop"), DONE],
    "choices null": [event("It is nine."), 'data: {"choices": null, "usage": {}}', DONE],
    "content null first": [finish(None, role="assistant", content=None), event("It is nine."), DONE],
    "reasoning_content": [THOUGHT, THOUGHT, event("It is nine."), finish("stop"), DONE],
    "reasoning": [finish(None, reasoning="hm"), event("It is nine."), DONE],
    "thoughts in the text": [event("<think>Is it? </think>"), event("\n\n"), event("It is nine."), DONE],
    "thoughts in pieces": [event(p) for p in ("<th", "ink", ">h", " o</t", "hink", ">\n", " It", " is nine.")] + [DONE],
    "thinking, capital": [event("<THINKING>hm</Thinking>It is nine."), DONE],
    "no stream": [json.dumps({"choices": [{"message": {"content": "It is nine."}, "finish_reason": "stop"}]})],
    "no stream, spread out": json.dumps({"choices": [{"message": {"content": "It is nine."}}]}, indent=1).split("\n"),
    "comments and names": [": ping", "event: message", "id: 3", event("It is nine."), DONE, event(" Never said.")],
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_servers_send_is_taken_for_a_whole_reply(server, name):
    server.lines = WHOLE[name]
    assert "".join(EndpointLm(server.url).reply(HISTORY)) == "It is nine."


def test_what_only_looks_like_a_tag_is_said(server):
    server.lines = [event(p) for p in ("1 <", " 2, a <thin", "g> and <", "/", "b")] + [DONE]
    assert "".join(EndpointLm(server.url).reply(HISTORY)) == "1 < 2, a <thing> and </b"


REMARKS = {
    "cut off": ([event("It"), event(" is"), finish("length"), DONE], "It is", "cut off at max_tokens"),
    "cut off, no [DONE]": ([event("It is"), finish("length")], "It is", "finish_reason length"),
    "filtered": ([event("It is"), finish("content_filter"), DONE], "It is", "finish_reason content_filter"),
    "a tool": ([finish("tool_calls", tool_calls=[{}]), DONE], "", "said nothing; the language model asked for a tool"),
    "nothing": ([finish("stop"), DONE], "", "the language model said nothing"),
    "spaces": ([event("\n"), event("  "), finish("stop"), DONE], "\n  ", "the language model said nothing"),
    "only reasoning": ([THOUGHT, THOUGHT, finish("length"), DONE], "", "nothing but thoughts; the reply was"),
    "only <think>": ([event("<think>hm"), event(" no"), finish("length"), DONE], "", "nothing but thoughts; the"),
    "no beginning of thoughts": ([event("hm "), event("</think>"), event("Yes."), DONE], "hm Yes.", "were spoken"),
    "no stream, cut off": (
        [json.dumps({"choices": [{"message": {"content": "It is"}, "finish_reason": "length"}]})], "It is", "length"),
}  # fmt: skip


@pytest.mark.parametrize("name", REMARKS)
def test_what_the_lm_did_not_say_is_remarked_and_kept_so(server, tmp_path, name):
    server.lines, text, remark = REMARKS[name]
    record, store = tmp_path / "replies.jsonl", Store(None)
    lm = CachedLm(EndpointLm(server.url, record), store)
    assert "".join(lm.reply(HISTORY, 0)) == text
    assert remark in lm.last.remark
    [kept] = read_replies(record)
    assert (kept.tokens, kept.times_ms, kept.remark) == (lm.last.tokens, lm.last.times_ms, lm.last.remark)
    again = CachedLm(EndpointLm(server.url), store)
    again.reply(HISTORY, 0)
    assert again.last == lm.last
    assert len(server.asked) == 1
    recorded = CachedLm(open_lm(f"recorded:{record}"), Store(None))
    recorded.reply(HISTORY, 0)
    assert recorded.last == lm.last


@pytest.mark.parametrize(
    "lines",
    [[], [event("It"), event(" is")], [": ping"], [event("<think>hm")], [THOUGHT], [event("It"), ": ping"]],
)
def test_a_reply_that_breaks_off_is_refused_and_not_kept(server, tmp_path, lines):
    server.lines = lines
    store = Store(None)
    lm = CachedLm(EndpointLm(server.url, tmp_path / "replies.jsonl"), store)
    assert "broke off" in refused(lambda: lm.reply(HISTORY, 0))
    assert not (tmp_path / "replies.jsonl").exists()
    server.lines = [event("Yes."), DONE]
    assert lm.reply(HISTORY, 0) == ("Yes.",)


def test_a_reply_without_text_is_not_sent_back(server):
    server.lines = [event("Yes."), DONE]
    list(EndpointLm(server.url).reply(("Hello", "", "Hello?", " \n", "Are you there?")))
    [(_, body)] = server.asked
    said = [(m["role"], m["content"]) for m in body["messages"][1:]]
    assert said == [("user", "Hello\nHello?\nAre you there?")]


def test_a_model_may_answer_at_greater_length(server):
    assert list(EndpointLm(server.url + "&max_tokens=400").reply(HISTORY)) == ["It", " is", " nine."]
    [(_, body)] = server.asked
    assert (body["model"], body["max_tokens"]) == ("small", 400)


SECRET = "sk-very-secret"


def test_the_key_is_sent_and_appears_nowhere(server, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LM_KEY", SECRET)
    lm = EndpointLm(server.url, tmp_path / "replies.jsonl")
    list(lm.reply(HISTORY))
    assert server.headers["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in (tmp_path / "replies.jsonl").read_text()
    fingerprint = lm.fingerprint
    monkeypatch.delenv("WORKBENCH_LM_KEY")
    assert EndpointLm(server.url).fingerprint == fingerprint
    list(EndpointLm(server.url).reply(HISTORY))
    assert "Authorization" not in server.headers


def test_a_key_that_a_server_repeats_is_not_shown(server, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LM_KEY", SECRET)
    for status, lines in (
        (401, [f"wrong key {SECRET}"]),
        (200, [f'data: {{"error": {{"message": "key {SECRET} is wrong"}}}}']),
        (200, [f"data: oops {SECRET}"]),
    ):
        server.status, server.lines = status, lines
        said = refused(lambda: list(EndpointLm(server.url).reply(HISTORY)))
        assert "***" in said
        assert SECRET not in said
        assert status == 200 or "WORKBENCH_LM_KEY" in said


@pytest.mark.parametrize("key", ["two words", "a\nb", "schlüssel", "a\x00b", "a\x1bb"])
def test_a_key_that_cannot_be_sent_is_not_shown(server, monkeypatch, key):
    if "\x00" in key:
        monkeypatch.setattr("os.environ", {"WORKBENCH_LM_KEY": key})
    else:
        monkeypatch.setenv("WORKBENCH_LM_KEY", key)
    said = refused(lambda: list(EndpointLm(server.url).reply(HISTORY)))
    assert said == "WORKBENCH_LM_KEY: the key must be one word of ASCII characters"


@pytest.mark.parametrize(
    "url",
    ["http://me:pw1234@host/v1", "https://pw1234@host/v1#m", "http://host/v1?api_key=pw1234", "HTTP://a:pw1234@h"],
)
@pytest.mark.parametrize("stack", ["nano", "scripted", "moshi"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url, stack):
    said = refused(lambda: override(Config(), {"stack.name": stack, "lm": url}))
    assert "pw1234" not in said
    assert "WORKBENCH_LM_KEY" in said


@pytest.mark.parametrize(
    "url",
    ["http://h:99999/v1", "http://[::1/v1", "http:///v1", "http://h:x/v1", "http://h:0/v1"]
    + [f"http://h/v1#m&max_tokens={bound}" for bound in ("0", "x", "", "-1", "9" * 5000)],
)
def test_a_url_that_is_none_is_refused(url):
    assert "must be like http://" in refused(lambda: EndpointLm(url))


def test_a_host_that_cannot_be_is_refused():
    for url in ("http://" + "a" * 300 + "/v1", "http://a..b/v1", "http://no such host/v1", "http://h/v 1"):
        assert "no language model answers there" in refused(lambda url=url: list(EndpointLm(url).reply(HISTORY)))


def test_tokens_have_the_times_at_which_they_came(server):
    server.before_last = lambda: time.sleep(0.3)
    lm = CachedLm(EndpointLm(server.url), Store(None))
    lm.reply(HISTORY, 0)
    first, second, third = lm.last.times_ms
    assert 0 < first < 250
    assert 290 < second - first < 600
    assert third >= second
    assert lm.last.costs[1] == round(second * 24) - round(first * 24)
    assert sum(lm.last.costs) == round(third * 24)


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


def test_recorded_is_named_by_what_it_says_and_when():
    replies = [RecordedReply(HISTORY, (text,), (ms,)) for text in ("Yes.", "No.") for ms in (1.0, 2.0)]
    assert RecordedLm(replies[:1]).fingerprint == RecordedLm(replies[:1]).fingerprint
    assert len({RecordedLm([reply]).fingerprint for reply in replies}) == 4


@pytest.mark.parametrize(
    "row",
    [
        '{"history": ["a"], "tokens": ["b"], "times_ms": [NaN]}',
        '{"history": ["a"], "tokens": ["b"], "times_ms": [-1]}',
        '{"history": ["a"], "tokens": ["b"], "times_ms": [1e300]}',
        '{"history": ["a"], "tokens": ["b", "c"], "times_ms": [5, 4]}',
        '{"history": ["a"], "tokens": ["b"], "times_ms": [1' + "0" * 400 + "]}",
        '{"history": ["a"], "tokens": ["\\ud800"], "times_ms": [1]}',
        '{"history": ["a"], "tokens": ["b"], "times_ms": [1], "remark": 3}',
        '{"history": [3], "tokens": ["b"], "times_ms": [1]}',
        "[" * 100_000,
        "[1]",
    ],
)
def test_a_row_that_is_no_reply_is_named(tmp_path, row):
    good = '{"history": ["a"], "tokens": ["b"], "times_ms": [1]}'
    (tmp_path / "bad").write_text(f"{good}\n\n{row}\n")
    assert "bad, line 3: " in refused(lambda: open_lm(f"recorded:{tmp_path / 'bad'}"))
