"""The few pages for people that every application serves: what this is, the API's documentation, what a problem means.

All is served from here, nothing from elsewhere, so the pages work without internet under a strict content security
policy. The pages about problems are docs/problems/*.md; nothing a caller sends is ever put into a page.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from starlette.responses import HTMLResponse, Response

import services

STYLE = (
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;"
    "background:#fff}a{color:#0b57d0}code,pre{font-family:ui-monospace,monospace;background:#f1f2f6;"
    "border-radius:.25rem}code{padding:.1em .3em}pre{padding:1rem;overflow:auto}pre code{padding:0}"
    "button{font:inherit;padding:.5rem 1rem}table{border-collapse:collapse}th,td{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top}"
    "@media (prefers-color-scheme:dark){body{color:#e6e6ea;background:#17171a}a{color:#8ab4f8}"
    "code,pre{background:#26262b}}"
)
_EXAMPLE = re.compile(r"```json\n(.*?)```", re.DOTALL)
_ICON = (  # two circles that meet: in the page itself, so that a browser asks for no other file
    "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http:%2F%2Fwww.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cg fill='none' stroke='%230b57d0' stroke-width='2'%3E%3Ccircle cx='6' cy='8' r='4.5'/%3E"
    "%3Ccircle cx='10' cy='8' r='4.5'/%3E%3C/g%3E%3C/svg%3E\">"
)
_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}
_START = (
    "window.onload=function(){window.ui=SwaggerUIBundle({url:'/docs/openapi.json',dom_id:'#swagger-ui',"
    "deepLinking:true,validatorUrl:null,presets:[SwaggerUIBundle.presets.apis],layout:'BaseLayout'})}"
)

_DIALECT = (
    # Swagger UI reads 3.1 from its version 5 on; the bundle has 4.
    "The viewer of this page reads OpenAPI 3.0, so it shows the operations in that form and no webhooks. The document of this "
    'API is OpenAPI 3.1, webhooks included: <a href="/openapi.json">/openapi.json</a>.'
)


def page(
    title: str,
    content: str,
    *,
    language: str = "en",
    direction: str = "ltr",
    of_one_person: bool = False,
    status: int = 200,
) -> HTMLResponse:
    """Return a page; `content` is HTML that is already safe.

    A page `of_one_person` is kept in no cache, and may have a form that is sent to its own address.
    """
    acts = "'self'" if of_one_person else "'none'"
    html = (
        f'<!doctype html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{_ICON}<style>{STYLE}</style></head>'
        f"<body><main>{content}</main></body></html>"
    )
    return HTMLResponse(
        html,
        status_code=status,
        headers={
            "Content-Security-Policy": f"default-src 'none'; img-src data:; style-src '{_digest(STYLE)}'; "
            f"frame-ancestors 'none'; base-uri 'none'; form-action {acts}",
            "Cache-Control": "no-store" if of_one_person else "public, max-age=300",
            "Vary": "Accept",
        },
    )


def problem_page(code: str) -> Response | None:
    """Return the page about a kind of problem, None if there is none of that name."""
    source = problem_pages().get(code)
    if source is None:
        return None
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(source)
    return page(f"Problem: {code}", body + '<p><a href="/problems">All problems</a></p>')


def problem_list() -> Response:
    """Return the page that lists all kinds of problems."""
    rows = "".join(
        f'<li><a href="/problems/{escape(code)}">{escape(code)}</a>: {escape(_heading(source))}</li>'
        for code, source in sorted(problem_pages().items())
    )
    return page("Problems", f"<h1>What can go wrong</h1><ul>{rows}</ul>")


def problem_pages() -> Mapping[str, str]:
    """Return the pages' Markdown by code. The folder stands beside the packages, or in them once installed."""
    root = Path(str(files(services))).parent
    return {path.stem: path.read_text("utf-8") for path in sorted((root / "docs" / "problems").glob("*.md"))}


def problem_examples() -> Mapping[str, dict[str, Any]]:
    """Return the answers that the pages show, by code."""
    return {code: json.loads(_EXAMPLE.findall(source)[0]) for code, source in problem_pages().items()}


def welcome(entries: Sequence[tuple[str, str, Sequence[str]]]) -> Response:
    """Return the page at `/`: what this is and where to go. An entry is (service, one sentence, prefixes)."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(title)}</td>"
        f"<td>{'<br>'.join(f'<code>{escape(prefix)}</code>' for prefix in prefixes)}</td></tr>"
        for name, title, prefixes in entries
    )
    return page(
        "Comity",
        "<h1>Comity</h1><p>Comity matches telecom/ICT development projects with the organisations that could help to "
        "carry them out, ranks every eligible one, and shows exactly why. A ranked list is a suggestion, not an "
        "endorsement; nothing here is exclusive.</p>"
        '<ul><li><a href="/docs">API documentation</a> (<a href="/openapi.json">OpenAPI document</a>)</li>'
        '<li><a href="/problems">What can go wrong</a>, and how to mend it</li>'
        '<li><a href="/healthz">alive</a>, <a href="/readyz">ready</a>, <a href="/progress">progress</a>, '
        '<a href="/metrics">metrics</a></li></ul>'
        f"<h2>What is served here</h2><table><tr><th>Service</th><th>What</th><th>Where</th></tr>{rows}</table>",
    )


def documentation() -> Response:
    """Return the API documentation page."""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Comity API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{_ICON}'
        '<link rel="stylesheet" href="/docs/swagger-ui.css"></head>'
        f'<body><p style="font:1rem/1.6 system-ui,sans-serif;max-width:90rem;margin:1rem auto;padding:0 1.25rem">{_DIALECT}</p>'
        '<div id="swagger-ui"></div><script src="/docs/swagger-ui-bundle.js"></script>'
        f"<script>{_START}</script></body></html>"
    )
    policy = (
        f"default-src 'none'; script-src 'self' '{_digest(_START)}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return HTMLResponse(
        html, headers={"Content-Security-Policy": policy, "Cache-Control": "public, max-age=300"}
    )


def asset(name: str) -> Response | None:
    """Return a file of the documentation page, None for any other name."""
    if name not in _ASSETS:
        return None
    from swagger_ui_bundle import swagger_ui_path  # noqa: PLC0415 - only who opens the page needs the bundle

    content = (Path(str(swagger_ui_path)) / name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})


def _heading(source: str) -> str:
    return source.split("\n", 1)[0].removeprefix("# ").strip()


def _digest(inline: str) -> str:
    return f"sha256-{b64encode(sha256(inline.encode()).digest()).decode()}"
