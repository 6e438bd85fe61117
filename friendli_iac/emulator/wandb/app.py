"""`POST /graphql`: who asks, and what is answered."""

import base64
import binascii
import json
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .views import Context

_KEY = re.compile(r"(\w+-)?[-\w]{40,}")  # what the SDK takes for a key


async def graphql(context: Context, request: Request) -> Response:
    """401 without a key that is known, 400 for what is no GraphQL."""
    if not _known(request.headers.get("authorization", ""), context.switches.keys):
        return JSONResponse({"errors": [{"message": "user is not logged in"}], "data": None}, 401)
    raw_body = await request.body()
    try:
        body = json.loads(raw_body)
    except ValueError as error:
        return JSONResponse({"errors": [{"message": f"invalid JSON: {error}"}]}, 400)
    from .execution import execute

    with context.registry.store.lock:
        answer = execute(context, body)
        return JSONResponse(answer.body, answer.status)


def _known(authorization: str, keys: set[str]) -> bool:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, key = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if user != "api":
            return False
    elif scheme.lower() == "bearer":
        key = value
    else:
        return False
    return key in keys if keys else _KEY.fullmatch(key) is not None
