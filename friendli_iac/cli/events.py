"""`--events FILE`: what happens, as lines of JSON, while people read something else.

Each line is whole: it is written at once, so that a run that is killed leaves no half of one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from friendli_iac import __version__
from friendli_iac.errors import FriendliIacError, ManifestError, UsageError

if TYPE_CHECKING:
    from friendli_iac.core.plan import Plan
    from friendli_iac.executor.context import Event, Reporter
    from friendli_iac.executor.outcome import Outcome

FORMAT_VERSION = "1.0"
TYPES = {
    "start": "apply_start",
    "sent": "apply_progress",
    "progress": "apply_progress",
    "note": "apply_progress",
    "done": "apply_complete",
    "by hand": "apply_by_hand",
    "failed": "apply_errored",
}


class Events:
    """The file. `safe` takes secrets out of a line; `complain` is told once when it cannot be
    written any more, for then a run goes on without it. UsageError when it cannot be opened.
    """

    def __init__(
        self, path: Path, safe: Callable[[str], str], complain: Callable[[str], None]
    ) -> None:
        self._safe, self._complain = safe, complain
        self._mutex = threading.Lock()
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(
                f"cannot write events to {path}: {error.strerror}",
                safe="Nothing was sent.",
                next="Name another file with --events.",
            ) from error
        self._over = False
        self.write("version", format_version=FORMAT_VERSION, tool_version=__version__)

    def write(self, type: str, **fields: Any) -> None:
        """One line; what is empty is left out."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {key: value for key, value in fields.items() if value not in ("", None)}
        line = json.dumps({"type": type, "time": time, **said}, ensure_ascii=False, allow_nan=False)
        data = (self._safe(line) + "\n").encode(errors="replace")
        with self._mutex:
            if self._over:
                return
            try:
                written = os.write(self._file, data)
                if written < len(data):
                    with suppress(OSError):  # half a line is taken back where that can be done
                        os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR) - written)
                    raise OSError(0, "no space left")
            except OSError as error:
                self._over = True
                why = error.strerror
            else:
                return
        self._complain(f"note: no more events are written: {why}")

    def plan(self, plan: Plan) -> None:
        """What is planned: a line for each change, and the sums."""
        from friendli_iac.core.cost import totals
        from friendli_iac.core.plan import summary

        where = plan.environment
        for change in plan.pending_changes:
            self.write(
                "planned_change",
                environment=where,
                address=change.address,
                action=change.action,
                reason=change.reason,
                id=change.id,
                impact=change.impact,
                by_hand=[vars(one) for one in change.manual] or None,
                cost_before=change.cost_before,
                cost_after=change.cost_after,
            )
        sums = totals(plan)
        self.write(
            "change_summary",
            environment=where,
            changes=summary(plan),
            cost_before=sums.before,
            cost_after=sums.after,
            cost_unknown=sums.unknown,
            digest=plan.digest,
        )
        for refusal in plan.refusals:
            said = f"{refusal.address}: {refusal.message}"
            self.write("diagnostic", severity="error", message=said, next=refusal.next)
        for finding in plan.findings:
            self.write(
                "diagnostic",
                severity="error" if finding.denies else "warning",
                rule=finding.rule,
                address=finding.address,
                message=finding.message,
                next=finding.remedy,
                source=finding.source,
            )

    def event(self, event: Event) -> None:
        """Something that happens to a change."""
        self.write(
            TYPES.get(event.type, "apply_progress"),
            address=event.address,
            text=event.text,
            status=event.status,
            phase=event.phase,
            elapsed=round(event.elapsed, 1) or None,
            by_hand=[vars(one) for one in event.by_hand] or None,
        )

    def outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """What was never begun, of which no event told."""
        for outcome in outcomes:
            if outcome.result in ("skipped", "cancelled") and not outcome.touched:
                self.write("apply_skipped", address=outcome.address, text=outcome.text)

    def error(self, error: FriendliIacError) -> None:
        """What went wrong; with manifests, each problem in its place."""
        for problem in error.problems if isinstance(error, ManifestError) else ():
            self.write(
                "diagnostic",
                severity="error",
                message=problem.message,
                next=problem.remedy,
                file=problem.file,
                line=problem.line or None,
                column=problem.column or None,
            )
        self.write(
            "diagnostic", severity="error", message=str(error), safe=error.safe, next=error.next
        )

    def end(self, code: int) -> None:
        """The last line."""
        self.write("end", exit_code=code)
        with self._mutex:
            if not self._over:
                os.close(self._file)
            self._over = True


class Teed:
    """A reporter whose events go into the file, too."""

    def __init__(self, reporter: Reporter, events: Events) -> None:
        self._reporter, self._events = reporter, events

    def event(self, event: Event) -> None:
        self._reporter.event(event)
        self._events.event(event)
