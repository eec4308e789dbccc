"""`minimum_confidence` is asked of first words: who was told of a project hears on of it, and who was not hears nothing."""

from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.test_coming_back import AGAIN, FELL, PROPOSED, WITHDRAWN, Story, heard
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver

CHANGED = ("opportunity.updated", "project-changed")


def confident(hall: Hall, confidence: int, band: str = "good") -> None:
    hall.lists.rows_of[uuid_of("Ada")] = {"confidence": confidence, "band": band}


async def ranked(story: Story, band: str, confidence: int) -> None:
    """Rank Ada in a band, with this confidence in the list from now on."""
    story.number, story.above = story.number + 1, 1
    confident(story.hall, confidence, band)
    await story.hall.rank(story.project, story.number, {uuid_of("Ada"): band})
    await story.hall.settle()


async def test_who_was_told_of_a_project_hears_on_of_it_with_less_confidence(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_confidence": 400})
    story = Story(hall)
    await story.begins()
    await ranked(story, "possible", 300)
    await hall.open_project(**story.changes, countries=["TZA"])
    await story.ranked()
    assert heard(receiver) == [PROPOSED, FELL, CHANGED]
    await story.ranked(lost=True)
    await ranked(story, "good", 300)  # another first word
    assert heard(receiver) == [PROPOSED, FELL, CHANGED, WITHDRAWN]
    await ranked(story, "strong", 400)
    assert heard(receiver)[4:] == [AGAIN]


async def test_who_was_told_nothing_for_its_confidence_hears_of_no_rise_either_until_it_is_enough(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_confidence": 400})
    story = Story(hall)
    hall.lists.away = True
    await story.begins()
    await ranked(story, "strong", 300)
    hall.lists.away = False
    await hall.settle()
    assert heard(receiver) == []
    await ranked(story, "good", 300)
    assert heard(receiver) == []
    await ranked(story, "strong", 900)
    assert heard(receiver) == [PROPOSED]
