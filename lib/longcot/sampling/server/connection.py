"""HTTP to one server: which way it is reached, what is sent, and why there is no reply, said with the fix."""

import asyncio
import functools
import ipaddress
import itertools
import os
import re
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from longcot.files.errors import BadInput
from longcot.sampling.server.refusal import Fault, Refusal, body_of, error_inside, retry_after, without_key

CONNECT_S = 30.0  # to connect, and for a list of models
PROBE_S = 5.0  # to see whether a port speaks TLS
CONNECTIONS = 8  # of one client, about
# What OpenSSL, by its version, calls an answer that is no TLS.
_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")


def read_key(name: str) -> str:
    """The key in the environment variable `name`, EMPTY where there is none; its ends may have white space.

    Raises BadInput for one that no HTTP header holds, or that was set with its quotes. The key is not in the message.
    """
    key = os.environ.get(name, "").strip()
    fix = "set the variable to the key alone"
    if re.search(r"\s", key):
        what = "a line break" if re.search(r"[\r\n]", key) else "white space"
        raise BadInput(f"the key in {name} has {what} in it; {fix}, without Bearer and without a second line")
    if odd := re.search(r"[^\x21-\x7e]", key):
        raise BadInput(f"the key in {name} has a character at place {odd.start() + 1} that no key has; copy it anew")
    if re.search(r"^[\"'`]|[\"'`]$", key):
        raise BadInput(f"the key in {name} has quotes around it; {fix}, without quotes")
    return key or "EMPTY"


class Connection:
    """The connections to the server at `url`, for about `concurrency` requests of at most `timeout_s` at a time.

    `key` is sent, and kept out of every message. All methods run in one event loop. Raises BadInput for a URL that
    nothing can be at, and where the environment's proxy or certificates cannot be used.
    """

    def __init__(self, url: str, key: str, timeout_s: float, concurrency: int):
        self.url, self._key, self._answered = url, key, False
        self.server_header = ""  # what software the server says it is
        self._scheme, self._host, self._port = url_parts(url)
        timeout = httpx2.Timeout(timeout_s, connect=CONNECT_S)
        try:
            verify = _certificates(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read ({error}); give a file that "
                "is there, or unset it"
            ) from None
        # A client looks through all of its connections at each request, so several with a few each are quicker.
        self._clients = [
            openai.AsyncOpenAI(
                base_url=url, api_key=key, max_retries=0, timeout=timeout, http_client=self._http_client(verify)
            )
            for _ in range(-(-concurrency // CONNECTIONS))
        ]
        self._next = itertools.cycle(self._clients)

    def _http_client(self, verify: ssl.SSLContext) -> httpx2.AsyncClient:
        """A client that goes by the environment's proxies, but never to this machine itself."""
        how = {"limits": httpx2.Limits(max_keepalive_connections=None), "verify": verify}
        if _is_this_machine(self._host):
            return openai.DefaultAsyncHttpxClient(**how, trust_env=False)
        try:
            return openai.DefaultAsyncHttpxClient(**how)
        except (ImportError, ValueError, httpx2.InvalidURL) as error:  # of any proxy, also of one that is not for this
            proxy = self._proxy()
            if proxy is None:
                return openai.DefaultAsyncHttpxClient(**how, trust_env=False)
            fix = f"or add {self._host} to NO_PROXY if no proxy is needed there"
            if isinstance(error, ImportError):
                raise BadInput(
                    f"{self.url}: {proxy} is a SOCKS proxy, which needs a package: `pip install socksio`, {fix}"
                ) from None
            raise BadInput(f"{self.url}: {proxy} is no proxy's URL; write http://HOST:PORT, {fix}") from None

    def _proxy(self) -> str | None:
        """The environment variable whose proxy is for this server, None where none is."""
        given = urllib.request.getproxies()
        which = next((scheme for scheme in (self._scheme, "all") if given.get(scheme)), None)
        if which is None or _is_this_machine(self._host) or urllib.request.proxy_bypass(self._host):
            return None
        return f"{which}_proxy" if f"{which}_proxy" in os.environ else f"{which}_proxy".upper()

    async def call(self, path: str, body: dict[str, Any] | None, seconds: float) -> httpx2.Response:
        """A good reply. Raises Fault, Refusal for an error reply, or BadInput where the user is needed.

        The client's own `create` looks at each token of a prompt by itself, milliseconds for a long one; this does not.
        """
        client, how = next(self._next), {"cast_to": httpx2.Response}
        call = client.get(path, **how) if body is None else client.post(path, **how, body=body)
        try:
            async with asyncio.timeout(seconds):
                response = await call
        except (TimeoutError, openai.APITimeoutError):
            raise Fault(f"{self.url}: no reply within {seconds:g} s") from None
        except openai.APIConnectionError as error:
            raise await self._no_connection(error) from None
        except openai.APIStatusError as error:
            response = error.response
        if body is not None and response.request.method != "POST":
            raise BadInput(f"{self.url} sends requests on to {response.url}; write that server's URL, with its /v1")
        if response.status_code == 400 and not self._answered and await self._speaks_tls():
            raise BadInput(f"no server at {self.url}: it speaks https; write https:// for http://")
        self._answered, self.server_header = True, response.headers.get("server", "")
        if response.is_error:
            raise self._refusal(response.status_code, body_of(response.text) or response.reason_phrase, response)
        return response

    def inside(self, response: httpx2.Response) -> Exception | None:
        """The error that a reply with a good status holds in place of what was asked for, as `call` raises it."""
        found = error_inside(response.text)
        return self._refusal(*found, response) if found else None

    def _refusal(self, status: int, body: Any, response: httpx2.Response) -> Exception:
        """An error reply, as what the user must see to or as what its request makes of it."""
        refusal = Refusal(self.url, status, body, self._key, retry_after(response.headers))
        if status in (401, 403):
            fix = "put the right one into the environment variable that the study names"
            return BadInput(f"{self.url} refuses the key ({refusal.said}); {fix}")
        if status == 402 or "insufficient_quota" in refusal.words:
            return BadInput(f"{self.url} wants to be paid ({refusal.said}); see to the account of the key")
        if status == 407:
            fix = "write http://USER:PASSWORD@HOST:PORT into it, or add this server's host to NO_PROXY"
            return BadInput(f"{self.url}: the proxy of {self._proxy()} wants a login ({refusal.said}); {fix}")
        return refusal

    async def _no_connection(self, error: openai.APIConnectionError) -> Exception:
        """Why there is no reply, in words of our own: an error's text may hold the key."""
        causes, proxy = list(_causes(error)), self._proxy()
        what = type(causes[1] if len(causes) > 1 else error).__name__
        unreachable = what in ("ConnectError", "ProxyError")
        cause = next((said for one in causes if (said := self._of_tls(one))), "")
        if not cause and proxy and unreachable:
            said = f" ({without_key(str(causes[1]), self._key)[:80]})" if what == "ProxyError" else ""
            cause = f"the proxy of {proxy} does not lead there{said}; correct it, or add {self._host} to NO_PROXY"
        elif any(isinstance(one, socket.gaierror) for one in causes):
            cause = f"no host is known by the name {self._host}; see to its spelling, or to this machine's network"
        if not unreachable and not self._answered and await self._speaks_tls():
            return BadInput(f"no server at {self.url}: it speaks https; write https:// for http://")
        if cause:
            return Fault(f"no server at {self.url}: {cause}", unreachable=unreachable, cause=cause)
        return Fault(f"{self.url}: no connection ({what})", unreachable=unreachable)

    def _of_tls(self, error: BaseException) -> str:
        """What an error says of TLS, with the fix; nothing where it says none."""
        if isinstance(error, ssl.SSLCertVerificationError):
            fix = "give SSL_CERT_FILE the certificate of the authority that signed it"
            if error.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
                fix = "have it renewed, or see to this machine's clock"
            elif error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
                fix = "write the name that it is for"
            return f"its certificate does not hold ({error.verify_message}); {fix}"
        if isinstance(error, ssl.SSLError):
            if error.reason in _PLAIN_HTTP:
                return "it speaks http; write http:// for https://"
            return f"it speaks no https that is known here ({error.reason}); if it is one of http, write http://"
        return ""

    async def _speaks_tls(self) -> bool:
        """Whether a server that is asked in plain http and gives nothing good is one of https."""
        if self._scheme != "http":
            return False
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
        try:
            async with asyncio.timeout(PROBE_S):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
        except (OSError, ssl.SSLError, TimeoutError):
            return False
        writer.close()
        return True

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.close() for client in self._clients))


@functools.lru_cache(maxsize=1)  # tens of milliseconds, for each server of each arm
def _certificates(*_: str | None) -> ssl.SSLContext:
    """The certificates that these variables name, or the system's. Raises OSError for what cannot be read."""
    return httpx2.create_ssl_context()


def url_parts(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) of a URL. Raises BadInput for one that nothing can be at."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise BadInput(f"no server at {url!r}: {error}; write it as http://HOST:PORT/v1") from None
    if re.search(r"[\s\x00-\x1f]", url):
        raise BadInput(f"no server at {url!r}: there is white space in the URL; write it as http://HOST:PORT/v1")
    if parts.scheme not in ("http", "https") or not host:
        fix = f"write http://{url.split('//')[-1]}" if url.strip() else "write http://HOST:PORT/v1"
        raise BadInput(f"no server at {url}: a server's URL begins with http:// or https:// and a host; {fix}")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def _is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its very name, which no proxy can lead to."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
