#!/bin/sh
# `make demo`: one project from its first plan to its end, on the emulator. Works on a copy in
# .demo/, needs no token, and can be run again.
set -eu
cd "$(dirname "$0")/.."
rm -rf .demo
cp -R examples/02-shared-defaults-and-policy .demo
cd .demo
unset FRIENDLI_TOKEN FRIENDLI_TEAM_ID FRIENDLI_PROJECT_ID FRIENDLI_BASE_URL FRIENDLI_IAC_STATE
export FRIENDLI_BASE_URL=emulator: # as --emulator does, for every command below

say() { printf '\n# %s\n' "$1"; }

# Shows a command and runs it. The first argument is the exit code that it must have.
run() {
    expected=$1
    shift
    printf '\n$ %s\n' "$*"
    code=0
    "$@" || code=$?
    if [ "$code" -ne "$expected" ]; then
        echo "exit $code, and $expected was expected" >&2
        exit 1
    fi
    [ "$code" -eq 0 ] || echo "(exit $code)"
}

edit() { # file, sed expression; `sed -i` is not the same everywhere
    sed "$2" "$1" >edited && mv edited "$1"
}

say "Two endpoints and two scaling policies, in YAML."
run 0 cat endpoints/chat.yaml
run 0 friendli-iac validate --emulator

say "What would an apply do?"
run 0 friendli-iac plan

say "Do it, and wait until both endpoints serve."
run 0 friendli-iac apply --yes

say "The same manifests again: nothing to do."
run 0 friendli-iac plan

say "Somebody raises the maximum of a policy that an endpoint uses."
edit policies.yaml 's/maxReplicas: 4/maxReplicas: 6/'
run 2 friendli-iac plan --detailed-exitcode
run 0 friendli-iac apply --yes

say "What does a client need to call it?"
run 0 friendli-iac output Endpoint/chat

say "A file is removed. Unattended, nothing is deleted that nobody allowed to be."
run 0 rm endpoints/batch.yaml
run 5 friendli-iac apply --yes
run 0 friendli-iac apply --yes --allow-destroy Endpoint/batch

say "The end."
run 0 friendli-iac destroy --yes
run 0 friendli-iac state list

printf '\nDone. The project is in .demo/; `make clean` removes it.\n'
