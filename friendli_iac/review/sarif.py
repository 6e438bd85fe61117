"""Problems and findings as SARIF 2.1.0, for code scanning and other collectors of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from friendli_iac import __version__
from friendli_iac.core.canonical import digest
from friendli_iac.core.finding import Finding
from friendli_iac.errors import Problem
from friendli_iac.resources.policy import RULES
from friendli_iac.review.diagnostics import Diagnostic, Locate, diagnostics

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "SRCROOT"

# What is wrong with a manifest, by the rule of the problem. Ids are never renamed.
_MANIFESTS = {
    "address": "A text that should be an address, such as Endpoint/chat, is none.",
    "ambiguous-scalar": "YAML readers disagree on what a value means.",
    "api-version": "A document has no apiVersion that is known.",
    "artifact": "A text cannot be the name of an artifact.",
    "automation": "What an automation sends, and when, makes no sense.",
    "dangling-reference": "A reference names a template that is not there.",
    "dependency": "dependsOn names a resource that is not there.",
    "dependency-cycle": "dependsOn goes in a circle.",
    "disagreement": "Two resources cannot both be as they are wanted.",
    "doubtful": "Something is allowed, and may not be meant.",
    "duplicate-address": "Two documents have one address.",
    "duplicate-key": "A key is written twice.",
    "duplicate-name": "Two resources have one name in one project.",
    "duration": "A value that should be a duration, such as 5m, is none.",
    "empty": "A value is empty.",
    "encoding": "A file has bytes or characters that YAML does not allow.",
    "env-not-allowed": "A manifest asks for an environment variable that it may not see.",
    "environment": "An environment is not declared.",
    "environments": "The environments of a project contradict one another.",
    "exclusive": "Keys that exclude each other stand together.",
    "expiry": "A value that should be a time or a date is none.",
    "file": "A file cannot be read.",
    "instance": "No such instance of a GPU exists.",
    "merge-key": "A YAML merge key is used.",
    "missing-variable": "A variable has no value.",
    "name": "A text cannot be a name.",
    "no-manifests": "There is no manifest.",
    "one-required": "One of several keys is required.",
    "outside": "A path leads out of the project.",
    "pattern": "A text does not have the form that is asked for.",
    "policy": "A policy cannot be read.",
    "prices": "A price cannot be read.",
    "range": "A value is too small, too large, or none of those that are allowed.",
    "regex": "A text is no regular expression.",
    "replicas": "The fewest and the most replicas contradict each other.",
    "required": "A key that is required is missing.",
    "too-deep": "Blocks are nested too deeply.",
    "too-large": "A file is too large.",
    "type": "A value is of another type than is asked for.",
    "unknown-key": "A key is not known.",
    "unknown-kind": "A kind is not known.",
    "unknown-rule": "A rule of a policy is not known.",
    "url": "An address cannot be used.",
    "variable": "A variable is not declared, or is not used.",
    "yaml-syntax": "A file is no YAML.",
}


def render_sarif(
    problems: Sequence[Problem], findings: Sequence[Finding] = (), locate: Locate = str
) -> dict[str, Any]:
    """One run with a result for each. Paths are relative to the root of the repository; what is not
    in it has no location but a name. A fingerprint stays when lines move.
    """
    found = diagnostics(problems, findings)
    rules = sorted({one.rule for one in found})
    seen: Counter[str] = Counter()
    results = []
    for one in found:
        uri = locate(one.file) if one.file else ""
        mark = _fingerprint(one, uri)
        seen[mark] += 1  # the same twice in one file
        results.append(_result(one, uri, rules.index(one.rule), f"{mark}:{seen[mark]}"))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "friendli-iac",
                        "version": __version__,
                        "semanticVersion": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    ROOT: {"description": {"text": "The root of the repository."}}
                },
                "results": results,
            }
        ],
    }


def _rule(id: str) -> dict[str, Any]:
    kind = RULES.get(id)
    about = (
        kind.description if kind else _MANIFESTS.get(id, "A value in a manifest makes no sense.")
    )
    return {
        "id": id,
        "name": "".join(word[:1].upper() + word[1:] for word in id.split("-")),
        "shortDescription": {"text": about.replace("`", "")},
        "help": {"text": "A rule of a policy." if kind else "A check of the manifests."},
        "defaultConfiguration": {"level": "error"},
    }


def _result(one: Diagnostic, uri: str, index: int, fingerprint: str) -> dict[str, Any]:
    text = f"{one.text}: {one.remedy}" if one.remedy else one.text
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": one.severity,
        # `[text](link)` would be a link, and may come from a pull request.
        "message": {"text": text.replace("](", "] (")},
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
    }
    if uri:
        result["locations"] = [_location(one, uri)]
    if one.finding and one.finding.exempt:
        why = {"kind": "external", "status": "accepted", "justification": one.finding.exempt}
        result["suppressions"] = [why]
    return result


def _location(one: Diagnostic, uri: str) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(uri), "uriBaseId": ROOT}}
    if one.line:
        region: dict[str, Any] = {"startLine": one.line}
        if one.column:
            region["startColumn"] = one.column
        if one.snippet:
            region["snippet"] = {"text": one.snippet}
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if one.finding and one.finding.address:
        whole = ".".join(filter(None, [one.finding.address, one.finding.path]))
        location["logicalLocations"] = [{"fullyQualifiedName": whole, "kind": "resource"}]
    return location


def _fingerprint(one: Diagnostic, uri: str) -> str:
    """What makes it this one, wherever its line is."""
    found = one.finding
    about = [found.address, found.path, found.origin.rpartition(":")[0]] if found else []
    what = one.snippet.strip() or ("" if found else one.message)
    return digest([one.rule, uri, *about, what], 16)
