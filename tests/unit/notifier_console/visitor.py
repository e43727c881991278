"""A browser without a screen: what a person would do, one request at a time, straight into the ASGI application."""

from __future__ import annotations

import asyncio
import html
import re

import httpx
from starlette.types import ASGIApp

from tests.unit.notifier_console.scene import PASSWORD

SITE = "http://console.test"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class Visitor:
    """Keeps cookies between requests; redirects are left to the test."""

    def __init__(self, app: ASGIApp, site: str = SITE) -> None:
        self._app = app
        self._site = site
        self.cookies = httpx.Cookies()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET, with headers given as accept_language="en"."""
        return asyncio.run(self._send("GET", path, None, headers))

    def post(self, path: str, **fields: str) -> httpx.Response:
        """POST of exactly these fields: no CSRF token is added."""
        return asyncio.run(self._send("POST", path, fields, {}))

    def act(self, page: str, path: str, **fields: str) -> httpx.Response:
        """POST as the form on `page` would: with the token found there."""
        return self.post(path, csrf=self.token_on(page), **fields)

    def token_on(self, page: str) -> str:
        """The CSRF token in the page's forms."""
        found = _CSRF.search(self.get(page).text)
        assert found, f"no form on {page}"
        return found[1]

    def sign_in(self, name: str, password: str = PASSWORD, wanted: str = "") -> httpx.Response:
        """Fills in the sign-in form."""
        return self.act("/sign-in", "/sign-in", name=name, password=password, next=wanted)

    async def _send(
        self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url=self._site, cookies=self.cookies) as client:
            response = await client.request(method, path, data=fields, headers=named)
            self.cookies = client.cookies
            return response


def words(response: httpx.Response) -> str:
    """The page's text as a reader sees it: without tags, and with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.text)).split())
