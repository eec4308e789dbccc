"""The page that a link of a mail opens in a browser: one sentence and one button, in the subscription's language.

*Never:* act; only the button does, for scanners open links too. It loads nothing, and works without scripts.
"""

from html import escape

from starlette.responses import HTMLResponse

from services.notifications.mail.letters import RIGHT_TO_LEFT, words_of


def link_page(action: str, *, language: str, done: bool) -> HTMLResponse:
    """Return the page of a link: what it would do, and a button that does it unless it is done."""
    words = words_of(language)
    label = escape(words["page_confirm" if action == "confirm" else "page_unsubscribe"])
    button = "" if done else f'<form method="post"><button type="submit">{label}</button></form>'
    hint = "" if done else f"<p>{escape(words['page_hint'])}</p>"
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
