#!/bin/sh
# Plan, apply, drift and reap in any CI: `sh ci.sh plan`. The GitHub action runs this very file.
#
# It is told by the settings of the CI system, and by nothing in the repository:
#   FRIENDLI_TOKEN, FRIENDLI_IAC_STATE, FRIENDLI_IAC_ENV, FRIENDLI_IAC_VAR_…   see the README
#   APPROVED   apply: the digest that may be applied, or the word `comment` for the one in the
#              comment of the merged request
#   POLICY     guardrails from a protected place
#   ARGS       more options, the same ones for plan and apply: --parallelism 4
#   COMMENT    false: no comment, no issue
#   STATUS     false: no commit status
#   OUT        where plan.json, plan.html and the like go (ci-out); it is emptied first
# It ends as friendli-iac does, but a plan with changes, and drift that an issue tells of, is a 0.
set -euf
out=${OUT:-ci-out}

# GitHub and GitLab have comments, statuses and issues; elsewhere the log and the page have to do.
on_forge() { [ "${GITHUB_ACTIONS:-}${GITLAB_CI:-}" ] && [ "${COMMENT:-true}" = true ]; }

in_request() { [ "${GITHUB_HEAD_REF:-}${CI_MERGE_REQUEST_IID:-}" ]; }

# In a log, nothing of it is a command to the CI system, whatever somebody has called an endpoint.
summary() {
  if [ "${GITHUB_STEP_SUMMARY:-}" ]; then cat >>"$GITHUB_STEP_SUMMARY"; return; fi
  sed 's/##\([[:alnum:]_]*\)\[/##\1 [/g; s/^\([[:space:]]*\)::/\1: :/'
}

validate() {
  # shellcheck disable=SC2086 # the words of an option
  friendli-iac validate ${GITHUB_ACTIONS:+--format github} ${POLICY:+--policy "$POLICY"}
}

plan() {
  code=0
  validate || code=$?
  if [ -z "${FRIENDLI_TOKEN:-}" ] && in_request; then
    echo 'Only validated: there is no FRIENDLI_TOKEN here, as in every request from a fork.' \
      'Nothing was compared with what is live, and there is no plan.' |
      tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}"
    return "$code"
  fi
  code=0
  # shellcheck disable=SC2086 # ARGS are several words
  friendli-iac plan --out "$out/plan.json" --outputs "$out/outputs" --detailed-exitcode \
    ${POLICY:+--policy "$POLICY"} ${ARGS:-} || code=$?
  if [ ! -f "$out/plan.json" ]; then
    # What stood there before would be out of date.
    if in_request && on_forge; then
      comment --failed "friendli-iac plan ended with exit code $code" || true
    fi
    return "$code"
  fi
  if [ "${GITHUB_OUTPUT:-}" ]; then cat "$out/outputs" >>"$GITHUB_OUTPUT"; fi
  friendli-iac show "$out/plan.json" --format html >"$out/plan.html"
  if in_request && on_forge; then
    comment "$out/plan.json"
  elif [ "${GITHUB_STEP_SUMMARY:-}" ]; then # which takes 1 MiB
    friendli-iac show "$out/plan.json" --format markdown | head -c 1000000 >>"$GITHUB_STEP_SUMMARY"
  fi
  if [ "$code" != 2 ]; then return "$code"; fi
}

comment() {
  if [ "${STATUS:-true}" = true ]; then set -- "$@" --status; fi
  friendli-iac comment "$@" --auto
}

apply() {
  case ${APPROVED:-} in
    '')
      echo 'error: APPROVED is empty: no plan is approved' >&2
      echo '  safe: Nothing was sent.' >&2
      echo '  next: Set it to the digest of the plan that was approved, an output of the plan job;' \
        'or to the word comment, for the digest in the comment of the merged request.' >&2
      return 64
      ;;
    comment) digest=$(friendli-iac approved --auto) ;;
    *) digest=$APPROVED ;;
  esac
  # exec: a cancelled job's signal reaches friendli-iac, which gives the lock back.
  # shellcheck disable=SC2086 # ARGS are several words
  exec friendli-iac apply --approved "$digest" --events "$out/events.jsonl" --lock-timeout 10m \
    ${POLICY:+--policy "$POLICY"} ${ARGS:-}
}

drift() {
  code=0
  friendli-iac drift --format markdown >"$out/drift.md" || code=$?
  summary <"$out/drift.md"
  case $code in
    0) close drift 'Everything is as it was applied again.' ;;
    2) issue drift 'Endpoints are not as they were applied' "$out/drift.md" ;;
    *) return "$code" ;;
  esac
}

reap() {
  friendli-iac reap --yes --lock-timeout 10m >"$out/reap.txt" 2>&1 &
  waited "$!"
  # Indented, all of it is code in Markdown, whatever stands in it.
  tr '\r' '\n' <"$out/reap.txt" | sed 's/^/    /' >"$out/reap.md"
  summary <"$out/reap.md"
  if [ "$code" = 0 ]; then close reap 'All that has expired is ended.'; return; fi
  if [ "$code" = 8 ]; then return 8; fi # cancelled: the next one goes on
  issue reap 'What has expired could not be ended' "$out/reap.md" || true
  return "$code"
}

# Waits for a process, and sets `code`. A cancelled job's signal reaches it, for it to give the lock
# back; as TERM, because what a script has in the background ignores INT.
waited() {
  pid=$1
  trap 'kill -s TERM "$pid" || :' INT TERM
  code=0
  wait "$pid" || code=$? # which a signal interrupts
  while kill -s 0 "$pid" 2>/dev/null; do code=0; wait "$pid" || code=$?; done
  trap - INT TERM
}

# Opens or updates the one issue of this name; where there are none, the job fails instead.
issue() {
  on_forge || return 2
  friendli-iac issue "$1" --auto --title "$2${FRIENDLI_IAC_ENV:+ ($FRIENDLI_IAC_ENV)}" --body "$3"
}

close() { if on_forge; then friendli-iac issue "$1" --auto --close --comment "$2"; fi; }

case ${1:-} in
  validate | plan | apply | drift | reap) ;;
  *) echo "usage: ${0##*/} validate | plan | apply | drift | reap" >&2; exit 64 ;;
esac
rm -rf -- "$out" # not into it: the repository may have put a link there
mkdir -- "$out"
"$1"
