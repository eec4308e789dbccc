"""An organisation that has withdrawn hears nothing any more, of a year that is over or of its endpoints; back again it does."""

from services.notifications.rules.yearly import ASK_AFTER
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_contacts import about_endpoints, agreed
from tests.services.notifications.test_yearly import pass_time, questions
from tests.services.notifications.village import Receiver


async def test_it_is_not_asked_after_a_year_before_it_is_back(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    await confirmed(hall, sink)
    await hall.member("Ada", state="withdrawn")
    await pass_time(hall, ASK_AFTER.days + 1)
    assert questions(sink) == []
    await hall.member("Ada")
    await pass_time(hall, 0)
    assert len(questions(sink)) == 1


async def test_it_is_not_told_of_its_endpoints(post: tuple[Hall, Sink, Receiver], receiver: Receiver) -> None:
    hall, sink, other = post
    await hall.member("Ada")
    await confirmed(hall, sink)
    gone, beside = await agreed(hall, sink, receiver), await agreed(hall, sink, other)
    receiver.status = 410
    for endpoint, state, told in ((gone, "withdrawn", 0), (beside, "active", 2)):
        await hall.member("Ada", state=state)
        await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
        await hall.dispatch()
        assert (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] == "disabled"
        assert (len(about_endpoints(sink)), len(other.events("disabled"))) == (told, 0)
        other.status = 410
