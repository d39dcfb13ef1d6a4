"""A user agent for logins: keeps cookies, follows redirections and submits the forms of pages, as a browser does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

MOST_REDIRECTIONS = 20
Headers = Mapping[str, str]
NONE: Headers = {}


@dataclass(frozen=True)
class Page:
    """What the user sees at last, or what a server said.

    Attributes:
        url: where it is.
        urls: all that led there, itself the last.
    """

    url: str
    status: int
    headers: CIMultiDict[str]
    text: str
    urls: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """Where it redirects to; "" if nowhere."""
        return urljoin(self.url, self.headers["Location"]) if "Location" in self.headers else ""


@dataclass
class UserAgent:
    """A user agent with the cookies of all hosts; any host is on loopback, at the port of the URL.

    Attributes:
        cookies: the values of cookies by their names, by the hosts that set them.
        headers: what it sends with each request.
    """

    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, url: str, data: dict[str, str] | None = None, headers: Headers = NONE) -> Page:
        """Send one request, a form if there is one; redirections are not followed."""
        parts = urlsplit(url)
        jar = self.cookies.setdefault(parts.netloc, {})
        fields = {"Host": parts.netloc, **self.headers, **headers}
        if jar:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        where = URL(parts._replace(netloc=f"127.0.0.1:{parts.port}").geturl(), encoded=True)
        timeout = aiohttp.ClientTimeout(total=15)
        limits = {"max_line_size": 1 << 16, "max_field_size": 1 << 16}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout, **limits) as http,  # type: ignore[arg-type]
            http.request(
                "GET" if data is None else "POST", where, data=data, headers=fields, allow_redirects=False
            ) as response,
        ):
            for line in response.headers.getall("Set-Cookie", []):
                self._take(jar, line)
            text = await response.text()
            return Page(url, response.status, CIMultiDict(response.headers), text)

    async def open(self, url: str, data: dict[str, str] | None = None, headers: Headers = NONE) -> Page:
        """Open a page, following redirections."""
        page, urls = await self.send(url, data, headers), [url]
        while page.location:
            assert len(urls) < MOST_REDIRECTIONS, urls
            urls.append(page.location)
            page = await self.send(page.location)
        return Page(page.url, page.status, page.headers, page.text, tuple(urls))

    async def submit(self, page: Page, **filled: str) -> Page:
        """Submit the first form of a page with what it has already, and what is filled in."""
        form = _Form()
        form.feed(page.text)
        assert form.action is not None, page.text
        return await self.open(urljoin(page.url, form.action), form.fields | filled)

    async def log_in(self, url: str, user: str = "alice") -> Page:
        """Open a page, log in at the provider that asks for it, agree to what it asks, and return the page."""
        page = await self.open(url)
        if 'name="login"' in page.text:
            page = await self.submit(page, login=user, password="any")
        while 'value="consent"' in page.text:
            page = await self.submit(page)
        return page

    @staticmethod
    def _take(jar: dict[str, str], line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            expired = morsel["max-age"] == "0" or "1970" in morsel["expires"]
            if expired:
                jar.pop(name, None)
            else:
                jar[name] = morsel.coded_value


class _Form(HTMLParser):
    """Reads the first form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the form, and its fields that have a value."""
        found = dict(attrs)
        if tag == "form" and self.action is None:
            self.action, self._open = found.get("action") or "", True
        elif tag in ("input", "button") and self._open and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        """Take the end of the form."""
        if tag == "form":
            self._open = False
