"""Pulling models from a local hub that serves the files public sources name for each repository, and no others."""

import hashlib
import http.server
import json
import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.moshi import scaled_models
from tests.moshi.scaled_models import build, config, facts, file_name
from workbench.cli import cli
from workbench.errors import WorkbenchError
from workbench.moshi import repository
from workbench.moshi.hub import KNOWN, VOICE_REPO, pull


def run(*arguments):
    """Exit code and output; a WorkbenchError is code 2 and its one line."""
    try:
        result = CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)
    except WorkbenchError as error:
        return 2, str(error)
    return result.return_value or 0, result.output


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as hf_hub_download needs: path → file, or the bytes of one."""

    files = {}  # noqa: RUF012

    def do_HEAD(self):
        found = self.files.get(self.path)
        self.send_response(404 if found is None else 200)
        if found is None:
            known = any(path.startswith(self.path.split("/resolve/")[0] + "/") for path in self.files)
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
        size = found.stat().st_size if isinstance(found, Path) else len(found or b"")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(f"{self.path} {size}".encode()).hexdigest()}"')
        self.send_header("Content-Length", str(size))
        self.end_headers()
        return found

    def do_GET(self):
        found = self.do_HEAD()
        if isinstance(found, Path):
            with found.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)
        elif found:
            self.wfile.write(found)

    def log_message(self, *args):
        pass


def url(repo, name):
    return f"/{repo}/resolve/main/{name}".replace("@", "%40")


@pytest.fixture
def hub(monkeypatch):
    """``hub(repo, folder, names)`` serves files of a folder; with bytes in place of a folder, one file of them."""
    monkeypatch.setattr(Hub, "files", {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")

    def serve(repo, content, names):
        for name in names:
            Hub.files[url(repo, name)] = content if isinstance(content, bytes) else content / name

    yield serve
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def small_codec(tmp_path_factory):
    return scaled_models.small_mimi(tmp_path_factory.mktemp("small"))


PUBLISHED = {
    "stt-1b": "stt-1b-en_fr-candle",
    "stt-1b-mlx": "stt-1b-en_fr-mlx",
    "stt-2.6b": "stt-2.6b-en-mlx",
    "tts-1.6b": "tts-1.6b-en_fr",
    "moshiko-q4": "moshiko-mlx-q4",
    "moshiko-q8": "moshiko-mlx-q8",
    "moshika-q4": "moshiko-mlx-q4",
    "moshika-q8": "moshiko-mlx-q8",
}
"""Name of ``models list`` → configuration. Moshika is Moshiko with another voice."""


def listed(name):
    """Files that public sources name for a repository; where none are known, those its config.json names."""
    c = config(name)
    named = {"config.json", *(file_name(c, key) for key in repository.FALLBACKS)}
    return facts(name).get("files") or sorted(named | {"README.md"})


def test_every_listed_name_has_a_configuration():
    assert set(PUBLISHED) == set(KNOWN)


@pytest.mark.parametrize(("short", "name"), PUBLISHED.items())
def test_every_listed_name_is_pulled_and_passes_check(short, name, hub, small_codec, tmp_path, monkeypatch):
    source, names = tmp_path / "source", listed(name)
    cut = build(source, name, small_codec)
    if "config.json" not in names:
        # What moshi_mlx falls back to has 7 billion weights; here it is scaled down as the weights are.
        monkeypatch.setattr(repository, "published", lambda kind: cut)
        (source / "config.json").unlink()
        (source / ".gitattributes").touch()
    (source / "README.md").write_text("not to be pulled")
    hub(KNOWN[short].repo, source, names)
    target = tmp_path / "target"
    target.mkdir()
    # The small codec is described by a file of ours, which no repository has.
    shutil.copy(small_codec / "mimi_config.json", target)
    code, out = run("models", "pull", short, target)
    assert code == 0, out
    assert "ok   " in out
    pulled = {p.name for p in target.iterdir() if p.is_file()} - {"mimi_config.json"}
    assert pulled == set(names) - {"README.md", ".gitattributes"}
    for file in pulled:
        assert (target / file).read_bytes() == (source / file).read_bytes()
    assert run("models", "check", target)[0] == 0
    assert str(target) in run("models", "list", tmp_path)[1]


def test_a_voice_is_pulled_with_its_model(hub, tmp_path):
    c, voice = config("tts-1.6b-en_fr"), "expresso/happy.wav.1e68beda@240.safetensors"
    hub(KNOWN["tts-1.6b"].repo, b"x", listed("tts-1.6b-en_fr"))
    hub(KNOWN["tts-1.6b"].repo, json.dumps(c).encode(), ["config.json"])
    hub(VOICE_REPO, b"y", [voice])
    files = list(pull("tts-1.6b", tmp_path / "target", voices=("expresso/happy.wav",)))
    assert files[-1] == tmp_path / "target/voices" / voice
    assert files[-1].read_bytes() == b"y"
    assert c["moshi_name"] in {p.name for p in files}


def test_pull_mistakes(hub, small_codec, tmp_path, monkeypatch):
    build(tmp_path / "source", "stt-1b-en_fr-candle", small_codec)
    hub(KNOWN["stt-1b"].repo, tmp_path / "source", ["config.json"])
    assert "not a known model" in run("models", "pull", "whisper", tmp_path)[1]
    assert "nobody/none: no such repository" in run("models", "pull", "nobody/none", tmp_path)[1]
    code, said = run("models", "pull", "stt-1b", tmp_path / "half")
    assert code == 2
    assert "has no file model.safetensors or model.q8.safetensors or model.q4.safetensors" in said
    hub("kyutai/moshiko-mlx-q4", b"x", ["README.md"])
    assert "holds the config.json of another model" in run("models", "pull", "moshiko-q4", tmp_path / "half")[1]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    code, said = run("models", "pull", "stt-2.6b", tmp_path / "off")
    assert code == 2
    assert "the hub cannot be reached and" in said


def test_a_pulled_model_that_is_bad_is_exit_code_1(hub, small_codec, tmp_path):
    build(tmp_path / "source", "stt-1b-en_fr-candle", small_codec)
    weights = tmp_path / "source/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    hub(KNOWN["stt-1b"].repo, tmp_path / "source", listed("stt-1b-en_fr-candle"))
    shutil.copytree(small_codec, tmp_path / "target", ignore=lambda _, names: set(names) - {"mimi_config.json"})
    code, out = run("models", "pull", "stt-1b", tmp_path / "target")
    assert code == 1
    assert "bad  " in out
    assert "1 bytes are missing" in out


OUTSIDE = ["../x.py", "/tmp/x.py", "a/../../x.py", "..", ".", "", "a/", "a\\..\\x.py", "a\x1b[2J", 3, ["x"], True]


@pytest.mark.parametrize("key", ["moshi_name", "mimi_name", "tokenizer_name"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_repository_names_no_file_outside_the_folder(key, name, hub, tmp_path):
    names = {"moshi_name": "m.safetensors", "mimi_name": "c.safetensors", "tokenizer_name": "t.model"} | {key: name}
    hub("evil/repo", json.dumps(names).encode(), ["config.json"])
    # The client turns main/../x.py into x.py: whatever is asked for is there.
    hub("evil/repo", b"code", ["m.safetensors", "c.safetensors", "t.model", "../x.py", "a/../../x.py", "/tmp/x.py"])
    Hub.files["/evil/repo/resolve/x.py"] = b"code"
    (tmp_path / "x.py").write_text("ours")
    code, said = run("models", "pull", "evil/repo", tmp_path / "target")
    assert code == 2
    assert f"config.json: {key} must" in said
    assert said.isprintable()
    assert (tmp_path / "x.py").read_text() == "ours"
    assert {p.name for p in tmp_path.iterdir()} == {"x.py", "target"}


@pytest.mark.parametrize("sig", ["/../../../x", "a/b/../../../../y"])
def test_a_voice_leaves_the_folder_neither(sig, hub, tmp_path):
    hub("evil/repo", json.dumps({"model_id": {"sig": sig, "epoch": 1}}).encode(), ["config.json"])
    code, said = run("models", "pull", "evil/repo", tmp_path / "target", "--voice", "v")
    assert code == 2
    assert "must name a file inside the model directory" in said
