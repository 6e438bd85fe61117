"""Carries GraphQL requests out, over the views. Apart, for graphql-core takes a while to import."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from graphql import (
    REMOVE,
    DocumentNode,
    FieldDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    Visitor,
    build_ast_schema,
    execute_sync,
    parse,
    specified_rules,
    validate,
    visit,
)

from . import places, versions  # noqa: F401 - so that their views are known
from .mutations import Mutation
from .places import Query
from .records import Json
from .registry import Refused
from .views import Context


@dataclass(frozen=True, slots=True)
class Answer:
    """The HTTP status and the JSON body of an answer."""

    status: int
    body: Json


def execute(context: Context, request: Any) -> Answer:
    """The answer to `{query, variables, operationName}`. An empty operationName is none."""
    if not isinstance(request, Mapping) or not isinstance(request.get("query"), str):
        return _refusal(400, [GraphQLError("the body is to be an object with a query")])
    switches = context.switches
    schema = _schema(frozenset(switches.offers))
    try:
        document = parse(request["query"])
    except GraphQLError as error:
        return _refusal(400, [error])
    rules = [
        *specified_rules,
        *([] if switches.introspection else [NoSchemaIntrospectionCustomRule]),
    ]
    if errors := validate(schema, document, rules):
        return _refusal(400, errors)
    roots = {"query": Query(context, None), "mutation": Mutation(context, None)}
    name = request.get("operationName") or None
    result = execute_sync(
        schema,
        document,
        roots[_kind(document, name)],
        variable_values=request.get("variables") or {},
        operation_name=name,
        field_resolver=_resolve,
        type_resolver=_typename,
    )
    if not result.errors:
        return Answer(200, {"data": result.data})
    causes = [error.original_error for error in result.errors]
    refused = [cause.status for cause in causes if isinstance(cause, Refused)]
    for cause in causes:
        if not isinstance(cause, Refused | GraphQLError | None):
            raise cause  # a mistake of the emulator's own: the server answers 500
    return _refusal(max(refused, default=400), result.errors, result.data)


def _refusal(status: int, errors: list[GraphQLError], data: Any = None) -> Answer:
    # W&B quotes names in its own way; the SDK looks for `Cannot query field "x" on type "Y".`
    shown = [
        {"message": error.message.replace("'", '"'), **({"path": error.path} if error.path else {})}
        for error in errors
    ]
    return Answer(status, {"errors": shown, "data": data})


@lru_cache(maxsize=16)
def _schema(offers: frozenset[str]) -> GraphQLSchema:
    """The schema with those of its optional fields that are offered."""
    text = files(__package__).joinpath("schema.graphql").read_text()
    return build_ast_schema(visit(parse(text), _Without(offers)))


class _Without(Visitor):
    """Takes the optional fields out that are not offered."""

    def __init__(self, offers: frozenset[str]) -> None:
        super().__init__()
        self._offers = offers

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        optional = any(one.name.value == "optional" for one in node.directives or ())
        return REMOVE if optional and node.name.value not in self._offers else None


def _kind(document: DocumentNode, name: str | None) -> str:
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            named = definition.name.value if definition.name else None
            if name in (None, named):
                return definition.operation.value
    return "query"


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    if isinstance(source, Mapping):
        return source.get(info.field_name)
    value = getattr(source, _snake(info.field_name))
    if callable(value):
        return value(**{_snake(name): argument for name, argument in arguments.items()})
    return value


def _typename(source: Any, *_: Any) -> str:
    return str(source["__typename"] if isinstance(source, Mapping) else source.typename)


@lru_cache(maxsize=512)
def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
