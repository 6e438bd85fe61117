"""`GET /v1/team/cost` (OpenAPI 2026-07-22): what the team's endpoints cost, day by day."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from .catalog import CENTS_PER_GPU_HOUR, INSTANCE_OPTIONS
from .model import SERVING, Endpoint, Json, replicas_when_serving
from .paging import decode_cursor, encode_cursor
from .validation import problem, unprocessable

_DAY = timedelta(days=1)
_DEFAULT_LIMIT = 7
_MAXIMUM_LIMIT = 35


def cost_report(query: Mapping[str, str], endpoints: Iterable[Endpoint], now: float) -> Json:
    """`{has_more, next_page, data: [{start_time, end_time, results: [{total, …}]}]}`.

    `total` is in USD, `quantity` in GPU-hours, `unit_price` in cents per GPU-hour, all as text.
    The emulator bills an endpoint by the machines it shows now, from serving to not serving.
    """
    start = _midnight(query, "start_time")
    end = _midnight(query, "end_time")
    _within(start, end, datetime.fromtimestamp(now, UTC))
    for key, only in (("bucket_width", "1d"), ("group_by", "line_item")):
        if query.get(key, only) != only:
            message = f"Input should be '{only}'"
            raise unprocessable(problem(("query", key), "enum", message))
    limit = _limit(query.get("limit"))
    by_line = query.get("group_by") == "line_item"
    if page := decode_cursor(query.get("page")):
        start = datetime.fromtimestamp(page, UTC)

    days = [start + i * _DAY for i in range(max(0, (end - start).days))]
    known = list(endpoints)
    return {
        "has_more": len(days) > limit,
        "next_page": encode_cursor(int(days[limit].timestamp())) if len(days) > limit else None,
        "data": [
            {
                "start_time": _text(day),
                "end_time": _text(day + _DAY),
                "results": _results(known, day.timestamp(), now, by_line=by_line),
            }
            for day in days[:limit]
        ],
    }


def _results(endpoints: list[Endpoint], start: float, now: float, *, by_line: bool) -> list[Json]:
    end = start + _DAY.total_seconds()
    lines = []
    for endpoint in endpoints:
        option = INSTANCE_OPTIONS[endpoint.settings["instanceOptionId"]]
        gpus = option.gpu_count * replicas_when_serving(endpoint.settings)
        seconds = sum(
            max(0.0, min(until, end) - max(since, start)) for since, until in _served(endpoint, now)
        )
        if seconds:
            hours = gpus * seconds / 3600
            cents = CENTS_PER_GPU_HOUR.get(option.gpu_type, 0)
            lines.append((f"{endpoint.id}, {option.gpu_type}, gpu time cost", hours, cents))
    if not by_line:
        return [{"total": f"{sum(hours * cents for _, hours, cents in lines) / 100:.6f}"}]
    return [
        {
            "total": f"{hours * cents / 100:.6f}",
            "quantity": f"{hours:.6f}",
            "unit_price": str(cents),
            "line_item": line,
        }
        for line, hours, cents in lines
    ]


def _served(endpoint: Endpoint, now: float) -> Iterator[tuple[float, float]]:
    ends = [moment.at for moment in endpoint.past[1:]] + [now]
    for moment, until in zip(endpoint.past, ends, strict=True):
        if moment.status in SERVING:
            yield moment.at, until


def _midnight(query: Mapping[str, str], key: str) -> datetime:
    location = ("query", key)
    if key not in query:
        raise unprocessable(problem(location, "missing", "Field required"))
    try:
        moment = datetime.fromisoformat(query[key])
    except ValueError:
        message = "Input should be a valid datetime"
        raise unprocessable(problem(location, "datetime_from_date_parsing", message)) from None
    if moment.utcoffset() is None or moment.astimezone(UTC).time().replace(tzinfo=None) != _ZERO:
        message = "Value error, the time must be midnight UTC"
        raise unprocessable(problem(location, "value_error", message))
    return moment.astimezone(UTC)


_ZERO = datetime.min.time()


def _within(start: datetime, end: datetime, now: datetime) -> None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if start < today - timedelta(days=365):
        message = "Value error, the time must be no earlier than one year ago"
        raise unprocessable(problem(("query", "start_time"), "value_error", message))
    if end > today + _DAY:
        message = "Value error, the time must not be later than midnight UTC of the next day"
        raise unprocessable(problem(("query", "end_time"), "value_error", message))


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= _MAXIMUM_LIMIT:
        message = f"Input should be an integer between 1 and {_MAXIMUM_LIMIT}"
        raise unprocessable(problem(("query", "limit"), "int_parsing", message))
    return int(text)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
