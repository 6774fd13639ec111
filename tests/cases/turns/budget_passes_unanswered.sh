#!/usr/bin/env bash
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
# A cough while the agent thinks takes the only answer away (livekit/agents#1229). No turn was answered: a budget that
# limits missed turns and false barge-ins must not pass.
"$PY" -c 'from mk import *; write("one.wav", 14, [(1, 2, .08), (3.2, 3.6, .1)]); labels("one.csv", [(1, 2, "speech", 1, "what time is it"), (3.2, 3.6, "noise", "", "cough")])'
workbench import one.wav --labels one.csv --name one --source constructed >/dev/null || exit 3
workbench replay one --stack scripted --step-costs fixed --set lm_ttft_ms=2000 --set barge_in=true --budget $CFG/budget.toml --out out >log 2>&1; RC=$?
A=$("$PY" -c 'import json; s=json.load(open("out/scores.json"))["scores"]; print(s["turns_answered_n"], "of", s["turns_n"], "turns answered, false_bargein_per_agent_hour", s["false_bargein_per_agent_hour"], "missed_eot_rate", s["missed_eot_rate"])')
[ $RC = 1 ] && { echo "OK budget not kept: $A"; exit 0; }
case "$A" in "1 of 1"*) echo "OK $A"; exit 0;; esac
echo "FAIL the budget passes (rc $RC) with $A"; exit 1
