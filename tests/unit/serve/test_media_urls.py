"""Which addresses count as public, and how images are fetched from allowed hosts.

The server that answers here is on this machine, which no image is ever fetched from. So these
tests allow loopback addresses, and those that refuse them leave the rule as it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
from aiohttp import web

from qwen_ocr_serve.images import urls as media_urls
from qwen_ocr_serve.images.urls import (
    Address,
    FetchError,
    ImageFetcher,
    URLNotAllowedError,
    is_public,
)

MAX_BYTES = 1000


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.2.1", "198.18.0.1"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fd00:ec2::254"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:1:2:3:4:5:6"),
        *("ff02::1", "2001:db8::1", "fec0::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "2002:808:808::"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ip_address(address))


async def image(request: web.Request) -> web.Response:
    assert "Cookie" not in request.headers
    return web.Response(body=b"image", headers={"Set-Cookie": "a=b"})


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


async def loop(request: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect("/loop")


async def large(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:  # until the fetcher hangs up
        await response.write(b"x" * 500)


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A web server's port on this machine."""
    app = web.Application()
    for handler in (image, redirect, loop, large, slow):
        app.router.add_get(f"/{handler.__name__}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def anything(address: Address) -> bool:
    return True


def fetcher(port: int) -> ImageFetcher:
    return ImageFetcher(frozenset({f"localhost:{port}", f"127.0.0.1:{port}"}), anything)


async def test_an_image_from_an_allowed_host(port: int) -> None:
    for host in ("localhost", "127.0.0.1", "LocalHost"):
        url = f"http://{host}:{port}/image"
        assert await fetcher(port).fetch(url, MAX_BYTES) == b"image"


async def test_redirects_are_followed_within_the_allowed_hosts(port: int) -> None:
    base = f"http://localhost:{port}"
    for to in ("/image", f"http://127.0.0.1:{port}/image", "image", f"//localhost:{port}/image"):
        assert await fetcher(port).fetch(f"{base}/redirect?to={to}", MAX_BYTES) == b"image"
    for to in ("http://example.com/", "file:///etc/passwd", f"http://u:p@localhost:{port}/image"):
        with pytest.raises(URLNotAllowedError):
            await fetcher(port).fetch(f"{base}/redirect?to={to}", MAX_BYTES)
    with pytest.raises(FetchError, match="redirects"):
        await fetcher(port).fetch(f"{base}/loop", MAX_BYTES)


async def test_too_much_is_cut_short(port: int) -> None:
    with pytest.raises(FetchError, match="larger than"):
        await fetcher(port).fetch(f"http://localhost:{port}/large", MAX_BYTES)


async def test_too_slow_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_urls, "FETCH_TIMEOUT", 0.3)
    started = time.monotonic()
    with pytest.raises(FetchError, match="no image after"):
        await fetcher(port).fetch(f"http://localhost:{port}/slow", MAX_BYTES)
    assert time.monotonic() - started < 10


async def test_an_error_of_the_host_is_told(port: int) -> None:
    with pytest.raises(FetchError, match="404"):
        await fetcher(port).fetch(f"http://localhost:{port}/none", MAX_BYTES)
    with pytest.raises(FetchError, match="cannot be reached"):
        await ImageFetcher(frozenset({"localhost:1"}), anything).fetch(
            "http://localhost:1/", MAX_BYTES
        )
    with pytest.raises(FetchError, match="cannot be reached"):
        await ImageFetcher(frozenset({"none.invalid"})).fetch("http://none.invalid/", MAX_BYTES)


async def test_a_name_that_leads_to_this_machine_is_refused(port: int) -> None:
    strict = ImageFetcher(frozenset({f"localhost:{port}", f"127.0.0.1:{port}"}))
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(URLNotAllowedError, match="public"):
            await strict.fetch(f"http://{host}:{port}/image", MAX_BYTES)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "http://localhost/", "https://localhost:{}/", "ftp://localhost/"),
        *("http://a@localhost:{}/", "http://localhost:{}@example.com/", "http://localhost.:{}/"),
        *("http://127.1:{}/", "http://[::1]:{}/", "http://2130706433:{}/", "http://", "x", "//x"),
        *("http://[/", "http://a:99999/", "http://a:b/"),
    ],
)
async def test_other_hosts_are_refused(port: int, url: str) -> None:
    strict = ImageFetcher(frozenset({f"127.0.0.1:{port}"}), anything)
    with pytest.raises(URLNotAllowedError):
        await strict.fetch(url.format(port), MAX_BYTES)
