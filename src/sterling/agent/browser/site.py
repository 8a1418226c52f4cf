"""The addresses that a page may load: a folder, served from the disk, and named origins."""

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sterling.errors import InputError, quoted
from sterling.files import within

if TYPE_CHECKING:
    from playwright.async_api import Route

LOCAL = "http://folder.invalid"
"""Origin of the pages of a folder; the name exists on no network."""
INLINE = ("data:", "blob:", "about:")


@dataclass(frozen=True)
class Site:
    """The part of the world that a page may reach.

    A folder's files are answered from the disk under `LOCAL`, without a server and without
    ``file:``. Other addresses are refused unless their origin is named.

    Attributes:
        folder: Folder of HTML files; None for none.
        origins: Origins that may be asked over the network, such as ``http://127.0.0.1:8000``.

    Raises:
        InputError: There is no such folder, or an origin is none.
    """

    folder: Path | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder of pages; check the path")
        for origin in self.origins:
            if origin_of(origin) != origin:
                raise InputError(f"origin {origin!r}: write it as http://127.0.0.1:8000, no path")
        if self.folder is None and not self.origins:
            raise InputError("a site needs a folder of pages, or an origin")

    def address(self, start: str) -> str:
        """Return the whole address of a page, from the folder or an allowed origin.

        Raises:
            InputError: It lies outside of both, or there is no such file.
        """
        if re.match(r"[a-z][a-z0-9+.-]*:", start, re.IGNORECASE) and not start.startswith(LOCAL):
            if self.refusal(start):
                raise InputError(f"start {start!r}: {self.refusal(start)}")
            return start
        if self.folder is None:
            raise InputError(f"start {start!r}: give a whole address such as {self.origins[0]}/")
        name = start.removeprefix(LOCAL).lstrip("/")
        if not within(self.folder, name.split("?")[0].split("#")[0]).is_file():
            raise InputError(f"{self.folder}: holds no page {quoted(name)}")
        return f"{LOCAL}/{name}"

    def refusal(self, url: str) -> str:
        """Return why an address may not be loaded; "" if it may."""
        if url.startswith(INLINE):
            return ""
        origin = origin_of(url)
        if origin in self.origins or (origin == LOCAL and self.folder is not None):
            return ""
        if url[:5].lower() == "file:":
            return "files outside of the site's folder are not opened"
        allowed = ", ".join([*self.origins, *(["the folder"] if self.folder else [])])
        return f"the origin {origin or quoted(url)} is not allowed, only {allowed}"

    async def answer(self, route: "Route") -> str:
        """Answer one request of a page; return why it was refused, or ""."""
        url = route.request.url
        reason = self.refusal(url)
        if reason:
            await route.abort("blockedbyclient")
        elif origin_of(url) == LOCAL:
            path = self._file(url)
            if path is None:
                await route.fulfill(status=404, body="not found", content_type="text/plain")
            else:
                kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                await route.fulfill(path=path, content_type=kind)
        else:
            await route.continue_()
        return reason

    def _file(self, url: str) -> Path | None:
        assert self.folder is not None
        try:
            path = within(self.folder, unquote(urlsplit(url).path).lstrip("/"))
        except InputError:
            return None
        return path if path.is_file() else None

    @property
    def bypass(self) -> str:
        """Hosts that may be reached, in Chromium's form; others meet a proxy that is not there."""
        return ",".join(["<-loopback>", *(urlsplit(each).netloc for each in self.origins)])


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address; "" if it has none.

    Examples:
        >>> origin_of("http://127.0.0.1:8000/a?b")
        'http://127.0.0.1:8000'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""
