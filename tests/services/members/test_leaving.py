from datetime import UTC, datetime

import orjson
import pytest

from services.chassis.identity.principal import Principal
from services.chassis.web.problems import Forbidden, InvalidBody, NotFound, PreconditionRequired
from services.members.commands.dates import apply_dates
from services.members.rules.problems import OrganisationErased, OrganisationWithdrawn

ONE = "018f3c2a-7d10-7000-8000-000000000001"
TWO = "018f3c2a-7d10-7000-8000-000000000002"


def own(*roles):
    return Principal("client", frozenset({"public", *roles}), organisation=ONE)


async def test_withdrawing_is_a_revision_that_keeps_the_profile(desk):
    await desk.put()
    answer = await desk.withdraw(match=1, by=own("organisation_editor"))
    assert answer.revision == 2
    assert answer.body["state"] == "withdrawn"
    last = (await desk.events())[-1]
    assert (last.json()["state"], str(last.sequence)) == ("withdrawn", "1.2")
    [_, row] = await desk.rows("audit")
    assert (row["action"], row["why"]) == ("organisation.withdrawn", "Leaving.")


async def test_the_answer_of_a_withdrawal_holds_no_contact_because_it_is_kept_for_repeats(desk):
    await desk.put()
    answer = await desk.withdraw(match=1)
    assert "contact" not in answer.body
    assert "office@" not in orjson.dumps(answer.body).decode()


async def test_withdrawing_twice_is_a_conflict_and_unknown_is_not_found(desk):
    await desk.put()
    await desk.withdraw(match=1)
    with pytest.raises(OrganisationWithdrawn):
        await desk.withdraw(match=2)
    with pytest.raises(NotFound):
        await desk.withdraw(TWO)


async def test_leaving_needs_the_etag(desk):
    await desk.put()
    with pytest.raises(PreconditionRequired):
        await desk.withdraw()
    with pytest.raises(PreconditionRequired):
        await desk.erase()


async def test_putting_the_profile_again_brings_a_withdrawn_organisation_back(desk):
    await desk.put()
    await desk.withdraw(match=1)
    answer = await desk.put(match=2)
    assert (answer.revision, answer.body["state"]) == (3, "active")
    assert (await desk.events())[-1].json()["state"] == "active"


async def test_erasure_empties_every_text_and_the_contact_and_sends_a_tombstone(desk):
    await desk.put(external_ids=[{"scheme": "ror", "value": "04xx7yy85"}])
    await desk.put(match=1, short_name="Mwangaza", external_ids=[{"scheme": "ror", "value": "04xx7yy85"}])
    await desk.withdraw(match=2)
    answer = await desk.erase(match=3)
    assert (answer.status, answer.body) == (204, None)
    tables = [await desk.rows(name) for name in ("organisations", "revisions", "contacts", "external_ids")]
    kept = str(tables)
    for word in ("Mwangaza", "solar", "Front Desk", "office@", "04xx7yy85", "Leaving"):
        assert word not in kept
    assert tables[2] == []
    assert [row["action"] for row in tables[1]] == ["registered", "revised", "withdrawn", "erased"]
    last = (await desk.events())[-1]
    assert (last.type, last.data, str(last.sequence)) == ("org.comity.organisation.erased.v1", None, "1.4")


async def test_an_erased_id_is_never_given_out_again(desk):
    await desk.put()
    await desk.erase(match=1)
    for attempt in (desk.put, desk.withdraw, desk.erase):
        with pytest.raises(OrganisationErased):
            await attempt()
    assert len(await desk.events()) == 2


async def test_only_administrators_erase(desk):
    await desk.put()
    others = [
        own("organisation_editor"),
        own("organisation_reader"),
        Principal("e", frozenset({"public", "bdt_editor"})),
        Principal("o", frozenset({"public", "office_officer"})),
        Principal("a", frozenset({"public", "organisation_admin"}), organisation=TWO),
    ]
    for who in others:
        with pytest.raises(Forbidden):
            await desk.erase(by=who, match=1)
    assert (await desk.erase(by=own("organisation_admin"), match=1)).status == 204


async def test_a_child_keeps_its_erased_parent_and_may_be_written_on(desk):
    await desk.put(ONE, legal_name="Parent")
    await desk.put(TWO, legal_name="Child", parent=ONE)
    await desk.erase(ONE, match=1)
    assert (await desk.put(TWO, match=1, legal_name="Child of nobody", parent=ONE)).revision == 2
    with pytest.raises(InvalidBody) as refused:
        await desk.put("018f3c2a-7d10-7000-8000-000000000009", legal_name="New child", parent=ONE)
    assert refused.value.errors[0]["rule"] == "parent-unknown"


async def test_the_day_after_review_the_record_falls_dormant_by_a_revision_of_its_owner(desk):
    await desk.put(review_by="2026-11-30")
    desk.clock.moment = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert await apply_dates(desk.runtime) == 0
    desk.clock.moment = datetime(2026, 12, 1, tzinfo=UTC)
    assert await apply_dates(desk.runtime) == 1
    assert await apply_dates(desk.runtime) == 0
    last = (await desk.events())[-1]
    assert (last.json()["state"], str(last.sequence)) == ("dormant", "1.2")
    audit = (await desk.rows("audit"))[-1]
    assert (audit["principal"], audit["action"]) == ("comity:members", "organisation.dormant")


async def test_writing_the_profile_anew_wakes_a_dormant_record(desk):
    await desk.put(review_by="2026-11-30")
    desk.clock.moment = datetime(2026, 12, 1, tzinfo=UTC)
    await apply_dates(desk.runtime)
    assert (await desk.put(match=2, review_by="2027-11-30")).body["state"] == "active"


async def test_membership_changes_state_on_its_dates(desk):
    terms = [
        {"state": "active", "from": "2025-01-01", "to": "2026-12-31"},
        {"state": "suspended", "from": "2027-01-01", "to": "2027-06-30"},
    ]
    answer = await desk.put(category="sector_member", membership=terms)
    assert answer.body["membership_state"] == "active"
    seen = []
    for day in (
        datetime(2026, 12, 31, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2027, 7, 1, tzinfo=UTC),
    ):
        desk.clock.moment = day
        await apply_dates(desk.runtime)
        [row] = await desk.rows("organisations")
        seen.append((row["membership_state"], row["revision"], row["next_change_on"]))
    assert seen == [("active", 1, "2027-01-01"), ("suspended", 2, "2027-07-01"), ("ended", 3, None)]
    actions = [row["action"] for row in await desk.rows("revisions")]
    assert actions == ["registered", "membership_changed", "membership_changed"]


async def test_terms_that_follow_in_the_same_state_make_no_revision(desk):
    terms = [
        {"state": "active", "from": "2026-01-01", "to": "2026-12-31"},
        {"state": "active", "from": "2027-01-01"},
    ]
    await desk.put(category="academia", membership=terms)
    desk.clock.moment = datetime(2027, 2, 1, tzinfo=UTC)
    assert await apply_dates(desk.runtime) == 0
    [row] = await desk.rows("organisations")
    assert (row["revision"], row["next_change_on"]) == (1, None)
