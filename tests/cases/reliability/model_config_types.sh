#!/bin/bash
# slow
# config.json of a model with a wrong type or a zero: a line with `bad`, exit 1, no traceback.
. "$(dirname "$(readlink -f "$0")")/common.sh"
r=0; wb models init m --kind stt >/dev/null; wb models init t --kind tts >/dev/null; cp m/config.json k; cp t/config.json kt
for e in 'd["num_heads"]=0' 'd["num_layers"]=1.5' 'd["dep_q"]=1.5' 'd["extra_heads_num_heads"]="x"'; do $PY -c "import json; d=json.load(open('k')); $e; json.dump(d,open('m/config.json','w'))"; wb models check m >.o 2>.e; echo "$e: rc=$? $(tail -1 .e)"; grep -q Traceback .e && r=1; done
for e in 'd["conditioners"]=3' 'd["conditioners"]["control"]={}' 'd["depformer_weights_per_step_schedule"]="x"'; do $PY -c "import json; d=json.load(open('kt')); $e; json.dump(d,open('t/config.json','w'))"; wb models check t >.o 2>.e; echo "$e: rc=$? $(tail -1 .e)"; grep -q Traceback .e && r=1; done; exit $r
