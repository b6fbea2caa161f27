"""Requests that can be given up at any moment, with bounds on time and on the size of what comes back.

They run in an event loop on a thread of their own, for whoever waits for one to be free to look, ten times a second,
whether the run is to end, and to leave at once, whatever the network does.
"""

import asyncio
import concurrent.futures
import ipaddress
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx

from foundation.errors import StudioError
from generator.vlm.settings import VlmSettings
from generator.vlm.wire import DONE, EVENTS

POLL_S = 0.1
"""Seconds between two looks at whether to stop."""
_CLOSING_S = 5.0
_TAIL = 64


class Stopped(Exception):
    """The run was asked to stop."""


class Unreached(Exception):
    """There is no whole response; the text says why.

    Attributes:
        retry: whether another attempt may fare better.
        sent: whether the server may have done the work, and charge for it.
    """

    def __init__(self, why: str, *, retry: bool = True, sent: bool = True) -> None:
        super().__init__(why)
        self.retry, self.sent = retry, sent


def takes_proxies(url: str) -> bool:
    """Whether requests to an address go through the proxies of the environment.

    Those see what is not encrypted, so only what is goes through them; and no proxy leads to this machine itself.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return parts.scheme == "https" and not local


@dataclass(frozen=True)
class Response:
    """A whole response, of whatever status."""

    status: int
    content_type: str
    retry_after: str
    body: bytes


class Transport:
    """A connection to the endpoint of the settings. It follows no redirect: the key goes there and nowhere else."""

    def __init__(self, settings: VlmSettings) -> None:
        self._settings = settings
        headers = {"Accept-Encoding": "identity", "User-Agent": "crossmax-studio", "Content-Type": "application/json"}
        if settings.secret:
            headers["Authorization"] = f"Bearer {settings.secret}"
        try:
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=httpx.Timeout(settings.read_s, connect=settings.connect_s),
                follow_redirects=False,
                trust_env=takes_proxies(settings.url),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # SOCKS needs a package; an address may be none
            raise StudioError(
                f"The proxy that HTTPS_PROXY or ALL_PROXY names cannot be used ({error}): unset it, or name another."
            ) from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vlm-requests", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Further requests are an error."""
        if self._loop.is_closed():
            return
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        concurrent.futures.wait([ending], timeout=_CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        if not self._thread.is_alive():
            self._loop.close()

    def post(self, body: bytes, should_stop: Callable[[], bool]) -> Response:
        """Send a request and return the response, whatever its status. Raises Unreached, or Stopped if asked to."""
        future = asyncio.run_coroutine_threadsafe(self._post(body), self._loop)
        try:
            while not future.done():
                if should_stop():
                    raise Stopped
                concurrent.futures.wait([future], timeout=POLL_S)
        finally:
            future.cancel()  # does nothing to one that is done
        return future.result()

    async def _post(self, body: bytes) -> Response:
        limits = self._settings
        try:
            async with (
                asyncio.timeout(limits.total_s),
                self._client.stream("POST", limits.endpoint, content=body) as response,
            ):
                return await self._read(response)
        except TimeoutError:
            raise Unreached(f"it did not finish within {limits.total_s:g} seconds") from None
        except (httpx.ConnectTimeout, httpx.PoolTimeout):
            raise Unreached(f"no connection came about within {limits.connect_s:g} seconds", sent=False) from None
        except httpx.TimeoutException:
            raise Unreached(f"it was silent for {limits.read_s:g} seconds") from None
        except (httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise Unreached(f"it cannot be reached ({_first_line(error)})", sent=False) from None
        except httpx.TransportError as error:
            raise Unreached(f"the connection broke off ({_first_line(error)})") from None

    async def _read(self, response: httpx.Response) -> Response:
        """Read the body as it is sent, no further than the bound."""
        most = self._settings.max_response_bytes
        headers = response.headers
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Unreached("its response is compressed, which it was asked not to do", retry=False)
        too_long = Unreached(f"its response is longer than {most:,} bytes, and was cut off", retry=False)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > most:
            raise too_long
        streamed = headers.get("content-type", "").lower().startswith(EVENTS)
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                raise too_long
            if streamed and DONE in body[-len(chunk) - _TAIL :]:
                break  # some servers leave the line open after it
        return Response(
            response.status_code, headers.get("content-type", ""), headers.get("retry-after", ""), bytes(body)
        )

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
