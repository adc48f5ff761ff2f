#!/usr/bin/env bash
# Builds everything and runs every test suite.
#
#   ./test.sh           all suites at CI size
#   ./test.sh --full    with the full counts: kill loops, real input, random histories
#   ./test.sh NAME ...  only the test projects whose name contains one of the words
#
# Needs the .NET SDK; installs what else the tests use with apt-get where it is missing.
set -euo pipefail
cd "$(dirname "$0")"

full=0
only=()
for argument in "$@"; do
    case "$argument" in
        --full) full=1 ;;
        -h|--help) sed -n '2,9p' "$0" | cut -c3-; exit 0 ;;
        -*) echo "test.sh: unknown option '$argument'; see ./test.sh --help" >&2; exit 2 ;;
        *) only+=("$argument") ;;
    esac
done

install_missing() {
    local missing=()
    [ -e /usr/lib/x86_64-linux-gnu/libsqlite3.so.0 ] || [ -e /usr/lib/aarch64-linux-gnu/libsqlite3.so.0 ] || missing+=(libsqlite3-0)
    command -v sqlite3 >/dev/null || missing+=(sqlite3)
    command -v curl >/dev/null || missing+=(curl)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v script >/dev/null || missing+=(bsdutils)
    # Foreign clients of STOMP: of Python, Node and a browser. Python by its path, for others on the PATH do not have Debian's packages.
    [ -e /usr/lib/python3/dist-packages/stomp ] || missing+=(python3-stomp)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    [ -x /usr/bin/chromium ] || missing+=(chromium)
    # Servers that tests start by themselves, and a foreign client.
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v redis-cli >/dev/null || missing+=(redis-tools)
    command -v redis-sentinel >/dev/null || missing+=(redis-sentinel)
    [ -e /usr/lib/python3/dist-packages/redis ] || missing+=(python3-redis)
    [ ${#missing[@]} -eq 0 ] && return
    if ! command -v apt-get >/dev/null; then
        echo "test.sh: the tests need ${missing[*]}, and there is no apt-get here: install them by hand" >&2
        exit 2
    fi
    local sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    echo "== installing ${missing[*]}"
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# One attribute of the assembly element of an xunit result file.
count() { sed -n "s/.*<assembly [^>]*\\b$2=\"\\([0-9]*\\)\".*/\\1/p" "$1" | head -n 1; }

install_missing
# The full run of the real input reads the package lists; without them it takes the list of installed packages.
if [ "$full" -eq 1 ] && command -v apt-cache >/dev/null && ! apt-cache dumpavail 2>/dev/null | head -n 1 | grep -q . ; then
    $([ "$(id -u)" -eq 0 ] || echo sudo) apt-get update -qq
fi
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
[ "$full" -eq 1 ] && export MILLRACE_FULL=1

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

echo "== building"
dotnet build Millrace.slnx -c Release -v quiet

passed=0 failed=0 skipped=0 broken=()
: > "$results/skips"
for project in tests/*.Tests/*.csproj tests/*/*.Tests/*.csproj backends/*/tests/*.csproj samples/*/tests/*.csproj; do
    [ -e "$project" ] || continue
    name=$(basename "$project" .csproj)
    if [ ${#only[@]} -gt 0 ]; then
        wanted=0
        for word in "${only[@]}"; do [[ "$name" == *"$word"* ]] && wanted=1; done
        [ "$wanted" -eq 1 ] || continue
    fi

    echo "== $name"
    started=$SECONDS
    status=0
    dotnet "$(dirname "$project")/bin/Release/net10.0/$name.dll" -noLogo -noColor -xml "$results/$name.xml" > "$results/$name.log" 2>&1 < /dev/null || status=$?
    if [ "$status" -ne 0 ] || [ ! -s "$results/$name.xml" ]; then
        broken+=("$name")
        tail -n 200 "$results/$name.log"
    fi
    [ -s "$results/$name.xml" ] || continue
    p=$(count "$results/$name.xml" passed) f=$(count "$results/$name.xml" failed) s=$(count "$results/$name.xml" skipped) e=$(count "$results/$name.xml" errors)
    printf '   %s passed, %s failed, %s skipped in %s s\n' "$p" "$((f + e))" "$s" "$((SECONDS - started))"
    passed=$((passed + p)) failed=$((failed + f + e)) skipped=$((skipped + s))
    grep -o '<reason><!\[CDATA\[[^]]*' "$results/$name.xml" | sed "s/<reason><!\[CDATA\[/$name: /" | sort | uniq -c >> "$results/skips" || true
done

if [ -s "$results/skips" ]; then
    echo "== skips"
    sed 's/^/   /' "$results/skips"
fi
if [ "$full" -eq 1 ]; then
    echo "== seeds and figures"
    grep -hoE '[^[>]*(MILLRACE_SEED=|seed [0-9]+|messages/s|kills|requests in|heap after)[^]<]*' "$results"/*.xml | grep -v ' steps)' | sort -u | cut -c1-200 | sed 's/^/   /' || true
fi

echo "== all suites"
[ ${#broken[@]} -eq 0 ] || echo "failed: ${broken[*]}"
[ $((passed + failed)) -gt 0 ] || { echo "no test ran" >&2; exit 1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ ${#broken[@]} -eq 0 ] && [ "$failed" -eq 0 ]
