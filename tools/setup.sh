#!/usr/bin/env bash
# Make .venv and install the course into it:
#
#     tools/setup.sh lab      what the lessons need
#     tools/setup.sh test     that, and the test tools
#
# Settings, from the environment or from make's command line:
#
#     PYTHON=/path/to/python3.12   the Python to use, instead of the first that fits
#     TORCH=no                     leave PyTorch out, here and from then on; TORCH=yes adds it
#     pip's own (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, ...)   where packages come from
#
# It may be stopped and run again at any moment: .venv/stamp-* is written last, and only
# when all is in place. While it holds, the next run touches neither pip nor the network.
# It runs on macOS's bash 3.2 too.
set -u
cd -P "$(dirname "$0")/.." || exit 1
TARGET=${1:-}
RERUN="make $TARGET"

NEEDED_MB=4000 # .venv takes 3.1 GB, and pip unpacks beside it
AMPLE_MB=12000 # for PyTorch with GPU code, too: a rough guess, so nobody is refused for it
LOG=.venv/install.log
PY=.venv/bin/python
# Remembered: a plain `make lab`, perhaps without a network, must not ask for PyTorch again.
TORCH=${TORCH:-$(cat .venv/torch 2>/dev/null)}
TORCH=${TORCH:-yes}

fail() {
    clear_line
    printf '%s\n' "$1" >&2
    exit 1
}

# --- What is there already? ----------------------------------------------------------

# All that an installation depends on. The folder belongs to it because a virtual
# environment holds absolute paths: a moved or copied project must be mended.
state() { # lab or test
    local files="requirements.txt pyproject.toml"
    [ "$1" = test ] && files="$files requirements-test.txt"
    # shellcheck disable=SC2086
    echo "$(cat $files | cksum) torch=$TORCH $("$PY" -V 2>&1) $PWD"
}

up_to_date() {
    [ "$(cat ".venv/stamp-$1" 2>/dev/null)" = "$(state "$1")" ] && same_python
}

# Is .venv's Python the one that PYTHON= asks for, if it asks?
same_python() {
    [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -V 2>&1)" = "$("$PY" -V 2>&1)" ]
}

# --- One line of progress ------------------------------------------------------------

show() {
    if [ -t 1 ]; then printf '\r%-78.78s' "$1"; fi
}

clear_line() {
    if [ -t 1 ]; then printf '\r%78s\r' ''; fi
}

# What pip is doing, from its log, after `$1` seconds.
progress() {
    local last seen
    last=$(grep -E '^(Collecting|Processing|Installing coll| +Downloading)' "$LOG" | tail -n 1 | sed 's/^ *//')
    seen=$(grep -c -E '^(Collecting|Requirement already)' "$LOG")
    case $last in
    Downloading*) show "Package $seen of $TOTAL: downloading ${last#Downloading }, $1 s" ;;
    Installing*)
        seen=$(find .venv/lib/python3* -name INSTALLER 2>/dev/null | wc -l)
        show "Unpacking package $((seen)) of $TOTAL, $1 s" ;;
    *) show "Package $seen of $TOTAL, $1 s" ;;
    esac
}

# Run pip, its output to the log, one line on the screen.
#
# This shell itself only waits: bash can lose a Ctrl-C that comes while it is busy with
# `$(...)` or `sleep`, and never one that comes during `wait`.
run_pip() {
    local pip='' started=$SECONDS failed=''
    # Without this, Ctrl-C would leave pip running. If it comes before `pip` is set, `$!` is pip.
    trap 'kill $pip ${!-} 2>/dev/null; wait; fail "Interrupted. To go on where it stopped, type: $RERUN"' INT TERM HUP
    "$PY" -m pip install --disable-pip-version-check --no-input --retries 2 "$@" >>"$LOG" 2>&1 &
    pip=$!
    while kill -0 $pip 2>/dev/null; do
        progress $((SECONDS - started))
        sleep 0.5
    done &
    wait $pip || failed=yes
    wait # for the line on the screen
    trap - INT TERM HUP
    [ -z "$failed" ] || explain_pip
}

# pip has failed: say why, in the learner's words.
explain_pip() {
    if grep -q -E 'No space left on device|Errno 28|Disk quota exceeded' "$LOG"; then
        fail "The disk is full: free $NEEDED_MB MB (pip also uses ${TMPDIR:-/tmp} and its cache), then type: $RERUN"
    elif grep -q -E 'NewConnectionError|NameResolutionError|Name or service not known|Temporary failure in name|nodename nor servname|ConnectTimeout|ReadTimeout|ConnectionReset|Connection refused|Network is unreachable|Max retries exceeded|ProxyError|SSLError|IncompleteRead' "$LOG"; then
        fail "No connection to the package index, which the first run needs: connect to the internet, then type: $RERUN    (details: $PWD/$LOG)"
    elif grep -q -E 'Read-only file system|Permission denied' "$LOG"; then
        fail "Cannot write in $PWD/.venv: give yourself the right to (or move the folder), then type: $RERUN"
    fi
    clear_line
    tail -n 8 "$LOG" >&2
    fail "The installation failed as above; the whole log is $PWD/$LOG. To start afresh, type: make clean $TARGET"
}

# --- The steps -----------------------------------------------------------------------

find_python() {
    local candidate answer found='' why=missing
    # shellcheck disable=SC2016
    local probe='
import platform, sys
version = "%d.%d" % tuple(sys.version_info[:2])
if tuple(sys.version_info[:2]) < (3, 11):
    print("old " + version)
elif tuple(sys.version_info[:2]) > (3, 13):
    print("new " + version)
elif sys.platform == "darwin" and platform.machine() == "x86_64":
    print("intel " + version)
else:
    try:
        import ensurepip, venv
        print("fits " + version)
    except ImportError:
        print("novenv " + version)'
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        # 3.11 first: the stored outputs were made with it. A name on the PATH may be a shim
        # with no Python behind it: only running it tells.
        answer=$("$candidate" -c "$probe" 2>/dev/null) || continue
        case $answer in
        fits*) BASE_PYTHON=$candidate; return ;;
        esac
        # Of several that do not fit, report the one that needs the least to be mended.
        case "$why $answer" in
        missing* | *novenv*) why=$answer found=$candidate ;;
        esac
    done
    local version=${why#* } install='sudo apt install python3 python3-venv' or
    [ "$(uname)" = Darwin ] && install='brew install python@3.13'
    # The python3 of an older system may be too old itself.
    or='Or take conda, which brings its own Python: see README.md.'
    case $why in
    missing) fail "No Python found${PYTHON:+ at $PYTHON}: install Python 3.11, 3.12 or 3.13 (for example: $install), then type: $RERUN    $or" ;;
    old*) fail "Python $version ($found) is too old: install Python 3.11, 3.12 or 3.13, then type: $RERUN    (or: $RERUN PYTHON=/path/to/python3.12)    $or" ;;
    new*) fail "Python $version ($found) is too new for TensorFlow 2.21: install Python 3.11, 3.12 or 3.13, then type: $RERUN    (or: $RERUN PYTHON=/path/to/python3.13)    $or" ;;
    novenv*) fail "Python $version ($found) lacks its venv module: type: sudo apt install python$version-venv    and then: $RERUN    $or" ;;
    # conda is no way out on an Intel Mac: it takes the same packages from pip.
    intel*) fail "TensorFlow 2.21 and PyTorch 2.13 have no packages for Macs with an Intel processor: the course cannot be installed on one. On Apple silicon this is an Intel Python: install an arm64 one, then type: $RERUN" ;;
    esac
}

# After find_python, which says where a Mac cannot run the course at all.
check_macos() {
    local version
    [ "$(uname)" = Darwin ] || return 0
    version=$(sw_vers -productVersion 2>/dev/null)
    case ${version%%.*} in
    10 | 11 | 12 | 13) fail "macOS $version is too old: PyTorch 2.13 and ONNX Runtime 1.32 need macOS 14 or later. Update macOS, then type: $RERUN" ;;
    esac
}

check_disk() {
    local free used
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    used=$(du -sk .venv 2>/dev/null | awk '{ print int($1 / 1024) }')
    [ "${free:-$NEEDED_MB}" -ge $((NEEDED_MB - ${used:-0})) ] ||
        fail "The disk is nearly full: $free MB free, $((NEEDED_MB - ${used:-0})) MB needed in $PWD. Free some, then type: $RERUN"
    # On Linux pip's usual PyTorch brings GPU code; a setting of pip may name a build without.
    if [ "$(uname)" = Linux ] && [ "$TORCH" != no ] && [ "${free:-$AMPLE_MB}" -lt "$AMPLE_MB" ] &&
        [ -z "${PIP_EXTRA_INDEX_URL:-}${PIP_INDEX_URL:-}${PIP_FIND_LINKS:-}" ] &&
        ! compgen -G '.venv/lib/python3*/site-packages/torch' >/dev/null; then
        echo "$free MB are free, and pip's usual PyTorch for Linux takes several GB. To do without it: make $TARGET TORCH=no    README.md (Use it in a class) names a smaller build."
    fi
}

make_venv() {
    find_python
    rm -rf .venv
    mkdir .venv
    if "$BASE_PYTHON" -m venv .venv >"$LOG" 2>&1; then
        echo "$PWD" >.venv/made-in
        return
    fi
    tail -n 3 "$LOG" >&2
    rm -rf .venv
    fail "$BASE_PYTHON could not make a virtual environment in $PWD/.venv (see above). Mend that, then type: $RERUN"
}

# A virtual environment that was moved or copied: its scripts and its activation name the
# folder it was made in. Rewriting that needs no network; installing anew would.
mend_paths() {
    "$PY" - "$(cat .venv/made-in 2>/dev/null)/.venv/" "$PWD/.venv/" >>"$LOG" 2>&1 <<'END' ||
import pathlib, subprocess, sys
old, new = (path.encode() for path in sys.argv[1:])
subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", ".venv"], check=True)
for script in pathlib.Path(".venv/bin").iterdir():
    text = b"" if script.is_symlink() else script.read_bytes()
    if text.startswith(b"#!" + old):
        script.write_bytes(text.replace(old, new))
END
        fail "Cannot mend the moved $PWD/.venv (log: $LOG). To start afresh, type: make clean $TARGET"
    echo "$PWD" >.venv/made-in
}

case $TARGET in
lab | test) ;;
*) fail "usage: tools/setup.sh lab|test" ;;
esac
up_to_date "$TARGET" && exit 0

if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && ! [ -O . ]; then
    fail "Run without sudo, so that the folder .venv will be yours. Type: $RERUN"
fi
check_disk
{ mkdir -p .venv && : >>"$LOG"; } 2>/dev/null ||
    fail "Cannot write in $PWD: give yourself the right to (or copy the folder to your home), then type: $RERUN"
rm -f .venv/stamp-*
echo "Setting up the course in $PWD/.venv (some minutes the first time)"

# A Python that was removed or upgraded, or a step cut short, leaves a .venv with no pip.
if ! "$PY" -c 'import pip' 2>/dev/null || ! same_python; then
    make_venv
fi
check_macos
echo "$TORCH" >.venv/torch
echo "=== $(date)" >"$LOG"
# pip writes INSTALLER last: a package without it was being unpacked when somebody
# pressed Ctrl-C, and pip would otherwise take it for complete.
for package in .venv/lib/python3*/site-packages/*.dist-info; do
    [ -e "$package/INSTALLER" ] || rm -rf "$package"
done
[ "$(cat .venv/made-in 2>/dev/null)" = "$PWD" ] || mend_paths

left_out='^-e '
[ "$TORCH" = no ] && left_out='^(-e |torch==)'
grep -v -E "$left_out" requirements.txt >.venv/requirements.txt
lists=(.venv/requirements.txt)
[ "$TARGET" = test ] && lists+=(requirements-test.txt)
TOTAL=$(cat "${lists[@]}" | grep -c ==)
run_pip "${lists[@]/#/-r}"
# The course's own package comes second, built with the setuptools of the pins: pip's
# isolated build would ask the network for another one.
run_pip --no-deps --no-build-isolation --editable .
# The pretrained weights of lesson 7 come in a file of PyTorch: made plain numbers of here, once.
# Without PyTorch, and without a file from another computer, only lesson 7 cannot be run.
show "Converting the weights of lesson 7"
if ! "$PY" -m helpers.models >>"$LOG" 2>&1; then
    clear_line
    echo "The weights of lesson 7 could not be converted (details: $PWD/$LOG):" >&2
    tail -n 1 "$LOG" >&2
    echo "All other lessons can be run." >&2
fi

state lab >.venv/stamp-lab
[ "$TARGET" = test ] && state test >.venv/stamp-test
clear_line
echo "All is in place."
