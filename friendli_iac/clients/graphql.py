"""GraphQL over HTTP: reads that may be repeated, mutations that are sent once, errors as data.

A GraphQL server may answer 200 and still say no. Which refusals are certain is from the
specification (https://spec.graphql.org/October2021/#sec-Errors): a request that does not fit the
schema was not carried out; an error below the field of a mutation came after it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from friendli_iac.clients import answers
from friendli_iac.clients.http import MAX_DETAIL, Http
from friendli_iac.errors import UNKNOWN_REQUEST, ApiError, AuthError, NotFound, Unreachable

PATH = "/graphql"

# GraphQL has no codes for this: these are the words of its reference implementation, which the
# servers in other languages repeat.
_UNKNOWN = re.compile(
    r"cannot query field|unknown (argument|type|fragment|field)|is not defined by type", re.I
)
_OPERATION = re.compile(r"\s*(?:query|mutation)\s+(\w+)")

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
        mend: tuple[str, str, str],
        sleep: Callable[[float], None] = time.sleep,
        trace: Callable[[str, str, int, float], None] = lambda method, path, status, seconds: None,
    ) -> None:
        """`mend` says what to do about an address and about a key that cannot be used, and about a
        request that is not allowed.
        """
        self.mend_url, self.mend_token, self._forbidden = mend
        self._service = service
        self._asked = threading.local()

        def traced(method: str, path: str, status: int, seconds: float) -> None:
            trace(method, f"{path} {self._operation}", status, seconds)

        super().__init__(base_url, headers, secrets=secrets, sleep=sleep, trace=traced)

    def query(self, document: str, variables: Mapping[str, Any] | None = None) -> Data:
        """What a query comes to. Raises ApiError and its children."""
        body = self._body(document, variables)
        return self._repeated(lambda: self._data(self._once("POST", PATH, None, body, {}), ()))

    def mutate(self, document: str, variables: Mapping[str, Any]) -> Data:
        """Sends a mutation, once. Unreachable: whether it took effect is not known."""
        answer = self.send("POST", PATH, self._body(document, variables))
        # Below the field of the mutation: that one was carried out, and is told in part.
        done = [error for error in _errors(answer) if len(error.get("path") or ()) > 1]
        return self._data(answer, done)

    @property
    def _operation(self) -> str:
        return str(getattr(self._asked, "operation", ""))

    def _body(self, document: str, variables: Mapping[str, Any] | None) -> Data:
        match = _OPERATION.match(document)
        self._asked.operation = match[1] if match else ""
        return {
            "query": document,
            "variables": dict(variables or {}),
            "operationName": self._operation or None,
        }

    def _data(self, answer: Data, done: Sequence[Data]) -> Data:
        """`done` are errors after which it is not known what took effect."""
        data, errors = answer.get("data"), _errors(answer)
        if done:
            raise Unreachable(self._message(errors), method="POST", path=PATH)
        if errors:
            raise self._refused(200, errors)
        if not isinstance(data, dict):
            raise Unreachable(
                f"{self._service}: {self._operation}: an answer without data",
                method="POST",
                path=PATH,
            )
        return data

    def _error(self, answer: httpx.Response, content: bytes, method: str, path: str) -> ApiError:
        error = super()._error(answer, content, method, f"{path} {self._operation}".rstrip())
        if isinstance(error, Unreachable):
            return error
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            said = {}
        errors = _errors(said) if isinstance(said, dict) else []
        words = answers.detail(content)
        return self._refused(answer.status_code, errors or [{"message": words}])

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
        said = "; ".join(str(error.get("message") or error) for error in errors)
        # First without secrets, then cut: half a key would not be found.
        return f"{self._service}: {self._operation}: {self._redact(said)[:MAX_DETAIL]}"


def _errors(answer: Data) -> list[Data]:
    found = answer.get("errors")
    if not isinstance(found, list):
        return []
    return [error if isinstance(error, dict) else {"message": str(error)} for error in found]


def _is_unknown(error: Data) -> bool:
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else ""
    known = code == "GRAPHQL_VALIDATION_FAILED"
    return known or _UNKNOWN.search(str(error.get("message") or "")) is not None
