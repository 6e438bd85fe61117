"""What queries see: one class a GraphQL type, whose members are the fields in snake_case.

A member that takes arguments is a method, any other one a property or an attribute, and what the
record has itself needs no member. `execution` finds them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from .automations import Automations
from .filters import matches, parse_filter
from .records import World
from .registry import Refused, Registry
from .switches import Switches


@dataclass(frozen=True, slots=True)
class Context:
    """What every view reads."""

    registry: Registry
    automations: Automations
    switches: Switches

    def show(self, record: Any) -> "View | None":
        """The view of a record; None of None."""
        return None if record is None else View.of[type(record)](self, record)


class View:
    """A record, as GraphQL shows it."""

    of: ClassVar[dict[type, "type[View]"]] = {}
    """The views by the type of their records."""

    typename = ""

    def __init__(self, context: Context, record: Any) -> None:
        self.context = context
        self.record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)

    @property
    def world(self) -> World:
        """Everything that there is."""
        return self.context.registry.world

    def show(self, record: Any) -> Any:
        """The view of another record; None of None."""
        return self.context.show(record)

    def searched(self) -> dict[str, Any]:
        """What filters of lists can ask for."""
        return {"id": self.id, "name": self.name}


def shows(record: type) -> Callable[[type[View]], type[View]]:
    """Makes a class the view of a type of records."""

    def register(view: type[View]) -> type[View]:
        View.of[record] = view
        return view

    return register


def filtered(views: Iterable[Any], text: str | None) -> list[Any]:
    """Those that a filter in a JSON string matches; 400 for one that is none."""
    try:
        wanted = parse_filter(text)
        return [one for one in views if matches(wanted, one.searched())]
    except (TypeError, ValueError) as error:
        raise Refused(400, f"invalid filters: {error}") from error
