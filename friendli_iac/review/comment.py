"""What stands in a comment or an issue: a hidden mark, by which it is found again, and the words.

The mark holds digests, times and commits only, so that no name can break out of it; and it counts
in the first line alone, so that no text of a plan can pass for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from friendli_iac.core.canonical import digest
from friendli_iac.core.plan import Plan
from friendli_iac.review import markdown, words
from friendli_iac.review.escaping import prose
from friendli_iac.review.links import NO_LINKS, Links
from friendli_iac.review.times import moment

LIMIT = 60_000  # characters; GitHub takes 65,536, GitLab 1,000,000
LONGEST_LINE = 1000
LONGEST_TITLE = 250
CUT = "\n\n*The rest is left out here: it would be too long.*\n"
NONE = "none"
# Where the digest would stand, of what nobody can approve.
OUTDATED = "outdated"
UNFIT = ("denied", "refused", OUTDATED)

_MARK = re.compile(
    r"<!-- friendli-iac (plan|issue) of=([0-9a-f]{20})"
    rf" digest=([0-9a-f]{{64}}|none|{'|'.join(UNFIT)})"
    r" created=([0-9TZ:.-]{20,32}|none) commit=([0-9a-f]{7,64}|none) -->\s*(?:\n|$)"
)
_COMMIT = re.compile("[0-9a-f]{7,64}")
_COMMAND = re.compile(r"^([ \t>*+-]*)/(?=\w)", re.MULTILINE)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Mark:
    """What a comment is about (`of`), and from when. `digest` is that of the plan, empty when it
    failed; where `unfit` says why it cannot be approved, there is none either. `commit` is the head
    of the pull request that the plan was made for.
    """

    kind: str
    of: str
    digest: str = ""
    created: str = ""
    commit: str = ""
    unfit: str = ""

    def __str__(self) -> str:
        commit = self.commit if _COMMIT.fullmatch(self.commit) else ""
        created = self.created if moment(self.created) is not None else ""
        values = (self.unfit or self.digest or NONE, created or NONE, commit or NONE)
        told = "digest={} created={} commit={}".format(*values)
        return f"<!-- friendli-iac {self.kind} of={self.of} {told} -->"

    @classmethod
    def read(cls, body: str) -> Mark | None:
        """The mark of a body, None when it has none."""
        found = _MARK.match(body)
        if not found:
            return None
        kind, of, *values = found.groups()
        digest, created, commit = ("" if value == NONE else value for value in values)
        if digest in UNFIT:
            return cls(kind, of, "", created, commit, unfit=digest)
        return cls(kind, of, digest, created, commit)

    @property
    def age(self) -> float:
        """When it was made, for comparisons; 0: not known."""
        return moment(self.created) or 0.0


def key(project: str, environment: str, name: str = "") -> str:
    """What one comment, or the issue `name`, is about."""
    return digest([project, environment, name], 20)


def body(mark: Mark, words_within: Callable[[int], str]) -> str:
    """A body with its mark, not longer than the forges take. `words_within` makes the text, within
    so many characters.
    """
    head = f"{mark}\n"
    room = LIMIT - len(head)
    return head + cut(harmless(words_within(room)), room)


def mark_of(plan: Plan) -> Mark:
    """The mark of a plan. Only what may be applied has a digest to approve."""
    unfit = "refused" if plan.refusals else "denied" if plan.denied else ""
    of = key(plan.project, plan.environment)
    return Mark("plan", of, "" if unfit else plan.digest, plan.created, unfit=unfit)


def plan_words(plan: Plan, limit: int, *, links: Links = NO_LINKS, whole: str = "") -> str:
    """A plan; one line, when there is nothing to do and nothing to tell."""
    if quiet(plan):
        told = f"**{label(plan.project, plan.environment)}**: no changes ({words.headline(plan)})"
        return f"friendli-iac plan of {told}. <sub>plan digest `{plan.digest[:12]}`</sub>\n"
    return markdown.render([plan], limit=limit, links=links, whole=whole)


def quiet(plan: Plan) -> bool:
    """Whether a line says it all: nothing is to do, and nothing was left out."""
    doubts = any(change.notes for change in plan.changes)
    told = words.is_work(plan) or plan.findings or plan.drift or doubts or plan.narrowed
    return not told


def failed_words(project: str, environment: str, reason: str, page: str) -> str:
    """What takes the place of a plan that is out of date, because the newer one failed."""
    said = prose(_line(reason)[:LONGEST_LINE])
    run = f" [The run]({page})." if page else ""
    return (
        f"friendli-iac plan of **{label(project, environment)}**: the last plan failed: {said}\n\n"
        f"There is no plan to review: one that stood here before would be out of date.{run}\n"
    )


def outdated_words() -> str:
    """What takes the place of a plan of an older push that no newer one has replaced."""
    return (
        "The friendli-iac plan that stood here was of an older push: it is out of date. If its "
        "project and environment are still there, the next plan takes its place.\n"
    )


def title_line(text: str) -> str:
    """A title: one line, and no longer than both forges take."""
    return _line(text)[:LONGEST_TITLE]


def label(project: str, environment: str) -> str:
    """Whose plan it is, for people."""
    shown = " / ".join(filter(None, (project, environment))) or "this project"
    return prose(_line(shown)[:200])


def status_of(plan: Plan) -> tuple[bool, str]:
    """Whether the plan may be applied, and a line about it."""
    if plan.refusals:
        return False, f"refused: {_line(plan.refusals[0].message)}"
    if plan.denied:
        denying = [finding for finding in plan.findings if finding.denies]
        return False, f"denied by policy: {_line(denying[0].rule)}: {_line(denying[0].message)}"
    told = words.headline(plan) if words.is_work(plan) else "no changes"
    return True, f"{told}; narrowed to {_line(plan.narrowed)}" if plan.narrowed else told


def context(project: str, environment: str) -> str:
    """The name of a commit status, another one for each project and environment: in the name of an
    environment there is no colon, and in that of a project none is left.
    """
    name = project.replace("%", "%25").replace(":", "%3A")
    told = f"friendli-iac/{name}".rstrip("/") + (f":{environment}" if environment else "")
    return _line(told)[:200]


def harmless(text: str) -> str:
    """`text` without commands to GitLab, or a bot: `/close` at the start of a line. With plain ends
    of lines, so that what is read back is what was written.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _COMMAND.sub(r"\1\\/", _CONTROL.sub("\N{REPLACEMENT CHARACTER}", lines))


def cut(text: str, limit: int) -> str:
    """`text` within `limit` characters, ended after a whole line; a code block is closed."""
    if len(text) <= limit:
        return text
    room = limit - len(CUT) - len("\n```")
    kept = text[:room].rpartition("\n")[0] or text[:room]
    fenced = sum(line.lstrip().startswith("```") for line in kept.split("\n")) % 2
    return kept + "\n```" * fenced + CUT


def _line(text: str) -> str:
    """`text` in one line that steers nothing."""
    return " ".join(_CONTROL.sub(" ", text).split())
