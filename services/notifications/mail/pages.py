"""The page that a link of a mail opens in a browser, before its button and after: in the language of the mail.

*Never:* act; only the button does, for scanners open links too. It loads nothing, and works without scripts.
"""

from html import escape

from starlette.responses import HTMLResponse

from services.chassis.web.languages import best_language
from services.chassis.web.pages import page
from services.notifications.mail.letters import LANGUAGES, RIGHT_TO_LEFT, words_of


def link_page(
    action: str, *, organisation: str, of_contact: bool, language: str, waits: bool, done: bool, moved: bool
) -> HTMLResponse:
    """Return the page of a link: what it would do with a button that does it, if it `waits`; else whether it is `done`.

    `organisation` is the name of the one for which the address is written to. `moved` says that the address is not
    written to any more, for another has taken its place.
    """
    words = words_of(language)
    names = {
        "confirm": ("page_confirm", "page_confirmed"),
        "unsubscribe": ("page_unsubscribe", "page_unsubscribed"),
        "refuse": ("page_refuse", "page_refused"),
    }
    label, said = (
        words.get(f"{name}_contact", words[name]) if of_contact else words[name] for name in names[action]
    )
    if action == "unsubscribe" and moved:
        said = words["page_not_written_to"]
    button = f'<form method="post"><button type="submit">{escape(label)}</button></form>' if waits else ""
    whose = f'<p><bdi dir="auto">{escape(organisation)}</bdi></p>' if action != "refuse" else ""
    hint = f"<p>{escape(said if done else words['page_hint'])}</p>"
    return _told(language, label, whose + hint + button)


def dead_link_page(accept_language: str) -> HTMLResponse:
    """Return the page of a link that leads nowhere (404), in the language that the browser asks for."""
    language = best_language(accept_language, LANGUAGES, otherwise="en")
    words = words_of(language)
    return _told(language, words["page_nowhere"], f"<p>{escape(words['page_nowhere_why'])}</p>", status=404)


def _told(language: str, title: str, content: str, *, status: int = 200) -> HTMLResponse:
    return page(
        title,
        f"<h1>{escape(title)}</h1>{content}",
        language=language,
        direction="rtl" if language in RIGHT_TO_LEFT else "ltr",
        of_one_person=True,
        status=status,
    )
