#!/usr/bin/env bash
# The incident that scripts/play-stack.sh plays through the real programs; here it is a test.
set -euo pipefail
script=$(dirname "${BASH_SOURCE[0]}")/../../scripts/play-stack.sh
code=0
"$script" --nonsense 2>/dev/null || code=$?
[ "$code" -eq 2 ] || { printf 'FAILED: an unknown option is exit code %d instead of 2\n' "$code" >&2 && exit 1; }
exec "$script"
