#!/usr/bin/env bash
# slow
set -u
D=$(mktemp -d); cd "$D"; trap 'kill ${SP:-} 2>/dev/null; rm -rf "$D"' EXIT
PY=$(dirname "$(readlink -f "$(command -v workbench)")")/python; [ -x "$PY" ] || PY=python3
cat > mk.py <<'P'
import array, math, random, wave
R = 24000
def write(path, seconds, parts, floor=0.0005, seed=1):
    rnd = random.Random(seed); n = int(seconds * R); x = [rnd.gauss(0, floor) for _ in range(n)]
    for a, b, rms in parts:
        for i in range(round(a * R), min(n, round(b * R))):
            t = i / R; x[i] += rms * math.sqrt(2 / 3) * (math.sin(880 * t) + math.sin(1760 * t) + math.sin(4400 * t))
    w = wave.open(path, "wb"); w.setnchannels(1); w.setsampwidth(2); w.setframerate(R)
    w.writeframes(array.array("h", [max(-32768, min(32767, round(v * 32767))) for v in x]).tobytes()); w.close()
def labels(path, rows):
    with open(path, "w") as f:
        f.write("start,end,kind,turn,text\n")
        for s, e, k, t, x in rows: f.write(f"{s:.6f},{e:.6f},{k},{t},{x}\n")
P
CFG=$("$PY" -c 'import pathlib, workbench; print(pathlib.Path(workbench.__file__).parents[1] / "configs")')
TUNE="--stack scripted --config $CFG/baseline.toml --space $CFG/space.toml --budget $CFG/budget.toml"
# Digits with pauses 0.5 0.9 0.6 1.1 s (unmute#130): 720 ms of silence cuts into exactly one hold of four and loses three words.
"$PY" - <<'P'
from mk import *
t, parts, rows = 1.0, [], []
for w, gap in zip("five one nine two four".split(), (.5, .9, .6, 1.1, 0)):
    parts.append((t, t + .4, .1)); rows.append((t, t + .4, "speech", 1, w)); t += .4 + gap
write("one.wav", t + 12, parts); labels("one.csv", rows)
P
workbench import one.wav --labels one.csv --name one --source constructed >/dev/null || exit 3
workbench replay one --stack scripted --set barge_in=false --out out >log 2>&1
workbench tune one $TUNE --name t --trials 40 >log2 2>&1
"$PY" - <<'P'
import json, sys
d = json.load(open("out/scores.json")); ms = json.load(open("configs/t/moshi.json"))["stt_silence_ms"]
got = d["counts"]["cutin_per_hold"], d["scores"]["tail_clipped_ms_max"], d["scores"]["wer"], d["scores"]["endpoint_delay_ms_p50"]
ok = got == ([1, 4], 1200.0, .6, -3060.0) and ms >= 1100
print("OK" if ok else "FAIL", "cut-ins per hold, tail, wer, delay:", got, "tuned stt_silence_ms", ms); sys.exit(not ok)
P
