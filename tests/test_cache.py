"""The store: bounded, shared by processes, never the reason for a wrong or a failed replay."""

import json
import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable
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


def test_keys_keep_parts_apart() -> None:
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
    with pytest.raises(WorkbenchError, match=r"store: the cache cannot be opened .* WORKBENCH_STORE"):
        Store(tmp_path / "store").get("a", json.loads)


def database(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "cache.db")


def drop_log(folder: Path) -> None:
    for name in ("cache.db-wal", "cache.db-shm"):
        (folder / name).unlink(missing_ok=True)


def write_garbage(folder: Path) -> None:
    (folder / "cache.db").write_bytes(b"garbage" * 1000)
    drop_log(folder)


def cut_in_half(folder: Path) -> None:
    data = (folder / "cache.db").read_bytes()
    (folder / "cache.db").write_bytes(data[: len(data) // 2 + 100])
    drop_log(folder)


def damage_pages(folder: Path) -> None:
    data = bytearray((folder / "cache.db").read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    (folder / "cache.db").write_bytes(data)
    drop_log(folder)


def drop_tables(folder: Path) -> None:
    with database(folder) as db:
        db.executescript("drop table Cache; create table Cache (other); drop table Settings;")


def spoil_settings(folder: Path) -> None:
    with database(folder) as db:
        db.execute("insert into Settings values ('disk_other', 'x')")


FAULTS = (write_garbage, cut_in_half, damage_pages, drop_tables, spoil_settings)


@pytest.mark.parametrize("damage", FAULTS)
def test_a_damaged_database_mends_itself(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "store"
    first = Store(folder)
    for number in range(50):
        first.put(key_of(number), "x" * 1000, encode)
    first.close()
    damage(folder)
    store = Store(folder)
    assert store.get(key_of(0), json.loads) in (None, "x" * 1000)
    store.put(key_of("new"), [1, 2], encode)
    store.get(key_of(1), json.loads)  # a page that is first read here may be the damaged one
    store.put(key_of("newer"), [3], encode)
    store.close()
    assert Store(folder).get(key_of("newer"), json.loads) == [3]


@pytest.mark.parametrize("damage", FAULTS)
def test_clearing_works_on_a_damaged_database(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "store"
    first = Store(folder)
    first.put("a", "x" * 100_000, encode)
    first.close()
    damage(folder)
    store = Store(folder)
    store.clear()
    assert store.usage().entries == 0
    assert not list(folder.rglob("*.val"))


def test_damage_of_an_open_database_is_mended(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for number in range(200):
        store.put(key_of(number), "x" * 1000, encode)
    damage_pages(tmp_path / "store")
    again = Store(tmp_path / "store")
    for number in range(200):
        again.get(key_of(number), json.loads)
        again.put(key_of(number), number, encode)
    again.close()
    assert Store(tmp_path / "store").get(key_of(199), json.loads) == 199


def test_clearing_leaves_files_of_others_alone(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mine.txt").write_text("mine")
    store = Store(tmp_path / "store")
    store.put("a", "x" * 100_000, encode)
    write_garbage(tmp_path / "store")
    store.clear()
    assert (tmp_path / "store" / "mine.txt").read_text() == "mine"


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("change", [flip, lambda data: data[:-1], lambda data: b"", lambda data: data[32:]])
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_damaged_value_is_missing(tmp_path: Path, size: int, change: Callable[[bytes], bytes]) -> None:
    folder = tmp_path / "store"
    first = Store(folder)
    first.put("a", "x" * size, encode)
    first.close()
    files = list(folder.rglob("*.val"))
    assert len(files) == (size > 1000)
    for file in files:
        file.write_bytes(change(file.read_bytes()))
    if not files:
        with database(folder) as db:
            [value] = db.execute("select value from Cache").fetchone()
            db.execute("update Cache set value = ?", (change(bytes(value)),))
    store = Store(folder)
    assert store.get("a", json.loads) is None
    store.put("a", "new", encode)
    store.close()
    assert Store(folder).get("a", json.loads) == "new"


def test_a_value_under_another_key_is_missing(tmp_path: Path) -> None:
    first = Store(tmp_path / "store")
    first.put("a", "x", encode)
    first.close()
    with database(tmp_path / "store") as db:
        db.execute("update Cache set key = 'b'")
    assert Store(tmp_path / "store").get("b", json.loads) is None


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("where", ["value", "file", "key"])
def test_a_pickle_in_the_database_is_not_loaded(tmp_path: Path, where: str) -> None:
    folder, mark = tmp_path / "store", tmp_path / "ran"
    first = Store(folder)
    first.put("a", "x", encode)
    first.close()
    payload = pickle.dumps(Payload(mark))
    (folder / "evil.val").write_bytes(payload)
    with database(folder) as db:
        if where == "value":
            db.execute("update Cache set mode = 4, filename = null, value = ?", (payload,))
        elif where == "file":
            db.execute("update Cache set mode = 4, filename = 'evil.val', value = null")
        else:
            db.execute("update Cache set key = ?, raw = 0", (payload,))
    store = Store(folder, limit=1)
    assert store.get("a", json.loads) is None
    store.put("b", "x" * 100_000, encode)  # old entries are culled
    store.clear()
    store.close()
    assert not mark.exists()


def test_a_path_in_the_database_does_not_leave_the_folder(tmp_path: Path) -> None:
    folder, other = tmp_path / "store", tmp_path / "other.txt"
    other.write_text("mine")
    first = Store(folder)
    first.put("a", "x", encode)
    first.close()
    with database(folder) as db:
        db.execute("update Cache set mode = 2, filename = '../other.txt', value = null")
    store = Store(folder)
    assert store.get("a", json.loads) is None
    assert store.clear() == 1
    assert other.read_text() == "mine"


def test_only_the_owner_can_read_the_folder(tmp_path: Path) -> None:
    Store(tmp_path / "new" / "store").put("a", 1, encode)
    assert (tmp_path / "new" / "store").stat().st_mode & 0o777 == 0o700
    (tmp_path / "old").mkdir(mode=0o755)
    Store(tmp_path / "old").put("a", 1, encode)
    (tmp_path / "old").chmod(0o755)
    Store(tmp_path / "old").get("a", json.loads)
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o700


def test_a_shared_folder_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared" / "mine.txt").touch()
    Store(tmp_path / "shared").put("a", 1, encode)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_where_it_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    monkeypatch.delenv("WORKBENCH_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "workbench" / "store"
