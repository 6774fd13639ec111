"""The store: bounded, shared by processes, never the reason for a wrong or a failed replay."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cache import Store, default_folder, key_of
from workbench.errors import WorkbenchError


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def test_round_trip_in_memory_and_on_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert store.get("a", json.loads) is None
    store.put("a", [1, 2], encode)
    assert store.get("a", json.loads) == [1, 2]
    store.close()
    assert Store(tmp_path / "store").get("a", json.loads) == [1, 2]


def test_keys_tell_parts_apart() -> None:
    assert key_of("a", "bc") != key_of("ab", "c")
    assert key_of("a", None) != key_of("a", "null")
    assert key_of({"x": 1, "y": 2}) == key_of({"y": 2, "x": 1})


def test_old_entries_go_when_it_is_full(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", limit=1 << 20)
    for number in range(64):
        store.put(key_of(number), "x" * 100_000, encode)
    assert store.usage().bytes < 2 << 20
    again = Store(tmp_path / "store", limit=1 << 20)
    assert again.get(key_of(63), json.loads) == "x" * 100_000
    assert again.get(key_of(0), json.loads) is None


def test_clear_forgets_everything(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.put("a", 1, encode)
    assert store.clear() == 1
    assert store.get("a", json.loads) is None
    assert store.usage().entries == 0


def test_two_processes_at_once(tmp_path: Path) -> None:
    script = (
        "import sys, json; from pathlib import Path; from workbench.cache import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(200):\n"
        "    store.put(f'{sys.argv[2]}{n}', n, lambda v: json.dumps(v).encode())\n"
        "    store.put(f'both{n}', n, lambda v: json.dumps(v).encode())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "store")]
    root = Path(__file__).parent.parent
    writers = [subprocess.Popen([*command, name], cwd=root) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    store = Store(tmp_path / "store")
    for name in ("a", "b", "both"):
        assert [store.get(f"{name}{n}", json.loads) for n in range(200)] == list(range(200))


def test_a_folder_that_cannot_be_a_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(WorkbenchError, match=r"store: the store cannot be opened .* WORKBENCH_STORE"):
        Store(tmp_path / "store").get("a", json.loads)


def test_a_database_that_is_damaged_is_named(tmp_path: Path) -> None:
    Store(tmp_path / "store").put("a", 1, encode)
    (tmp_path / "store" / "cache.db").write_bytes(b"garbage" * 1000)
    for name in ("cache.db-wal", "cache.db-shm"):
        (tmp_path / "store" / name).unlink(missing_ok=True)
    with pytest.raises(WorkbenchError, match="cannot be opened"):
        Store(tmp_path / "store").get("b", json.loads)


def test_where_it_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    monkeypatch.delenv("WORKBENCH_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "workbench" / "store"
