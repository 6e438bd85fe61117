"""A typo never makes a resource disappear, and nobody complains about the YAML of other tools."""

from __future__ import annotations

import codecs
import time
from pathlib import Path

import pytest

from friendli_iac.manifest.ours import may_be_ours, text_is_ours
from tests.manifest_files import ENDPOINT, POLICY, at, endpoint, load, only, problems, write


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


VERSION, KIND = "apiVersion: friendli-iac/v1", "kind: Endpoint"

# What stands for the first two lines of a document, and a word of what is said about it.
TYPOS = {
    "apiversion: friendli-iac/v1\nkind: Endpoint": "did you mean apiVersion?",
    "api_version: friendli-iac/v1\nkind: Endpoint": "did you mean apiVersion?",
    "ApiVersion: friendli-iac/v1\nkind: Endpoint": "did you mean apiVersion?",
    "apiVerison: friendli-iac/v1\nkind: Endpoint": "did you mean apiVersion?",
    "version: friendli-iac/v1\nkind: Endpoint": "did you mean apiVersion?",
    "apiversion: friendli-iac/v1\nknd: Endpoint": "did you mean apiVersion?",
    "apiVersion: frendli-iac/v1\nkind: Endpoint": "did you mean friendli-iac/v1?",
    "apiVersion: friendly-iac/v1\nkind: Endpoint": "did you mean friendli-iac/v1?",
    "apiVersion: freindli-iac/v1\nkind: Endpont": "did you mean friendli-iac/v1?",
    "apiVersion: friendli_iac/v1\nkind: Endpoint": "did you mean friendli-iac/v1?",
    "apiVersion: friendli/v1\nkind: Nothing": "did you mean friendli-iac/v1?",
    "apiVersion: iac/v1\nkind: Endpoint": "did you mean friendli-iac/v1?",
    "apiVersion: v1\nkind: Endpoint": "write apiVersion: friendli-iac/v1",
    "apiVersion: [friendli-iac/v1]\nkind: Endpoint": "write apiVersion: friendli-iac/v1",
    "apiVersion: 1.\nkind: Endpoint": "quote it",
    "kind: Endpoint": "add apiVersion: friendli-iac/v1",
    "kind: endpoint": "add apiVersion: friendli-iac/v1",
    "kind: Endpoints": "add apiVersion: friendli-iac/v1",
    "Kind: Endpoint": "add apiVersion: friendli-iac/v1",
    "kind: AutoscalingPolcy": "add apiVersion: friendli-iac/v1",
    "apiVersion: friendli-iac/v1": "add kind: Endpoint",
    "apiVersion: friendli-iac/v1\nknd: Endpoint": "did you mean kind?",
    "apiVersion: friendli-iac/v1\nkind: Endpiont": "did you mean Endpoint?",
}


@pytest.mark.parametrize("head", TYPOS)
def test_a_misspelt_document_is_reported(tmp_path: Path, head: str) -> None:
    document = ENDPOINT.replace(f"{VERSION}\n{KIND}", head)
    write(tmp_path, good=endpoint("good"), bad=document)
    found = problems(tmp_path)
    assert {problem.file for problem in found} == {"bad.yaml"}
    assert TYPOS[head] in found[0].remedy


def test_a_version_on_the_next_line_is_one(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT.replace("apiVersion: ", "apiVersion: >-\n  "))
    assert load(tmp_path).resources


def test_documents_in_a_list_are_reported(tmp_path: Path) -> None:
    indented = "".join(f"  {line}\n" for line in ENDPOINT.splitlines())
    write(tmp_path, good=endpoint("good"), bad="-" + indented[1:])
    assert (only(tmp_path).file, only(tmp_path).rule) == ("bad.yaml", "type")


BROKEN = [
    ENDPOINT + "  a: b: c\n",
    ENDPOINT.replace("apiVersion", "apiversion") + "  a: b: c\n",
    ENDPOINT.replace("friendli-iac", "frendli-iac") + "  a: b: c\n",
    ENDPOINT.replace(VERSION, "apiVersion: >-\n  friendli-iac/v1") + "  a: b: c\n",
    ENDPOINT.replace(f"{VERSION}\n", "") + "  a: b: c\n",
    ENDPOINT.replace(VERSION, "apiVersion: v1") + "  a: b: c\n",
    " " + ENDPOINT,
    '{"apiVersion": "friendli-iac/v1", "kind": "Endpoint"',
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_document_is_reported(tmp_path: Path, text: str) -> None:
    write(tmp_path, good=endpoint("good"), bad=text)
    assert (only(tmp_path).file, only(tmp_path).rule) == ("bad.yaml", "yaml-syntax")


FOREIGN = {
    "deployment": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chat}\nspec: {}\n",
    "endpoints": "apiVersion: v1\nkind: Endpoints\nmetadata: {name: chat}\nsubsets: []\n",
    "slice": "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: chat}\n",
    "crossplane": "apiVersion: sagemaker.aws.upbound.io/v1beta1\nkind: Endpoint\nspec: {}\n",
    "operator": "apiVersion: friendli.ai/v1\nkind: Endpoint\nmetadata: {name: chat}\n",
    "versions": "apiVersion: a.example/v1\nversion: 1.2\nkind: Endpoint\n",
    "volcano": "apiVersion: workload.serving.volcano.sh/v1alpha1\nkind: AutoscalingPolicy\n",
    "helm": "apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: {{ .Values.name }}\n{{- if x }}\n",
    "chart": "apiVersion: v2\nname: friendli-iac\nversion: 1.2.3\n",
    "compose": "version: '3'\nservices:\n  app: {image: friendli-iac}\n",
    "workflow": "name: friendli-iac\non: push\njobs:\n  plan:\n    run: friendli-iac plan\n",
    "broken": "run: friendli-iac plan\n\tkind: {\n",
    "embedded": "apiVersion: v1\nkind: ConfigMap\ndata:\n  chat: |\n"
    + "".join(f"    {line}\n" for line in ENDPOINT.splitlines()),
    "list": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Endpoints\n",
    "playbook": "- hosts: all\n  tasks: [{shell: friendli-iac apply}]\n",
    "comment": "# " + ENDPOINT.replace("\n", "\n# ") + "\n",
    "words": "kind: of\nversion: 2\nfriend: iac\n",
    "scalar": "friendli-iac\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_yaml_of_other_tools_is_left_alone(tmp_path: Path, name: str) -> None:
    write(tmp_path, chat=ENDPOINT, other=FOREIGN[name])
    assert len(load(tmp_path).resources) == 1
    # Nor is it when the file cannot be decoded, or is too large.
    (tmp_path / "other.yaml").write_bytes(FOREIGN[name].encode() + b"# Andr\xe9\n")
    assert len(load(tmp_path).resources) == 1
    write(tmp_path, other=FOREIGN[name] + "---\n" * 21_000)
    assert len(load(tmp_path).resources) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE])
def test_another_encoding_is_a_problem(tmp_path: Path, encoding: str, mark: bytes) -> None:
    write(tmp_path, good=endpoint("good"))
    (tmp_path / "bad.yaml").write_bytes(mark + ENDPOINT.encode(encoding))
    assert (only(tmp_path).file, only(tmp_path).rule) == ("bad.yaml", "encoding")
    (tmp_path / "bad.yaml").write_bytes(mark + FOREIGN["deployment"].encode(encoding))
    assert len(load(tmp_path).resources) == 1


def test_a_misspelt_latin_file_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, good=endpoint("good"))
    text = POLICY.replace("apiVersion", "apiversion").encode() + b"# Andr\xe9\n"
    (tmp_path / "bad.yaml").write_bytes(text)
    assert (only(tmp_path).rule, at(only(tmp_path))) == ("encoding", (5, 7))


@pytest.mark.parametrize(
    "char", [" ", "a", "\t", "-", "a:", "kind", "kind:", "kind: ", "a: \n", "'"]
)
def test_telling_takes_no_longer_than_reading(char: str) -> None:
    text = (char * (2 * 2**20))[: 2 * 2**20]
    begin = time.process_time()
    assert not text_is_ours(text)
    assert not may_be_ours(text.encode())
    assert time.process_time() - begin < 10
