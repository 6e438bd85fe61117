#!/bin/sh
# Plan, apply, drift, reap and promote in any CI: `sh ci.sh plan`. The GitHub action runs this very
# file.
#
# It is told by the settings of the CI system, and by nothing in the repository:
#   FRIENDLI_TOKEN, FRIENDLI_IAC_STATE, FRIENDLI_IAC_ENV, FRIENDLI_IAC_VAR_…   see the README
#   APPROVED   apply: the digest that may be applied, or the word `comment` for the one in the
#              comment of the merged request
#   POLICY     guardrails from a protected place
#   ARGS       more options, the same ones for plan and apply: --parallelism 4
#   COMMENT    false: no comment, no issue
#   STATUS     false: no commit status
#   FRIENDLI_IAC_PROMOTE_ADDRESS, …_ALIAS, …_ENVIRONMENT   promote: what an event of W&B is about
#   PROMOTE_TOKEN   promote: may push branches, and open requests to merge them
#   OUT        where plan.json, plan.html and the like go (ci-out); it is emptied first
# It ends as friendli-iac does, but a plan with changes, and drift that an issue tells of, is a 0; on
# GitHub, so is an apply that leaves a step by hand (11), with a warning.
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
  # shellcheck disable=SC2086 # ARGS are several words
  friendli-iac apply --approved "$digest" --events "$out/events.jsonl" --lock-timeout 10m \
    ${POLICY:+--policy "$POLICY"} ${ARGS:-} &
  waited "$!"
  if [ "$code" != 11 ]; then return "$code"; fi
  # All is applied but what no API can do. GitLab shows such a job in orange by its exit code.
  echo 'Applied, but for a step by hand: the plan and the end of the log of this job say which.' \
    'The next apply verifies it.' | summary
  if [ -z "${GITHUB_ACTIONS:-}" ]; then return 11; fi
  echo '::warning title=friendli-iac::A step by hand is left'
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

# Puts the version that an alias means now into the manifest, on a branch, and asks to merge it. The
# event only says where to look: whoever sent it, W&B is asked, and a person merges. One branch for
# each environment, endpoint and alias, so that there is never more than one such request.
promote() {
  address=$FRIENDLI_IAC_PROMOTE_ADDRESS alias=$FRIENDLI_IAC_PROMOTE_ALIAS
  FRIENDLI_IAC_ENV=${FRIENDLI_IAC_PROMOTE_ENVIRONMENT:-${FRIENDLI_IAC_ENV:-}}
  export FRIENDLI_IAC_ENV
  case $FRIENDLI_IAC_ENV in
    *[!A-Za-z0-9._-]*)
      echo 'error: the event names no environment: letters, digits, . _ and - make one' >&2
      echo '  safe: Nothing was written.' >&2
      echo '  next: See who may send such events, and what the payload of the automation says:' \
        'friendli-iac wandb payload.' >&2
      return 64
      ;;
  esac
  friendli-iac wandb promote --alias="$alias" -- "$address" >"$out/promote.txt"
  summary <"$out/promote.txt"
  where=${FRIENDLI_IAC_ENV:+ $FRIENDLI_IAC_ENV}
  name=$(printf %s "$address-$alias$where" | tr -c 'A-Za-z0-9' '[-*]' | cut -c 1-80)
  branch=friendli-iac/promote-$name-$(printf %s "$address $alias$where" | cksum | cut -d ' ' -f 1)
  origin=$(git remote get-url origin | sed 's#//[^/@]*@#//#') # GitLab puts a token of its own there
  if git diff --quiet; then
    if [ "$(remote ls-remote "$origin" "refs/heads/$branch")" ]; then
      remote push --quiet "$origin" --delete "$branch" # which closes a request that is out of date
    fi
    return
  fi
  title="Promote $alias of $address${where:+ in$where}"
  if remote fetch --quiet --depth 1 "$origin" "refs/heads/$branch" 2>"$out/fetch.txt" &&
    git diff --quiet FETCH_HEAD && asked; then
    echo 'There is a branch with just this already.'
  else
    git -c user.name=friendli-iac -c user.email=friendli-iac@localhost \
      commit --quiet --all -m "$title"
    set --
    if [ "${GITLAB_CI:-}" ]; then
      set -- -o merge_request.create -o "merge_request.target=$CI_DEFAULT_BRANCH" \
        -o "merge_request.title=$title" -o merge_request.remove_source_branch
    fi
    remote push --quiet --force "$@" "$origin" "HEAD:refs/heads/$branch"
  fi
  if [ "${GITHUB_ACTIONS:-}" ]; then request; fi
}

# Git with the token of PROMOTE_TOKEN, which stands in no argument and in no file.
remote() {
  # shellcheck disable=SC2016 # git has it run by a shell, which fills it in
  git -c credential.helper= \
    -c credential.helper='!echo username=x-access-token; echo "password=$PROMOTE_TOKEN"; :' "$@"
}

# Whether GitLab has a merge request of what was fetched. Only a push of something new opens one, and
# it says nothing where that fails. GitHub's is asked for apart.
asked() {
  [ -z "${GITLAB_CI:-}" ] ||
    remote ls-remote "$origin" 'refs/merge-requests/*/head' | grep -q "^$(git rev-parse FETCH_HEAD)"
}

# Opens the pull request of a branch, if there is none.
request() {
  sed 's/^/    /' <"$out/promote.txt" >"$out/promote.md" # indented, all of it is code in Markdown
  there=$(GH_TOKEN=$PROMOTE_TOKEN gh pr list --head "$branch" --json number --jq length)
  if [ "$there" != 0 ]; then return; fi
  GH_TOKEN=$PROMOTE_TOKEN gh pr create --head "$branch" --base "$GITHUB_REF_NAME" \
    --title "$title" --body-file "$out/promote.md"
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
  validate | plan | apply | drift | reap | promote) ;;
  *) echo "usage: ${0##*/} validate | plan | apply | drift | reap | promote" >&2; exit 64 ;;
esac
rm -rf -- "$out" # not into it: the repository may have put a link there
mkdir -- "$out"
"$1"
