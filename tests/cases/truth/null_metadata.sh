#!/bin/bash
# A safetensors file as MLX itself writes it (mx.save_safetensors / Module.save_weights without metadata) must be read. exit 0: the product reads it.
# slow
D=$(mktemp -d); cd "$D"; trap 'rm -rf "$D"' EXIT
"$PY" - <<'P'
import sys, struct, json, subprocess, tempfile, shutil
from pathlib import Path
import mlx.core as mx, mlx.nn as nn
d = Path(tempfile.mkdtemp()); nn.Linear(4, 4).save_weights(str(d / "w.safetensors"))
b = (d / "w.safetensors").read_bytes(); n = struct.unpack("<Q", b[:8])[0]; print("header:", b[8:8 + n][:60])
print("mx.load:", sorted(mx.load(str(d / "w.safetensors")))); from safetensors import safe_open
with safe_open(str(d / "w.safetensors"), "np") as f: print("safetensors:", sorted(f.keys()), f.metadata())
# a whole model: the product's own generated one, its weights written again by MLX
wb = "workbench"; subprocess.run([wb, "models", "init", str(d / "m"), "--kind", "stt"], check=True, capture_output=True)
w = next(p for p in (d / "m").glob("*.safetensors") if "mimi" not in p.name); t = mx.load(str(w))
print("before:", subprocess.run([wb, "models", "check", str(d / "m")], capture_output=True, text=True).returncode)
mx.save_safetensors(str(w), {k: v + 0 for k, v in t.items()}); p = subprocess.run([wb, "models", "check", str(d / "m")], capture_output=True, text=True)
print("after MLX wrote the same tensors:", p.returncode, (p.stdout + p.stderr).strip().splitlines()[-1]); shutil.rmtree(d); sys.exit(p.returncode)
P
