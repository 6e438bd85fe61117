"""What a pull request is told, each thing once, whatever happens in between.

Only what our own account wrote counts. A mark in somebody else's comment is text like any other:
neither believed, nor written over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from friendli_iac.clients.forges import Comment, Forge, Pull
from friendli_iac.errors import AuthError, FriendliIacError, NotFound, Unreachable
from friendli_iac.review import comment as words
from friendli_iac.review.comment import OUTDATED, Mark
from friendli_iac.review.times import moment

T = TypeVar("T")
TRIES = 3


@dataclass(frozen=True)
class Draft:
    """What a pull request is to be told, in `words` within so many characters. `commit` is what
    the plan was made from; `run_commit` and `run_head` are what CI says that it runs on, and which
    head of the pull request that is: it may be a merge of it into the target, to try it out.

    A mark that is of nothing is about all that was said of an older push.
    """

    mark: Mark
    words: Callable[[int], str]
    commit: str
    run_commit: str = ""
    run_head: str = ""

    def head(self, pull: Pull) -> str:
        """The commit of the pull request's branch that it is about."""
        if self.commit == pull.head or (self.commit in pull.merges and not pull.merged):
            return pull.head
        ran = self.commit == self.run_commit and self.run_head
        return self.run_head if ran else self.commit


@dataclass(frozen=True)
class Told:
    """Where it stands; `kept` is why something else stays there, `head` the commit it is about."""

    url: str
    head: str
    kept: str = ""


@dataclass(frozen=True)
class _Own:
    """A comment of ours, and its mark."""

    mark: Mark
    comment: Comment


def publish(forge: Forge, number: int, draft: Draft) -> Told:
    """Makes the one comment say what `draft` says, unless that is out of date. Then takes away what
    is of an older push: of a project that has another name now, of an environment that is gone.

    What is merged is left alone: its comment is what was approved.
    """
    pull = forge.pull(number)
    head = draft.head(pull)
    if pull.merged:
        return Told(pull.url, head, f"#{number} is merged: its comment stays what was approved")
    if head and head != pull.head:
        older = f"the plan is of {head[:12]}, and the newest commit of #{number} is"
        return Told(pull.url, head, f"{older} {pull.head[:12]}: nothing was written")
    me = forge.me()
    if not draft.mark.of:
        return _outdate(forge, pull, me, replace(draft.mark, commit=head), draft)
    mark = replace(draft.mark, commit=head)
    body = words.body(mark, draft.words)
    for _ in range(TRIES):
        own = _own(forge, number, me, mark.of, pull.head)
        if not own:
            made = _add(forge, number, me, body)
            # With what another job has made meanwhile: both keep the same one.
            own = _own(forge, number, me, mark.of, pull.head)
            own = own or [_Own(mark, made)]  # the list may lag behind
        latest = own[0]
        # Of which push it is may not be known: then the times alone decide.
        same = not mark.commit or latest.mark.commit in (mark.commit, "")
        newer = same and latest.mark.age > mark.age
        if not newer and latest.comment.body.rstrip() != body.rstrip():
            try:
                forge.edit_comment(number, latest.comment.id, body)
            except NotFound:  # what the token may not change is not found, too
                there = _own(forge, number, me, mark.of, pull.head)
                if any(one.comment.id == latest.comment.id for one in there):
                    raise
                continue
        for other in own[1:]:
            _drop(forge, number, other.comment.id)
        if mark.commit and not newer:
            _outdate_others(forge, pull, me, latest.comment.id, mark, body)
        why = f"a newer plan stands there, of {latest.mark.created}" if newer else ""
        return Told(latest.comment.url, head, why)
    raise FriendliIacError(
        f"the comment on #{number} vanishes as often as it is written",
        safe="Nothing else was changed.",
        next="See what deletes it there, and run the command again.",
    )


def _outdate(forge: Forge, pull: Pull, me: str, mark: Mark, draft: Draft) -> Told:
    """Takes away what is of an older push. It is not known which plan failed: any of them is."""
    older = [one for one in _plans(forge, pull.number, me) if _is_older(one.mark, mark, pull)]
    for one in older:
        if forge.pull(pull.number).head != pull.head:
            break
        body = words.body(replace(mark, of=one.mark.of), draft.words)
        forge.edit_comment(pull.number, one.comment.id, body)
    kept = "" if older else f"there is no comment on #{pull.number} that is out of date"
    return Told(older[0].comment.url if older else pull.url, mark.commit, kept)


def _is_older(one: Mark, ours: Mark, pull: Pull) -> bool:
    """Whether it is of an older push than `ours`, as far as we know of pushes."""
    return one.commit != pull.head and one.age <= ours.age


def _outdate_others(forge: Forge, pull: Pull, me: str, ours: int, mark: Mark, body: str) -> None:
    """Takes away what is of an older push, beside `ours`. A job of another project may be about to
    replace it: so it is looked for anew before each edit, and where such a job was as quick with
    `ours`, that is written again.
    """
    tried: set[int] = set()
    while True:
        there = {one.comment.id: one for one in _plans(forge, pull.number, me)}
        if ours in there and there[ours].mark.unfit == OUTDATED and ours not in tried:
            id, text = ours, body
        else:
            older = (
                one
                for one in there.values()
                if one.comment.id not in {*tried, ours}
                and _is_older(one.mark, mark, pull)
                and one.mark.unfit != OUTDATED
            )
            one = next(older, None)
            if one is None or forge.pull(pull.number).head != pull.head:
                return  # what stands there may be of a push that we know nothing of
            dated = replace(one.mark, digest="", unfit=OUTDATED)
            id, text = one.comment.id, words.body(dated, lambda limit: words.outdated_words())
        tried.add(id)
        try:
            forge.edit_comment(pull.number, id, text)
        except (AuthError, NotFound):  # it is gone, or not for this token to change
            continue


def approved(forge: Forge, commit: str, of: str, *, author: str = "", number: int = 0) -> str:
    """The digest in our comment on the pull request that was merged as `commit`.

    Raises FriendliIacError where there is none, or where it is not what was there at the merge.
    """
    found = [p for p in forge.pulls_of(commit) if not number or p.number == number]
    merged = [pull for pull in found if pull.merged and commit in pull.merges]
    if not merged:
        others = ", ".join(f"#{pull.number}" for pull in found)
        raise _unapproved(
            f"no pull request was merged as {commit[:12]}" + (f": {others} is not" * bool(found)),
            "Merge a pull request whose plan was commented, and run this for its merge.",
        )
    if len(merged) > 1:
        both = ", ".join(f"#{pull.number}" for pull in merged)
        raise _unapproved(
            f"{both} were all merged as {commit[:12]}", "Say which one is meant: --number N."
        )
    pull = merged[0]
    who = author or forge.me()
    own = _own(forge, pull.number, who, of, pull.head)
    if not own:
        raise _unapproved(
            f"#{pull.number} has no comment of {who} for this project and environment",
            "Have its plan commented before it is merged (friendli-iac comment PLAN); say who "
            "wrote it where that is another account: --author.",
        )
    last = own[0]
    again = "Open a pull request with what is to be applied, and merge it when its plan is there."
    if last.mark.unfit in ("denied", "refused"):
        raise _unapproved(
            f"the plan in #{pull.number} was {last.mark.unfit}",
            "Mend what its comment names, in a pull request whose plan is neither denied nor "
            "refused, and merge that.",
        )
    if not last.mark.digest and last.mark.commit == pull.head:
        raise _unapproved(f"the last plan of #{pull.number} failed", again)
    if last.mark.commit != pull.head:
        raise _unapproved(
            f"the plan in #{pull.number} is of {last.mark.commit[:12] or 'no known commit'}, and "
            f"what was merged is {pull.head[:12]}",
            again,
        )
    written, merged_at = moment(last.comment.changed), moment(pull.merged)
    if written is None or merged_at is None or written >= merged_at:
        raise _unapproved(
            f"the comment on #{pull.number} was written after it was merged: "
            f"{last.comment.changed or '?'}, and {pull.merged}",
            again,
        )
    return last.mark.digest


def _own(forge: Forge, number: int, me: str, of: str, head: str) -> list[_Own]:
    """Our comments about this, nobody else's. First what is about the newest commit, and what was
    made last: all jobs see it alike.
    """
    found = [one for one in _plans(forge, number, me) if one.mark.of == of]
    found.sort(key=lambda one: (one.mark.commit == head, one.mark.age, one.comment.id))
    return found[::-1]


def _plans(forge: Forge, number: int, me: str) -> list[_Own]:
    """Our comments about plans, of any project and environment."""
    return [
        _Own(mark, comment)
        for comment in forge.comments(number)
        if comment.author == me and (mark := Mark.read(comment.body)) and mark.kind == "plan"
    ]


def _add(forge: Forge, number: int, me: str, body: str) -> Comment:
    def there() -> Comment | None:
        mine = (c for c in forge.comments(number) if c.author == me)
        return next((c for c in mine if c.body.rstrip() == body.rstrip()), None)

    return settled(lambda: forge.add_comment(number, body), there)


def _drop(forge: Forge, number: int, id: int) -> None:
    try:
        forge.drop_comment(number, id)
    except NotFound:  # another job was as quick
        return


def settled(send: Callable[[], T], look: Callable[[], T | None]) -> T:
    """Sends what must be there once. A lost answer does not say whether it is: so we look."""
    for attempt in range(1, TRIES + 1):
        try:
            return send()
        except Unreachable as error:
            if (found := look()) is not None:
                return found
            if attempt == TRIES or error.status in (403, 429):
                raise
    raise AssertionError("not reached")


def _unapproved(message: str, next: str) -> FriendliIacError:
    return FriendliIacError(
        f"nothing is approved: {message}", safe="Nothing was sent to Friendli.", next=next
    )
