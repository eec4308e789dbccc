"""Scenario 19: a subscription saved without opting in to mail sends no mail."""

from tests.services.notifications.hall import Hall


async def test_a_subscription_without_opt_in_makes_no_mail(hall: Hall) -> None:
    subscription = await hall.subscribe(channel="email", email="news@ada.example", opt_in=False)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "strong"})
    await hall.settle()
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["state"] == "saved"
    assert await hall.rows("SELECT id FROM deliveries") == []
    assert await hall.rows("SELECT id FROM notices") == []
