"""Endpoints from artifacts of Weights & Biases: aliases become versions, and keys are given.

An alias is locked to the version that it means when a plan is made. Unlike a branch of Hugging
Face, one that has moved since is a change: that is what the aliases of a registry are for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from friendli_iac.core.keys import key_of
from friendli_iac.core.moved import stands_still
from friendli_iac.core.movers import mover, movers
from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.scene import Scene, Wish
from friendli_iac.core.state import Applied, Fence, Resource, Run, State
from friendli_iac.engine.linking import with_spec
from friendli_iac.errors import ApiError, NotFound, StalePlan
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import (
    ARTIFACT,
    DIGEST,
    IDEMPOTENCY_KEY,
    MOVED_BY,
    ArtifactName,
    ArtifactVersion,
    provenance,
)
from friendli_iac.resources.base import Address, Observed, Step
from friendli_iac.resources.spec import BLANK, copied, get_path, set_path

DEPLOYS: tuple[Step, ...] = ("create", "rollout")  # the steps that send an artifact
TWICE = "two versions: first the artifact, then what W&B's route does not carry"
AT_A_TIME = 8  # requests to W&B


class Artifacts(Protocol):
    """What is asked of W&B. Raises ApiError and its children."""

    def resolve(self, name: ArtifactName) -> ArtifactVersion: ...


Answer = ArtifactVersion | ApiError  # an error that is not NotFound: W&B could not be asked


@dataclass(frozen=True)
class _Look:
    """What was learnt of the artifact of one endpoint. `answer` is None where nobody was asked, and
    `mover` the automation that rolls it out by itself, if one does. `rests`: it is to run nothing.
    """

    written: ArtifactName
    answer: Answer | None
    mover: str
    resource: Resource | None
    rests: bool = False
    listens: str = ""  # what sets that automation off, in words

    @property
    def applied(self) -> Applied:
        return self.resource.applied if self.resource else Applied({})

    @property
    def is_kept(self) -> bool:
        """Whether what was applied stays, whatever W&B says, unless it is sent anew."""
        sent = get_path(self.applied.spec, ARTIFACT)
        same = str(self.written) in (sent, self.applied.asked.get(ARTIFACT))
        return same and (bool(self.mover) or self.rests)


@dataclass
class ArtifactLink:
    """A link and a watch (`friendli_iac.engine.linking`). `wandb` gives the client, and is None
    where nothing may be asked: then what was applied is kept.
    """

    wandb: Callable[[], Artifacts] | None = None
    _looks: dict[str, _Look] = field(default_factory=dict)  # of the plan in hand, by address

    def __call__(
        self, wishes: dict[str, Wish], scene: Scene, chosen: Collection[str]
    ) -> dict[str, Wish]:
        state = scene.state
        written = {
            address: ArtifactName.parse(text)
            for address in chosen
            if address in wishes
            and (text := get_path(wishes[address].spec, ARTIFACT))
            and BLANK not in text
        }
        unsure = [n for a, n in written.items() if not _is_known(n, state.resources.get(a))]
        answers, moved_by = self._ask(unsure, strict=False), movers(wishes, state, chosen)
        linked = dict(wishes)
        self._looks = {}
        for address, name in written.items():
            rests = KINDS[Address.parse(address).kind].idle(wishes[address].spec)
            answer, resource = answers.get(name), state.resources.get(address)
            by = mover(state, address, moved_by.get(address, ()))
            look = _Look(name, answer, by, resource, rests, _listens(by, wishes, state))
            self._looks[address] = look
            again = address in scene.replace
            key = key_of(state, address, wishes[address].spec, again=again)
            linked[address] = _locked(wishes[address], look, key)
        return linked

    def told(self, state: State, plan: Plan) -> Plan:
        """`plan` with what is known of each artifact, and a refusal for what means nothing. Raises
        ApiError where W&B could not be asked, and more than what was applied is needed.
        """
        changes, refusals = [], list(plan.refusals)
        for change in plan.changes:
            look = self._looks.get(change.address)
            deploys = not set(DEPLOYS).isdisjoint(change.steps)
            if look is None or look.answer is None:
                pass
            elif isinstance(look.answer, ArtifactVersion):
                if deploys or (look.mover and _is_elsewhere(look, look.answer, change)):
                    notes = [_note(look, look.answer, deploys=deploys), *change.notes]
                    fence = change.fence if change.status else Fence()  # nothing was read
                    notes += _missed(look, look.answer, fence.version, fence.updated_at)
                    notes += [TWICE] * ({"rollout", "update"} <= set(change.steps))
                    change = replace(change, notes=tuple(notes))
            elif not isinstance(look.answer, NotFound):
                if deploys or not look.is_kept:
                    raise look.answer
                note = f"its artifact stays as it was applied: {look.answer}"
                change = replace(change, notes=(*change.notes, note))
            elif look.mover and not deploys:
                change = replace(change, notes=(*change.notes, str(look.answer)))
            else:
                refusals.append(Refusal(change.address, str(look.answer), look.answer.next))
            changes.append(change)
        return replace(plan, changes=tuple(changes), refusals=tuple(refusals))

    def missed(self, state: State, live: Mapping[str, Observed | None]) -> dict[str, str]:
        """What an automation should have rolled out and did not, one sentence by address, of what
        is `live`. One request for each alias.
        """
        looks = {}
        for address, observed in live.items():
            applied = state.resources[address].applied
            by, asked = get_path(applied.spec, MOVED_BY), applied.asked.get(ARTIFACT)
            if observed is not None and by and asked:
                written = ArtifactName.parse(asked)
                looks[address] = _Look(written, None, by, state.resources[address])
        answers = self._ask(look.written for look in looks.values())
        found = {}
        for address, look in looks.items():
            now, seen = answers.get(look.written), live[address]
            if isinstance(now, ArtifactVersion) and seen is not None:
                for sentence in _missed(look, now, seen.version, seen.updated_at):
                    found[address] = sentence
        return found

    def check(self, state: State, plan: Plan) -> None:
        """StalePlan where an alias means another version by now than the one that `plan` is about
        to send. One request for each alias.
        """
        run = state.runs.get(plan.plan_id, Run())
        sent = {}
        for change in plan.pending_changes:
            begun = not set(DEPLOYS).isdisjoint(run.steps.get(change.key, ()))
            # Without a trial it goes back to what was good, whatever an alias means.
            if change.after is None or change.trial is None or begun:
                continue
            if not set(DEPLOYS).isdisjoint(change.steps) and ARTIFACT in change.after.asked:
                sent[change.address] = change.after
        names = {a: ArtifactName.parse(after.asked[ARTIFACT]) for a, after in sent.items()}
        answers = self._ask(names.values())
        moved = []
        for address, name in names.items():
            answer, planned = answers.get(name), str(get_path(sent[address].spec, ARTIFACT))
            if isinstance(answer, ArtifactVersion) and str(answer.name) != planned:
                has = ArtifactName.parse(planned).at
                moved.append(f"{address}: {name.at} is {answer.version} now, and was {has}")
            elif isinstance(answer, NotFound):
                moved.append(f"{address}: {answer}")
        if moved:
            raise StalePlan(moved)

    def _ask(
        self, names: Iterable[ArtifactName], *, strict: bool = True
    ) -> dict[ArtifactName, Answer]:
        """What W&B says of each; nothing where it may not be asked. Where it cannot be asked, that
        is raised (`strict`), or the answer.
        """
        wanted = sorted(set(names), key=str)
        if self.wandb is None or not wanted:
            return {}
        wandb = self.wandb()

        def ask(name: ArtifactName) -> Answer:
            try:
                return wandb.resolve(name)
            except ApiError as error:
                if strict and not isinstance(error, NotFound):
                    raise
                return error

        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="wandb") as pool:
            return dict(zip(wanted, pool.map(ask, wanted), strict=True))


def _is_known(name: ArtifactName, resource: Resource | None) -> bool:
    """Whether there is nothing to ask: a version never changes, and this one was looked up."""
    applied = resource.applied.spec if resource else {}
    same = name.is_version and get_path(applied, ARTIFACT) == str(name)
    return same and get_path(applied, DIGEST) is not None


def _locked(wish: Wish, look: _Look, key: str | None) -> Wish:
    """`wish` with the version that its alias means, with its key, and with who moves it."""
    spec, applied = copied(wish.spec), look.applied
    for path, value in ((IDEMPOTENCY_KEY, key), (MOVED_BY, look.mover)):
        if value:
            set_path(spec, path, value)
    asked = str(look.written)
    if isinstance(look.answer, ArtifactVersion):
        artifact, digest = str(look.answer.name), look.answer.digest
    elif asked in (applied.asked.get(ARTIFACT), get_path(applied.spec, ARTIFACT)):
        artifact, digest = get_path(applied.spec, ARTIFACT), get_path(applied.spec, DIGEST)
    else:
        artifact, digest = asked, None
    set_path(spec, ARTIFACT, artifact)
    if look.mover:  # what others roll out has another one, which nobody can read
        digest = get_path(applied.spec, DIGEST)
    if digest:
        set_path(spec, DIGEST, digest)
    return with_spec(wish, spec, {} if look.written.is_version else {ARTIFACT: asked})


def _is_elsewhere(look: _Look, now: ArtifactVersion, change: Change) -> bool:
    """Whether there is something to say of an artifact that others move: it was moved, or is not
    where it was sent to.
    """
    ours = look.resource.fence.version if look.resource else None
    sent = get_path(look.applied.spec, ARTIFACT)
    return change.fence.version != ours or sent != str(now.name)


def _missed(
    look: _Look, now: ArtifactVersion, version: int | None, updated_at: str | None
) -> list[str]:
    """A sentence where an alias has moved and nothing came of it; empty where something did, or
    nobody can tell.
    """
    sent = get_path(look.applied.spec, ARTIFACT)
    still = look.resource is not None and stands_still(look.resource, version, updated_at)
    if not look.mover or look.written.is_version or not still or sent in (None, str(now.name)):
        return []
    return [
        f"{look.written.at} is {now.version}, and {look.mover} has not rolled it out: no version "
        f"came after ours, which is {ArtifactName.parse(sent).at}. W&B may skip or delay an event, "
        "and a busy endpoint refuses one. Take the alias away in W&B and add it again; or disable "
        "the automation, and the next apply rolls it out"
    ]


def _note(look: _Look, now: ArtifactVersion, *, deploys: bool) -> str:
    story = f"{now.version}, {provenance(now)}"
    if not look.written.is_version:
        story = f"{look.written.at} → {story}"
    sent = get_path(look.applied.spec, ARTIFACT)
    if deploys or sent in (None, str(now.name)):
        return story
    listens = f"; {look.mover} listens to {look.listens}" if look.mover else ""
    return f"{story}; what we sent last is {ArtifactName.parse(sent).at}{listens}"


def _listens(mover: str, wishes: Mapping[str, Wish], state: State) -> str:
    """What sets the automation `mover` off, such as `aliasAdded ^production$`."""
    known = wishes.get(mover) or (state.resources[mover].applied if mover else None)
    trigger = known.spec.get("trigger", {}) if known else {}
    return ", ".join(key if said is True else f"{key} {said}" for key, said in trigger.items())
