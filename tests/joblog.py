"""What a job says to the CI system that runs it: in the files that it is given, and in its log."""

from __future__ import annotations

import re


def assignments(text: str) -> dict[str, str]:
    """What a file such as GITHUB_OUTPUT sets: `name=value`, or `name<<END`, lines, `END`."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        if several := re.fullmatch(r"([^=]*?)<<(.+)", line):
            value = []
            for more in lines:
                if more == several[2]:
                    break
                value.append(more)
            found[several[1]] = "\n".join(value)
        elif line:
            name, equals, value_ = line.partition("=")
            assert equals, f"GitHub understands no such line: {line!r}"
            found[name] = value_
    return found


def commands(log: str) -> list[tuple[str, str, str]]:
    """The commands in what a step printed, as GitHub finds them: `::name properties::value`, with
    any blanks before it, or `##[name properties]value` anywhere; but for those that stand between
    `::stop-commands::TOKEN` and `::TOKEN::`.
    """
    found, stopped = [], ""
    for line in log.splitlines():
        match = re.match(r"\s*::([\w-]+)(?:\s+(.*?))?::(.*)", line)
        match = match or re.search(r"##\[([\w-]+)(?:\s+(.*?))?\](.*)", line)
        if not match:
            continue
        name, properties, value = match[1], match[2] or "", match[3]
        if stopped:
            stopped = "" if name == stopped else stopped
        elif name == "stop-commands":
            stopped = value.strip()
        else:
            found.append((name, properties, value))
    assert not stopped, "commands stay stopped"
    return found
