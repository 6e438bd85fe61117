"""One apply at a terminal or in CI: shows, asks, reports, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from friendli_iac.cli.console import Console, line
from friendli_iac.cli.planning import print_plan
from friendli_iac.errors import (
    ByHand,
    Cancelled,
    FriendliIacError,
    NotApproved,
    Refused,
    RolledBack,
    UsageError,
)

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.plan import Plan
    from friendli_iac.engine import Engine, Report
    from friendli_iac.executor.outcome import Outcome


# Codes of outcomes that say themselves what comes next.
SAID_ALREADY = (0, RolledBack.exit_code, Refused.exit_code, ByHand.exit_code)


class Run:
    """One apply: shows, asks, reports, and says in the end what happened."""

    def __init__(self, session: Session, format_: str, options: dict[str, Any]) -> None:
        self._session = session
        self._console = session.console
        self._json = format_ == "json"
        self._options = options
        self._plan: Plan | None = None
        self.engine: Engine | None = None  # while it applies
        self.left: dict[str, str] | None = None  # why, by address: what a reap leaves as it is
        self.finished = False  # whether all that was begun came to a good end
        self._operation = ""
        self._shown = self._announced = False

    def apply(
        self,
        make: Callable[[Callable[..., Plan]], Plan],
        operation: str = "apply",
        *,
        saved: bool = False,
        approved: str = "",
    ) -> int:
        """The exit code. `make` is given the planner, and returns the plan. What was `saved` or
        `approved` (its digest) was agreed to already.
        """
        from friendli_iac.cli.progress import progress
        from friendli_iac.engine import ApplyOptions, exit_code

        self._operation = operation
        how = {n: v for n, v in self._options.items() if n in ApplyOptions.__dataclass_fields__}
        sure, named = self._options["yes"], frozenset(how.pop("allow_destroy"))
        agreed_to = saved or bool(approved)
        apply_options = ApplyOptions(
            **how,
            allow_destroy=named if sure and not agreed_to else None,
        )

        def noted(planner: Callable[..., Plan]) -> Plan:
            self._plan = make(planner)
            return self._plan

        with ExitStack() as stack:
            engine = self._session.engine(
                stack.enter_context(progress(self._console)), self._options["parallelism"]
            )
            self.engine = engine
            signals = stack.enter_context(_stoppable(self._console, engine.stop))

            def approve(plan: Plan) -> bool:
                self._announce(plan)
                if approved:
                    self._as_approved(plan)
                with signals.asking():
                    agreed = agreed_to or self._approved(plan, sure)
                return agreed and not engine.stop.is_set()

            try:
                done = engine.apply(
                    noted,
                    apply_options,
                    approve,
                    operation=operation,
                    saved=saved,
                    approved=approved,
                )
            except FriendliIacError as error:
                self._failed(error)
                raise
        code = exit_code(done.outcomes, held=any(c.held for c in done.plan.changes))
        self.finished = code == 0
        code = code or (Refused.exit_code if self.left else 0)
        self._report(done, code)
        return code

    @property
    def plan(self) -> Plan | None:
        """The plan, once it is made."""
        return self._plan

    def _approved(self, plan: Plan, sure: bool) -> bool:
        if not sure and not self._console.interactive:
            raise UsageError(
                "there is nobody to ask: this is not a terminal",
                safe="Nothing was sent.",
                next="Use --yes, or apply a saved plan: friendli-iac plan --out FILE.",
            )
        if not self._json:
            self._show(plan)
        elif not sure:
            from friendli_iac.review.text import render

            self._console.err(render(plan), newline=False)
        return sure or self._console.ask("Apply this?")

    def _as_approved(self, plan: Plan) -> None:
        if not self._json:
            self._show(plan)
        if plan is not self._plan:
            self._console.err("note: a run of this plan was cut off: this one goes on with it")

    def _announce(self, plan: Plan) -> None:
        """To who reads events, once."""
        if self._console.events and not self._announced:
            self._console.events.plan(plan)
        self._announced = True

    def _show(self, plan: Plan) -> None:
        if not self._shown:
            print_plan(self._console, plan)
        self._shown = True

    def _failed(self, error: FriendliIacError) -> None:
        """What was refused is shown, too: the error names only the first reason. So is what was
        done, where the state could not be stored in the end.
        """
        if self._plan is None:
            return
        self._announce(self._plan)
        unsaved = self.engine.unsaved if self.engine else None
        if unsaved and self._json:  # what was done is done
            document = _as_json(unsaved, error.exit_code)
            self._console.out_json({**document, **self._console.error_document(error)})
        elif unsaved:
            self._show_outcomes(unsaved)
        elif self._json:
            from friendli_iac.core.planfile import to_json

            self._console.out_json(
                {**self._console.error_document(error), "plan": to_json(self._plan)}
            )
        elif self._plan.refusals or isinstance(error, Refused | UsageError | NotApproved):
            self._show(self._plan)

    def _report(self, done: Report, code: int) -> None:
        self._announce(done.plan)
        if self._console.events:
            self._console.events.outcomes(done.outcomes)
        if self._json:
            document = _as_json(done, code)
            if self.left is not None:
                document["left"] = [
                    {"address": address, "reason": why} for address, why in self.left.items()
                ]
            self._console.out_json(document)
            return
        self._show_outcomes(done)
        if done.plan.override and done.outcomes:
            self._console.err(f"overridden, and recorded: {done.plan.override}")
        if done.outcomes and code not in SAID_ALREADY:
            shown = "friendli-iac plan shows what is left; " * (self._operation != "destroy")
            again = "apply" if self._operation == "rollback" else "the same command"
            self._console.err(f"next: {shown}{again} goes on from here")

    def _show_outcomes(self, done: Report) -> None:
        for said in (*done.notices, *done.settled):
            self._console.err(f"note: {line(said)}")
        if not done.outcomes:
            self._show(done.plan)
            return
        # What went wrong stands last, where a terminal shows it.
        for outcome in sorted(done.outcomes, key=_is_bad):
            self._console.out("\n".join(self._lines(outcome)))
        for said in _unchecked(done):
            self._console.out(self._console.paint("BY HAND", "yellow") + f"  {line(said)}")
        counts: dict[str, int] = {}
        for outcome in done.outcomes:
            counts[outcome.result] = counts.get(outcome.result, 0) + 1
        self._console.out(", ".join(f"{count} {result}" for result, count in counts.items()))

    def _lines(self, outcome: Outcome) -> list[str]:
        mark = "ok" if not _is_bad(outcome) else outcome.result.upper()
        colour = "yellow" if outcome.result == "by hand" else "red"
        painted = self._console.paint(mark, colour if _is_bad(outcome) else "green")
        lines = [f"{painted}  {outcome.action} {outcome.address}: {line(outcome.text)}"]
        if outcome.error:
            told = (("safe", outcome.error.safe), ("next", outcome.error.next))
            lines += [f"    {name}: {line(text)}" for name, text in told if text]
        return lines


def _unchecked(done: Report) -> list[str]:
    """The steps by hand of what was applied of which nothing will show whether they were done."""
    applied = {one.address for one in done.outcomes if one.result in ("applied", "sent")}
    return [
        f"{change.address}: {one.what} ({one.page}): nothing shows whether it was done"
        for change in done.plan.pending_changes
        if change.address in applied
        for one in change.manual
        if not one.check
    ]


def _is_bad(outcome: Outcome) -> bool:
    return outcome.result not in ("applied", "sent")


def _as_json(done: Report, code: int) -> dict[str, Any]:
    from friendli_iac.core.planfile import to_json

    return {
        "format_version": "1.0",
        "exit_code": code,
        "settled": list(done.settled),
        "notices": list(done.notices),
        "plan": to_json(done.plan),
        "outcomes": [
            {
                "address": outcome.address,
                "action": outcome.action,
                "result": outcome.result,
                "id": outcome.id,
                "text": outcome.text,
                "safe": outcome.error.safe if outcome.error else "",
                "next": outcome.error.next if outcome.error else "",
            }
            for outcome in done.outcomes
        ],
    }


class _Signals:
    """Ctrl-C or SIGTERM once: nothing new starts, and what is in flight is recorded. Twice: at
    once; the journal knows what was begun. At the prompt, once is enough.
    """

    def __init__(self, console: Console, stop: threading.Event) -> None:
        self._console = console
        self._stop = stop
        self._asking = False

    def handle(self, number: int, frame: object) -> None:
        if self._asking:
            raise KeyboardInterrupt
        if self._stop.is_set():
            self._console.err(
                "stopped at once. What was begun is in the journal: the next apply settles it."
            )
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # the live table had hidden the cursor
            sys.stderr.flush()
            os._exit(Cancelled.exit_code)  # threads that wait for an answer would hold it up
        self._stop.set()
        self._console.err(
            "stopping: nothing new starts; what was sent is recorded. Again: at once."
        )

    @contextmanager
    def asking(self) -> Iterator[None]:
        self._asking = True
        try:
            yield
        finally:
            self._asking = False


@contextmanager
def _stoppable(console: Console, stop: threading.Event) -> Iterator[_Signals]:
    signals = _Signals(console, stop)
    previous = {n: signal.signal(n, signals.handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
