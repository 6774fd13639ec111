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
# Weights that are not quantised under a name that says .q8 (or the other way round): `models check` must see it, and
# nothing may end in a traceback.
"$PY" -c 'from mk import *; write("one.wav", 10, [(1, 2, .08)]); labels("one.csv", [(1, 2, "speech", 1, "what time is it")])'
workbench import one.wav --labels one.csv --name one --source constructed >/dev/null || exit 3
mkdir m; workbench models init m/stt --kind stt --size tiny >/dev/null 2>&1; workbench models init m/tts --kind tts --size tiny >/dev/null 2>&1
mv m/tts/model.safetensors m/tts/model.q8.safetensors; sed -i 's/"model.safetensors"/"model.q8.safetensors"/' m/tts/config.json
workbench models check m/tts >chk 2>&1; RC=$?
timeout 100 workbench replay one --stack moshi --models m --step-costs fixed --out out >log 2>&1; RC2=$?
[ $RC = 1 ] && ! grep -q Traceback log && { echo "OK $(head -1 chk)"; exit 0; }
echo "FAIL models check rc $RC ($(grep -o 'BF16.*' chk | tail -1)); replay rc $RC2: $(grep -E 'Error|error' log | head -1 | cut -c1-90)$(grep -c Traceback log) traceback"; exit 1
