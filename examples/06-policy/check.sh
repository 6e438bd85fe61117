#!/bin/sh
# The plan, judged by friendli-iac, and then by the rules of one's own where Conftest is installed.
# Arguments go to `friendli-iac plan`, such as --emulator.
set -eu
friendli-iac plan --policy platform-policy.yaml --format json "$@" >plan.json
if command -v conftest >/dev/null; then
  conftest test --policy policy plan.json
else
  echo "conftest is not installed: the rules in policy/ were not asked" >&2
fi
