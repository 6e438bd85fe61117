"""LoRA adapters at a service that takes them with create and update: the probe is the proof."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from tests.harness import Project, endpoint, writes
from tests.test_adapters import ROUTES, change, manifest, seen, the_id

SETTINGS = 'adapters: {{"{url}": {{rest: {{field: {field}, item: {item}}}}}}}\n'


def configured(project: Project, field: str = "adapters", item: str = "route") -> None:
    text = SETTINGS.format(url=project.url, field=field, item=item)
    project.write(text, "friendli-iac.yaml")


def bodies(emulator: Emulator, method: str) -> list[Any]:
    path = "/dedicated/beta/endpoint"
    return [
        one["body"]
        for one in emulator.requests
        if one["method"] == method and one["path"].startswith(path)
    ]


@pytest.fixture
def served(project: Project, emulator: Emulator) -> Project:
    """A project whose service takes adapters, with an endpoint that has one."""
    configured(project)
    emulator.set_options(adapters_key="adapters")
    project.write(manifest("legal"))
    done = project.apply()
    assert done.code == 0, done
    return project


def test_it_is_sent_and_proved(served: Project, emulator: Emulator) -> None:
    (body,) = bodies(emulator, "POST")
    assert body["adapters"] == ["legal"]
    assert seen(served) == {"legal": "served"}
    assert served.run("plan", "--detailed-exitcode").code == 0
    emulator.clear_requests()
    served.write(manifest(*ROUTES))
    planned = change(served)
    assert planned["action"] == "update"
    assert planned["manual"] == planned["beware"] == []
    (field,) = [f for f in planned["fields"] if f["path"] == "sentAdapters"]
    assert field["source"] == "main.yaml:10"
    done = served.apply()
    assert done.code == 0, done
    assert "unverified" not in done.out
    (body,) = bodies(emulator, "PUT")
    assert body["adapters"] == list(ROUTES)
    assert served.run("plan", "--detailed-exitcode").code == 0


def test_an_empty_list_takes_them_away(served: Project, emulator: Emulator) -> None:
    served.write(endpoint(more="  adapters: []\n"))
    done = served.apply()
    assert done.code == 0, done
    assert emulator.endpoint_adapters(the_id(served)) == []
    assert served.run("plan", "--detailed-exitcode").code == 0


def test_left_out_they_are_sent_as_before_and_the_plan_says_so(
    served: Project, emulator: Emulator
) -> None:
    served.write(endpoint(batch=32))
    said = served.run("plan").out
    assert "→ (not managed)" in said
    assert "(none)" not in said
    assert served.apply().code == 0
    assert bodies(emulator, "PUT")[-1]["adapters"] == ["legal"]


@pytest.mark.parametrize("item", ["route", "{route: route, hf: repo, at: revision}"])
def test_the_shape_is_configured(project: Project, emulator: Emulator, item: str) -> None:
    configured(project, "engine.lora.adapters", item)
    emulator.set_options(adapters_key="engine.lora.adapters")
    project.write(manifest("legal"))
    done = project.apply()
    assert done.code == 0, done
    (body,) = bodies(emulator, "POST")
    objects = [{"route": "legal", "hf": "acme/legal-lora"}]
    assert body["engine"] == {"lora": {"adapters": ["legal"] if item == "route" else objects}}


def test_what_cannot_be_told_is_refused(project: Project, emulator: Emulator) -> None:
    configured(project, item="repo")
    project.write(manifest("legal").replace("huggingFace: {repo: acme/legal-lora}", "folder: x"))
    done = project.apply()
    assert done.code == 5, done
    assert "takes adapters by their repo, and legal says none" in done.err
    assert writes(emulator) == []


def test_beside_what_we_send_ourselves(project: Project, emulator: Emulator) -> None:
    configured(project, "advanced.adapters")
    project.write(manifest("legal"))
    project.apply()
    (body,) = bodies(emulator, "POST")
    assert body["advanced"]["adapters"] == ["legal"]
    assert body["advanced"]["max_batch_size"] == 64


def test_a_service_that_ignores_it_has_failed(project: Project, emulator: Emulator) -> None:
    """The API said 200 to a key that it does not know."""
    configured(project)
    project.write(manifest("legal"))
    done = project.apply()
    assert done.code == 4, done
    assert "does not serve legal" in done.out + done.err
    assert emulator.endpoints()[0]["status"] == "TERMINATED"
    assert project.run("plan").out.count("held off")


def test_an_update_that_is_ignored_is_rolled_back(served: Project, emulator: Emulator) -> None:
    emulator.set_options(adapters_key=None)
    emulator.clear_requests()
    served.write(manifest(*ROUTES))
    done = served.apply()
    assert done.code == 10, done
    assert "does not serve support-tone" in done.out + done.err
    tried, back = bodies(emulator, "PUT")
    assert tried["adapters"] == list(ROUTES)
    assert back["adapters"] == ["legal"]
    emulator.clear_requests()
    again = served.apply()
    assert again.code == 5, again  # held off until the manifest says something else
    assert bodies(emulator, "PUT") == []


def test_the_first_ones_fail_and_are_taken_away(project: Project, emulator: Emulator) -> None:
    configured(project)
    project.write(endpoint())
    assert project.apply().code == 0
    project.write(manifest("legal"))
    done = project.apply()
    assert done.code == 10, done
    assert bodies(emulator, "PUT")[-1]["adapters"] == []


def test_what_sleeps_is_not_asked(served: Project, emulator: Emulator) -> None:
    served.write(manifest(*ROUTES))
    emulator.clear_requests()
    emulator.on_request(
        "GET", "/status", lambda: emulator.set_status(the_id(served), "SLEEPING"), count=None
    )
    done = served.apply()
    assert done.code == 0, done
    assert "unverified, for it is not readable: sentAdapters" in done.out
    assert emulator.inferences == []
    assert change(served)["action"] == "verify"


def test_asked_when_it_is_awake_again(served: Project, emulator: Emulator) -> None:
    """It slept before it could be asked, and the service had ignored what was sent."""
    emulator.set_options(adapters_key=None)
    served.write(manifest(*ROUTES))
    emulator.on_request(
        "GET", "/status", lambda: emulator.set_status(the_id(served), "SLEEPING"), count=None
    )
    assert served.apply().code == 0
    emulator.clear_faults()
    emulator.set_status(the_id(served), "RUNNING")
    emulator.clear_requests()
    done = served.apply()
    assert done.code == 4, done
    assert "it was sent, and" in done.out
    assert "friendli-iac rollback Endpoint/chat" in done.out
    assert bodies(emulator, "PUT") == []


def test_from_rest_to_manual_nothing_is_sent_any_more(served: Project, emulator: Emulator) -> None:
    (served.root / "friendli-iac.yaml").write_text("")
    served.write(manifest("legal", batch=32))
    emulator.clear_requests()
    done = served.apply()
    assert done.code == 0, done
    (body,) = bodies(emulator, "PUT")
    assert "adapters" not in body


def test_killed_before_the_proof_it_is_gone_on_with(project: Project, emulator: Emulator) -> None:
    configured(project)
    emulator.set_options(adapters_key="adapters")
    project.write(manifest("legal"))
    assert project.apply("--no-wait").code == 0
    assert change(project)["action"] == "verify"
    done = project.apply()
    assert done.code == 0, done
    assert seen(project) == {"legal": "served"}
    assert [w for w in writes(emulator) if "beta" in w] == ["POST /dedicated/beta/endpoint"]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ('adapters: {"https://a.example": auto}', "1:33", "neither manual nor rest"),
        ('adapters: {"llm.example.com": manual}', "1:12", "is not the address of a service"),
        ('adapters: {"https://a.example": {rest: {}}}', "1:40", "rest needs field"),
        ('adapters: {"https://a.example": {rest: {field: a b}}}', "1:48", "is no path of keys"),
        ('adapters: {"https://a.example": {rest: {field: name}}}', "1:48", "another field"),
        (
            'adapters: {"https://a.example": {rest: {field: advanced.max_batch_size}}}',
            "1:48",
            "another field",
        ),
        ('adapters: {"https://a.example": {rest: {field: simplescale.a}}}', "1:48", "another"),
        ('adapters: {"https://a.example": {rest: {field: 3}}}', "1:48", "must be text"),
        ('adapters: {"https://a.example": {rest: {field: a, item: id}}}', "1:57", 'not "id"'),
        ('adapters: {"https://a.example": {rest: {field: a, item: {x: z}}}}', "1:61", 'not "z"'),
        (
            'adapters: {"https://a.example": {rest: {field: a, item: {x: repo}}}}',
            "1:57",
            "no key of item holds the route",
        ),
        ('adapters: {"https://a.example": {rest: {feild: a}}}', "1:41", "feild"),
        ("adapters: [manual]", "1:11", "must be a block of keys"),
    ],
)
def test_settings_that_make_no_sense(project: Project, text: str, place: str, says: str) -> None:
    project.write(text, "friendli-iac.yaml")
    project.write(endpoint())
    checked = project.run("validate")
    assert checked.code == 1, checked
    said = checked.out + checked.err
    assert f"friendli-iac.yaml:{place}" in said
    assert says in said


def test_another_service_is_another_word(project: Project, emulator: Emulator) -> None:
    text = SETTINGS.format(url="https://llm.example.com", field="adapters", item="route")
    project.write(text, "friendli-iac.yaml")
    project.write(manifest("legal"))
    done = project.apply()
    assert done.code == 11, done
    assert "adapters" not in bodies(emulator, "POST")[0]
