#!/usr/bin/env bash
# Sets hems up in .venv of this checkout and starts what is asked for.
#
#   ./install.sh test          everything that the project's tests need, then the tests
#   ./install.sh demo [DAYS]   a simulated house, and its table of strategies (default: 7 days)
#
# No root is needed. Python packages come from requirements*.lock, with hashes.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '%s\n' "$*"; }
refuse() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            printf '%s' "$candidate"
            return
        fi
    done
    if command -v python3 >/dev/null 2>&1; then
        refuse "Python 3.11 or newer is needed, this is $(python3 --version 2>&1). Raspberry Pi OS Bookworm and later have it."
    fi
    refuse "Python is missing. Install it with: sudo apt-get install -y python3 python3-venv"
}

require_64_bit() {
    # A 64-bit kernel can run a 32-bit userland (Raspberry Pi OS does), so the interpreter decides. OR-Tools has no 32-bit build.
    "$1" -c 'import sys; sys.exit(sys.maxsize <= 2**32)' ||
        refuse "a 64-bit system is needed: the solver has no 32-bit build. Use the 64-bit Raspberry Pi OS."
}

require_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null ||
        refuse "the Python module venv is missing. Install it with: sudo apt-get install -y python3-venv"
}

set_up() {
    local lock=$1 python stamp
    python=$(find_python)
    require_64_bit "$python"
    require_venv "$python"
    # One environment serves test and demo: what the tests need contains what the product needs.
    stamp=$(cat "$lock" pyproject.toml | sha256sum | cut -d' ' -f1)
    [ -f ".venv/.$lock-$stamp" ] && return
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    say "Installing Python packages from $lock into .venv ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
    rm -f ".venv/.$lock-"*
    touch ".venv/.$lock-$stamp"
}

case "${1:-}" in
    test)
        set_up requirements-dev.lock
        shift
        exec ./.ci/check "$@"
        ;;
    demo)
        set_up requirements.lock
        exec .venv/bin/hems simulate config/examples/home_a.yaml --days "${2:-7}" --strategy rules,plan
        ;;
    *)
        sed -n '2,7s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
