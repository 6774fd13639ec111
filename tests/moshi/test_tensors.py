"""safetensors headers: what MLX reads rightly is taken; what it reads wrongly without a word, or crashes on, is not."""

import json
import struct

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open

from workbench.errors import WorkbenchError
from workbench.moshi import checkpoint
from workbench.moshi.checkpoint import find
from workbench.moshi.generate import Recipe, init
from workbench.moshi.model import load
from workbench.moshi.tensors import find_not_finite, read_header, save

DATA = np.arange(1, 9, dtype="<f4").tobytes()


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)} | more


def write(path, header, data=DATA):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


READ = {
    "as MLX writes it": ({"__metadata__": None, "a": entry()}, DATA[:8]),
    "metadata": ({"__metadata__": {"x": "y"}, "a": entry()}, DATA[:8]),
    "metadata that is no object": ({"__metadata__": ["x"], "a": entry()}, DATA[:8]),
    "bytes that belong to no tensor": ({"a": entry(), "b": entry(offsets=(12, 20))}, DATA[:20]),
    "bytes before the first tensor": ({"a": entry(offsets=(4, 12))}, DATA[:12]),
    "bytes behind the last tensor": ({"a": entry()}, DATA),
    "names in another order than data": ({"a": entry(offsets=(8, 16)), "b": entry()}, DATA[:16]),
    "an empty tensor": ({"a": entry(shape=(0,), offsets=(0, 0)), "b": entry()}, DATA[:8]),
    "a number": ({"a": entry(shape=(), offsets=(0, 4))}, DATA[:4]),
    "a further key of a tensor": ({"a": entry(more=1)}, DATA[:8]),
    "no tensor": ({}, b""),
}


@pytest.mark.parametrize("name", READ)
def test_what_mlx_reads_rightly_is_read(name, tmp_path):
    header, data = READ[name]
    path = write(tmp_path / "x.safetensors", header, data)
    found, loaded = read_header(path), mx.load(str(path))
    assert found.shapes == {n: v.shape for n, v in loaded.items()}
    for tensor, value in loaded.items():
        raw = path.read_bytes()[found.starts[tensor] :][: found.bytes_of(tensor)]
        assert np.frombuffer(raw, "<f4").tolist() == np.array(value).reshape(-1).tolist()


REFUSED = {
    "tensors a and b lie on the same bytes": ({"a": entry(), "b": entry(offsets=(4, 12))}, DATA[:16]),
    "tensors b and a lie on the same": ({"a": entry(offsets=(4, 8), shape=(1,)), "b": entry()}, DATA[:12]),
    "truncated, 4 bytes are missing": ({"a": entry()}, DATA[:4]),
    "tensor a ends 8 bytes past the end": ({"a": entry(offsets=(8, 16))}, DATA[:8]),
    "has 4 bytes by its data_offsets, 8 by": ({"a": entry(offsets=(0, 4))}, DATA[:8]),
    "has -8 bytes by its data_offsets": ({"a": entry(offsets=(8, 0))}, DATA[:8]),
    "data_offsets that are not two positions": ({"a": entry(offsets=(-8, 0))}, DATA[:8]),
    "has data_offsets that are not two": ({"a": entry(offsets=(0, 8, 9))}, DATA[:8]),
    "has data_offsets that are": ({"a": entry(offsets="ab")}, DATA[:8]),
    "a shape that is no list of sizes": ({"a": entry(shape=(-2,))}, DATA[:8]),
    "has a shape that is no list": ({"a": entry(shape=(2.0,))}, DATA[:8]),
    "has a shape that is no": ({"a": entry(shape=(True, 2))}, DATA[:8]),
    "unknown dtype XX": ({"a": entry("XX")}, DATA[:8]),
    "has the unknown dtype": ({"a": entry(["F32"])}, DATA[:8]),
    "__metadata__ holds a value that is no string": ({"__metadata__": {"x": 1}, "a": entry()}, DATA[:8]),
    "its header is not readable": ({"a": 3}, DATA[:8]),
    "(its header is not readable)": ([], b""),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_gives_wrong_weights_silently_is_refused(said, tmp_path):
    """The safetensors package refuses all of these too; MLX reads some, and crashes on others."""
    header, data = REFUSED[said]
    path = write(tmp_path / "x.safetensors", header, data)
    with pytest.raises(WorkbenchError) as error:
        read_header(path)
    assert said in str(error.value)
    with pytest.raises(SafetensorError), safe_open(str(path), "numpy"):
        pass


@given(st.lists(st.tuples(st.integers(-1, 20), st.integers(-1, 20), st.integers(0, 5)), max_size=4))
def test_every_file_safetensors_takes_is_taken(tmp_path_factory, spans):
    """And what is taken has every tensor inside the file and in no other's place."""
    path = tmp_path_factory.mktemp("x") / "x.safetensors"
    write(path, {str(i): entry("U8", (n,), (a, b)) for i, (a, b, n) in enumerate(spans)}, bytes(range(16)))
    try:
        with safe_open(str(path), "numpy"):
            strict = True
    except SafetensorError:
        strict = False
    try:
        found = read_header(path)
    except WorkbenchError:
        assert not strict
        return
    first = path.stat().st_size - 16
    used = [i for n in found.shapes for i in range(found.starts[n], found.starts[n] + found.bytes_of(n))]
    assert len(used) == len(set(used))
    assert all(first <= i < first + 16 for i in used)


def test_data_offsets_are_checked_in_whichever_file(zoo, tmp_path):
    """Overlapping tensors in the language model's file or the codec's: named, not replayed."""
    for key in ("moshi_name", "mimi_name"):
        root = tmp_path / key
        init(root, Recipe("stt"))
        path = root / json.loads((root / "config.json").read_text())[key]
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        one, two = [n for n in header if header[n]["shape"] == header[min(header)]["shape"]][:2]
        header[two]["data_offsets"] = header[one]["data_offsets"]
        write(path, header, raw[8 + length :])
        with pytest.raises(WorkbenchError, match=f"tensors {one} and {two} lie on the same bytes"):
            checkpoint.check(find(root))


@pytest.mark.parametrize("dtype", ["F16", "F32", "BF16", "F64"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_found(dtype, value, tmp_path):
    size = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}[dtype]
    kind = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}.get(dtype)
    largest = np.finfo(kind).max if kind else None
    good = np.full(1000, -largest, kind) if kind else np.full(1000, 0xFF7F, "<u2")
    bad = good.copy()
    bad[999] = value if kind else np.array([value], "<f4").view("<u4")[0] >> 16
    header = {"a": entry(dtype, (1000,), (0, 1000 * size)), "b": entry(dtype, (1000,), (1000 * size, 2000 * size))}
    path = write(tmp_path / "x.safetensors", header, good.tobytes() + bad.tobytes())
    found = read_header(path)
    assert find_not_finite(path, found, ["a"]) is None
    assert find_not_finite(path, found, ["a", "b"]) == "b"


def test_a_value_behind_a_hole_of_the_file_is_found(tmp_path):
    path = tmp_path / "x.safetensors"
    size = 64 << 20
    write(path, {"x": entry("F32", (size // 4,), (0, size))}, b"")
    with path.open("r+b") as file:
        start = file.seek(0, 2)
        file.truncate(start + size)
    assert find_not_finite(path, read_header(path), ["x"]) is None
    with path.open("r+b") as file:
        file.seek(start + size // 2 + 4)
        file.write(np.array([np.nan], "<f4").tobytes())
    assert find_not_finite(path, read_header(path), ["x"]) == "x"


def test_weights_that_are_not_finite_are_named(tmp_path, capsys):
    """moshi_mlx loads them, so they are no refusal: `models check` and every run say it."""
    root = tmp_path / "stt"
    init(root, Recipe("stt"))
    path = root / "mimi-generated.safetensors"
    tensors = {n: np.array(v) for n, v in mx.load(str(path)).items()}
    tensors["decoder.model.0.conv.conv.bias"][3] = np.inf
    save(path, tensors)
    (note,) = (line for line in checkpoint.check(find(root)) if line.startswith("note"))
    assert "mimi-generated.safetensors: tensor decoder.model.0.conv.conv.bias holds values that are not finite" in note
    load(find(root), "stt")
    assert "note: " in capsys.readouterr().err
