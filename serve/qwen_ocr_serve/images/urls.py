"""Fetches an image from a URL that a request names, from allowed hosts and public addresses only.

A name is looked up here, its addresses are checked, and the connection goes to a checked address:
there is no second look-up that could answer differently. Each redirect is treated like a new URL.
No proxy, no cookies, no decompression.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address = IPv4Address | IPv6Address

FETCH_TIMEOUT = 10.0
"""Seconds for all of it: look-up, redirects, download."""
MAX_REDIRECTS = 3
_CHUNK = 64 * 1024
_NAT64 = IPv6Network("64:ff9b::/96")
"""Leads to the IPv4 address in its last four bytes (RFC 6052)."""


class URLNotAllowedError(Exception):
    """The URL, or where it leads, is not one that this server fetches."""


class FetchError(Exception):
    """The URL may be fetched, but there is no image to be had from it."""


def is_public(address: Address) -> bool:
    """Whether an address is on the internet, and not this machine, its network or its host's.

    Also `False` for IPv6 forms that lead to such an IPv4 address.
    """
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo or address.is_site_local:
            return False
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


class _PublicResolver(AbstractResolver):
    """Looks names up and keeps the addresses that may be connected to."""

    def __init__(self, allowed: Callable[[Address], bool]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        if not all(self._allowed(ip_address(entry[4][0])) for entry in found):
            raise URLNotAllowedError(f"{host} leads to an address that is not public")
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=entry_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for entry_family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class ImageFetcher:
    """Fetches images from `hosts`, each `name` or `name:port`.

    `allowed` judges addresses; another than `is_public` is for networks that are all one's own.
    """

    def __init__(
        self, hosts: frozenset[str], allowed: Callable[[Address], bool] = is_public
    ) -> None:
        self._hosts = hosts
        self._allowed = allowed

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        """The bytes behind a URL. Raises `URLNotAllowedError` and `FetchError`."""
        try:
            async with asyncio.timeout(FETCH_TIMEOUT), self._session() as session:
                return await self._follow(session, url, max_bytes)
        except TimeoutError:
            raise FetchError(f"no image after {FETCH_TIMEOUT:g} s") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise FetchError(f"the host cannot be reached ({type(exc).__name__})") from exc

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_PublicResolver(self._allowed)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "image/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    async def _follow(self, session: aiohttp.ClientSession, url: str, max_bytes: int) -> bytes:
        target = self._checked(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(target, allow_redirects=False) as response:
                if response.status == 200:
                    return await _read(response, max_bytes)
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or location is None:
                    raise FetchError(f"the host answered HTTP {response.status}")
                target = self._checked(location, target)
        raise FetchError(f"more than {MAX_REDIRECTS} redirects")

    def _checked(self, text: str, base: URL | None = None) -> URL:
        try:
            url = URL(text) if base is None else base.join(URL(text))
            host, port = url.host, url.port
        except ValueError as exc:
            raise URLNotAllowedError("this is not a URL") from exc
        if url.scheme not in ("http", "https") or host is None or url.user is not None:
            raise URLNotAllowedError("only http and https URLs without a user name can be fetched")
        default = {"http": 80, "https": 443}[url.scheme]
        wanted = host.lower() if port == default else f"{host.lower()}:{port}"
        if wanted not in self._hosts:
            raise URLNotAllowedError(f"images from {wanted[:100]} are not allowed")
        try:
            literal = ip_address(host)
        except ValueError:
            return url  # a name: the resolver looks at what it leads to
        if not self._allowed(literal):
            raise URLNotAllowedError(f"{host} is not a public address")
        return url


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > max_bytes:
            raise FetchError(f"the image is larger than {max_bytes / 2**20:g} MiB")
    return bytes(data)
