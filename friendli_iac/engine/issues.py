"""One issue for what goes on outside of pull requests: opened, kept up to date, and closed.

Only what our own account wrote counts, as in `friendli_iac.engine.forges`.
"""

from __future__ import annotations

from itertools import islice

from friendli_iac.clients.forges import Forge, Issue
from friendli_iac.core.canonical import digest
from friendli_iac.engine.forges import settled
from friendli_iac.review import comment as words
from friendli_iac.review.comment import Mark

CLOSED_ISSUES = 500  # that are looked through for one to open again


def keep_issue(forge: Forge, of: str, title: str, text: str) -> tuple[Issue, str]:
    """The one issue of this name, open and with this text; and what had to be done for it.

    One that was closed is opened again: who subscribed to it, and what was said, are there.
    """
    mark = Mark("issue", of, digest([title, text]))
    title, body = words.title_line(title), words.body(mark, lambda limit: text)
    me = forge.me()
    opened = _open_issue(forge, me, of)
    if opened:
        told = Mark.read(opened.body)
        if told and told.digest == mark.digest:
            return opened, "unchanged"
        return forge.edit_issue(opened.number, title=title, body=body), "updated"
    closed = islice(forge.issues(me, open=False), CLOSED_ISSUES)
    if before := next((issue for issue in closed if _is(issue, me, of)), None):
        return forge.edit_issue(before.number, title=title, body=body, open=True), "reopened"
    made = settled(lambda: forge.add_issue(title, body), lambda: _open_issue(forge, me, of))
    # The one that stays, where two jobs have opened one each. The list may lag behind.
    return _open_issue(forge, me, of) or made, "opened"


def close_issue(forge: Forge, of: str, text: str = "") -> Issue | None:
    """Closes the issue, with a word why. None when there is none that is open."""
    me = forge.me()
    issue = _open_issue(forge, me, of)
    if issue is None:
        return None
    if text:
        body = words.cut(words.harmless(text), words.LIMIT)

        def say() -> bool:
            forge.add_remark(issue.number, body)
            return True

        def said() -> bool | None:
            remarks = (c for c in forge.remarks(issue.number) if c.author == me)
            return any(c.body.rstrip() == body.rstrip() for c in remarks) or None

        settled(say, said)
    return forge.edit_issue(issue.number, open=False)


def _is(issue: Issue, me: str, of: str) -> bool:
    mark = Mark.read(issue.body)
    return issue.author == me and mark is not None and (mark.kind, mark.of) == ("issue", of)


def _open_issue(forge: Forge, me: str, of: str) -> Issue | None:
    """The oldest of ours that are open. Later ones, of jobs at the same time, are closed."""
    found = [issue for issue in forge.issues(me, open=True) if _is(issue, me, of)]
    found.sort(key=lambda issue: issue.number)
    for later in found[1:]:
        forge.edit_issue(later.number, open=False)
    return found[0] if found else None
