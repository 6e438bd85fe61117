"""GraphQL over HTTP: reads that may be repeated, mutations that are sent once, errors as data.

A GraphQL server may answer 200 and still say no. That nothing was done follows only from what says
so: a request that does not fit the schema is not carried out
(https://spec.graphql.org/October2021/#sec-Errors), and some codes mean a refusal. Any other error
may have come after the effect, also one without `data`: so graph-gophers/graphql-go answers
(`internal/exec/exec.go`) when the time is up.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from friendli_iac.clients import answers
from friendli_iac.clients.http import MAX_DETAIL, Http
from friendli_iac.errors import UNKNOWN_REQUEST, ApiError, AuthError, NotFound, Unreachable

PATH = "/graphql"

# What refuses, and the status of HTTP that says the same. From Apollo's and gqlgen's documents;
# PERMISSION_ERROR is W&B's own (wandb/weave, pull request 7373); those of 409 are inferred.
_REFUSED = {
    "GRAPHQL_PARSE_FAILED": 400,
    "GRAPHQL_VALIDATION_FAILED": 400,
    "BAD_USER_INPUT": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "PERMISSION_ERROR": 403,
    "ALREADY_EXISTS": 409,
    "CONFLICT": 409,
}
_PASSING = ("INTERNAL_SERVER_ERROR", "RATE_LIMITED")  # a read may be answered the next time

# Not every server has a code for this: these are the words of GraphQL's reference implementation,
# which those in other languages repeat.
_UNKNOWN = re.compile(
    r"cannot query field|unknown (argument|type|fragment|field)|is not defined by type", re.I
)
_OPERATION = re.compile(r"\s*(query|mutation)\s+(\w+)")

Data = dict[str, Any]


class GraphQL(Http):
    """One server, which threads share."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        secrets: tuple[str, ...],
        service: str,
        variable: str,
        mend: tuple[str, str],
        sleep: Callable[[float], None] = time.sleep,
        trace: Callable[[str, str, int, float], None] = lambda method, path, status, seconds: None,
    ) -> None:
        """`variable` is where the address is from; `mend` says what to do about a key that cannot
        be used, and about a request that is not allowed.
        """
        self.variable = variable
        self.mend_token, self._forbidden = mend
        self._service = service
        self._asked = threading.local()

        def traced(method: str, path: str, status: int, seconds: float) -> None:
            trace(method, f"{path} {self._operation}", status, seconds)

        super().__init__(base_url, headers, secrets=secrets, sleep=sleep, trace=traced)

    def query(self, document: str, variables: Mapping[str, Any] | None = None) -> Data:
        """What a query comes to. Raises ApiError and its children."""
        body = self._body(document, variables)
        return self._repeated(lambda: self._data(self._once("POST", PATH, None, body, {})))

    def mutate(self, document: str, variables: Mapping[str, Any]) -> Data:
        """Sends a mutation, once. Unreachable: whether it took effect is not known."""
        return self._data(self.send("POST", PATH, self._body(document, variables)))

    @property
    def _operation(self) -> str:
        return str(getattr(self._asked, "operation", ""))

    def _body(self, document: str, variables: Mapping[str, Any] | None) -> Data:
        match = _OPERATION.match(document)
        self._asked.operation = match[2] if match else ""
        self._asked.mutation = bool(match and match[1] == "mutation")
        return {
            "query": document,
            "variables": dict(variables or {}),
            "operationName": self._operation or None,
        }

    def _data(self, answer: Data) -> Data:
        data, errors = answer.get("data"), _errors(answer)
        if errors:
            raise self._told(200, errors, answer)
        if not isinstance(data, dict):
            raise self._no_answer("an answer without data")
        return data

    def _error(self, answer: httpx.Response, content: bytes, method: str, path: str) -> ApiError:
        error = super()._error(answer, content, method, f"{path} {self._operation}".rstrip())
        if isinstance(error, Unreachable):
            return error
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            said = {}
        said = said if isinstance(said, dict) else {}
        errors = _errors(said) or [{"message": answers.detail(content)}]
        return self._told(answer.status_code, errors, said)

    def _told(self, status: int, errors: list[Data], answer: Data) -> ApiError:
        """What an answer with errors comes to."""
        codes = [_code(error) for error in errors]
        if self._asked.mutation:
            done = _is_done(answer) or any(_is_below(error) for error in errors)
            unsure = done or (status == 200 and not all(_refuses(error) for error in errors))
        else:
            unsure = any(code in _PASSING for code in codes)
        if unsure:
            return self._no_answer(self._said(errors))
        if status == 200:
            status = max((_REFUSED.get(code, 0) for code in codes), default=0) or 200
        return self._refused(status, errors)

    def _no_answer(self, what: str) -> Unreachable:
        return Unreachable(f"{self._service}: {self._operation}: {what}", method="POST", path=PATH)

    def _refused(self, status: int, errors: list[Data]) -> ApiError:
        message = self._message(errors)
        where: dict[str, Any] = {"status": status, "method": "POST", "path": PATH}
        safe = "The request was refused; it had no effect."
        if status == 401:
            return AuthError(message, **where, safe=safe, next=self.mend_token)
        if status == 403:
            return AuthError(message, **where, safe=safe, next=self._forbidden)
        if status == 404:
            return NotFound(message, **where)
        reason = UNKNOWN_REQUEST if any(_is_unknown(error) for error in errors) else ""
        return ApiError(
            message,
            **where,
            reason=reason,
            safe=safe,
            next="This server does not know the request: it may be of an older version."
            if reason
            else "Mend what the answer names, and try again.",
        )

    def _message(self, errors: list[Data]) -> str:
        return f"{self._service}: {self._operation}: {self._said(errors)}"

    def _said(self, errors: list[Data]) -> str:
        said = "; ".join(str(error.get("message") or error) for error in errors)
        # First without secrets, then cut: half a key would not be found.
        return self._redact(said)[:MAX_DETAIL]


def _errors(answer: Data) -> list[Data]:
    found = answer.get("errors")
    if not isinstance(found, list):
        return []
    return [error if isinstance(error, dict) else {"message": str(error)} for error in found]


def _code(error: Data) -> str:
    extensions = error.get("extensions")
    return str(extensions.get("code") or "") if isinstance(extensions, dict) else ""


def _is_unknown(error: Data) -> bool:
    known = _code(error) == "GRAPHQL_VALIDATION_FAILED"
    return known or _UNKNOWN.search(str(error.get("message") or "")) is not None


def _refuses(error: Data) -> bool:
    """Whether nothing can have been done, by what an error of a mutation says."""
    return _code(error) in _REFUSED or (not error.get("path") and _is_unknown(error))


def _is_below(error: Data) -> bool:
    """Whether an error is of what a mutation answers with: that comes after its effect."""
    path = error.get("path")
    return path is not None and not (isinstance(path, list) and len(path) <= 1)


def _is_done(answer: Data) -> bool:
    """Whether an answer to a mutation says what came of it, whatever else it says."""
    data = answer.get("data")
    return isinstance(data, dict) and any(value is not None for value in data.values())
