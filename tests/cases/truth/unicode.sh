#!/bin/bash
# The same word in composed and decomposed Unicode is no word error. exit 0: none.
D=$(mktemp -d); cd "$D"; trap 'rm -rf "$D"' EXIT
"$PY" - <<'P'
import unicodedata, sys
from workbench.metrics.word_errors import word_errors
pairs = [(unicodedata.normalize("NFD", w), w) for w in ("état", "naïve", "garçon")]; print(word_errors(pairs)); sys.exit(any(e for _, e in word_errors(pairs)))
P
