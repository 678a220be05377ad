#!/usr/bin/env bash
# Sets hems up and starts what is asked for.
#
#   sudo ./install.sh            the service on this machine: /opt/hems, /etc/hems, /var/lib/hems; again: an update
#   sudo ./install.sh uninstall  takes it away; configuration and data stay
#   ./install.sh test            everything that the project's tests need, in .venv, then the tests
#   ./install.sh demo ...        a simulated house with the real daemon and its page; options go to hems demo
#
# Only the service needs root. Python packages come from requirements*.lock, with hashes.
# HEMS_ROOT=FOLDER installs below a folder instead of /, without touching running services: for tests.
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

install_packages() {
    # What is downloaded is what was locked; building the product downloads nothing.
    local python=$1 lock=$2
    shift 2
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes -r "$lock"
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --no-deps --no-build-isolation --no-index "$@"
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
    install_packages .venv/bin/python "$lock" -e .
    rm -f ".venv/.$lock-"*
    touch ".venv/.$lock-$stamp"
}

root=${HEMS_ROOT:-}

require_root() {
    [ -n "$root" ] || [ "$(id -u)" = 0 ] || refuse "this needs root. Run it as: sudo ./install.sh ${1:-}"
}

require_own_link() {
    local link=$root/opt/hems
    [ -e "$link" ] || [ -L "$link" ] || return 0
    [[ $(readlink "$link") =~ ^(/opt/)?hems\.d/ ]] ||
        refuse "$link is there and was not made by this script. Nothing was changed; move it away first."
}

systemd_runs() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

install_service() {
    local python is_example before
    umask 022
    python=$(find_python)
    require_64_bit "$python"
    require_venv "$python"
    command -v systemd-sysusers >/dev/null 2>&1 || refuse "systemd is missing; this system cannot run the service."
    require_own_link
    before=$(readlink "$root/opt/hems" || true)

    # Not local: a failure ends the functions before the trap runs.
    fresh=$root/opt/hems.d/$(date -u +%Y%m%dT%H%M%SZ)-$$
    # Until the switch below nothing of an installed version is touched; a failure leaves no half one behind.
    trap 'rm -rf "$fresh" "$root/opt/.hems.new"' EXIT
    mkdir -p "$root/opt/hems.d"
    say "Building $fresh ..."
    "$python" -m venv "$fresh"
    install_packages "$fresh/bin/python" requirements.lock .
    if [ -f "$root/etc/hems/site.yaml" ] && ! "$fresh/bin/hems" check "$root/etc/hems/site.yaml" >"$fresh/check.txt" 2>&1; then
        cat "$fresh/check.txt" >&2
        refuse "this version does not take $root/etc/hems/site.yaml as it is (see above). Nothing was changed."
    fi

    install_files
    is_example=$(install_configuration)
    ln -s "hems.d/${fresh##*/}" "$root/opt/.hems.new"
    mv -T "$root/opt/.hems.new" "$root/opt/hems"
    trap - EXIT
    remove_other_versions "${fresh##*/}" "${before##*/}"
    start_service "$is_example"
}

install_files() {
    install -D -m 0644 systemd/hems.service "$root/etc/systemd/system/hems.service"
    install -D -m 0644 systemd/hems.sysusers "$root/etc/sysusers.d/hems.conf"
    install -D -m 0644 systemd/hems.tmpfiles "$root/etc/tmpfiles.d/hems.conf"
    rm -f "$root/etc/systemd/system/hems.service.d/clock.conf"
    if [ ! -e "$root/usr/lib/systemd/systemd-timesyncd" ] && [ ! -e "$root/lib/systemd/systemd-timesyncd" ]; then
        install -D -m 0644 systemd/clock.conf "$root/etc/systemd/system/hems.service.d/clock.conf"
    fi
    systemd-sysusers ${root:+"--root=$root"} "$root/etc/sysusers.d/hems.conf"
    systemd-tmpfiles ${root:+"--root=$root"} --create "$root/etc/tmpfiles.d/hems.conf"
    mkdir -p "$root/usr/local/bin"
    ln -sfn /opt/hems/bin/hems "$root/usr/local/bin/hems"
}

# Configuration that is there is never changed. Prints "example" while the site file is still ours.
install_configuration() {
    local folder=$root/etc/hems
    if [ ! -e "$folder/site.yaml" ]; then
        install -m 0640 config/examples/minimal.yaml "$folder/site.yaml"
        chown --reference="$folder" "$folder/site.yaml"
    fi
    if [ ! -e "$folder/secrets.yaml" ]; then
        install -m 0600 /dev/null "$folder/secrets.yaml"
        chown --reference="$root/var/lib/hems" "$folder/secrets.yaml"
    fi
    if cmp -s config/examples/minimal.yaml "$folder/site.yaml"; then say example; fi
}

# The version that was at work stays, which is not the newest one after a step back: the daemon that still runs may load
# more of it, and it is the way back.
remove_other_versions() {
    local version
    for version in $(ls -1 "$root/opt/hems.d"); do
        [ "$version" = "$1" ] || [ "$version" = "$2" ] || rm -rf "$root/opt/hems.d/$version"
    done
}

start_service() {
    if systemd_runs; then
        systemctl daemon-reload
        systemctl enable --quiet hems
        [ "$1" = example ] || systemctl restart hems
    fi
    say "hems is installed: $root/opt/hems"
    if [ "$1" = example ]; then
        say "Now describe the house in $root/etc/hems/site.yaml, then:"
        say "  sudo hems check /etc/hems/site.yaml     says what is wrong, and where"
        say "  sudo hems secrets set NAME              for each password in it"
        say "  sudo systemctl restart hems"
    elif ! systemd_runs; then
        say "systemd does not run here; it starts the service at the next boot of a system where it does: systemctl enable hems"
    fi
}

uninstall_service() {
    require_own_link
    if systemd_runs; then
        systemctl disable --now --quiet hems || true
    fi
    rm -rf "$root/opt/hems" "$root/opt/hems.d"
    rm -f "$root/etc/systemd/system/hems.service" "$root/etc/systemd/system/hems.service.d/clock.conf" \
        "$root/etc/sysusers.d/hems.conf" "$root/etc/tmpfiles.d/hems.conf"
    [ "$(readlink "$root/usr/local/bin/hems")" != /opt/hems/bin/hems ] || rm -f "$root/usr/local/bin/hems"
    if systemd_runs; then
        systemctl daemon-reload
    fi
    say "hems is gone. Kept: $root/etc/hems (configuration, passwords), $root/var/lib/hems (data), the user hems."
    say "Without them: sudo rm -r $root/etc/hems $root/var/lib/hems"
}

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }

case "${1:-}" in
    test)
        set_up requirements-dev.lock
        shift
        exec ./.ci/check "$@"
        ;;
    demo)
        set_up requirements.lock
        shift
        exec .venv/bin/hems demo "$@"
        ;;
    uninstall)
        require_root uninstall
        uninstall_service
        ;;
    "")
        if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
            usage
            exit 2
        fi
        install_service
        ;;
    *)
        usage
        exit 2
        ;;
esac
