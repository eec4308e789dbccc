"""The page that a link of a mail opens in a browser, before its button and after: in the language of the mail.

*Never:* act; only the button does, for scanners open links too. It loads nothing, and works without scripts.
"""

from html import escape

from starlette.responses import HTMLResponse

from services.notifications.mail.letters import RIGHT_TO_LEFT, words_of


def link_page(
    action: str, *, of_contact: bool, language: str, waits: bool, done: bool, moved: bool
) -> HTMLResponse:
    """Return the page of a link: what it would do with a button that does it, if it `waits`; else whether it is `done`.

    `moved` says that its address is not written to any more, for another has taken its place.
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
    label = escape(label)
    button = f'<form method="post"><button type="submit">{label}</button></form>' if waits else ""
    hint = f"<p>{escape(said if done else words['page_hint'])}</p>"
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    return HTMLResponse(
        f'<!doctype html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8">'
        f"<title>{label}</title></head><body><main><h1>{label}</h1>{hint}{button}</main></body></html>",
        headers={
            "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'",
            "Cache-Control": "no-store",
        },
    )
