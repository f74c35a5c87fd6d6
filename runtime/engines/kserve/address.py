"""Where a server is, and by which names it has a bundle's graphs, read from ``device``."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from edgematte.errors import EngineError

SCHEMES = {"grpc": False, "grpcs": True, "http": False, "https": True}
"""By scheme, whether the connection is encrypted."""
FORMS = "grpc://HOST:PORT or http://HOST:PORT, with TLS grpcs:// or https://"
GRAPH = "{graph}"
TIMEOUT_S = 60.0
"""*Chosen*: how long a call may take; ``timeout_s`` of the address says otherwise."""
LONGEST_S = 3600.0
CONNECT_S = 10.0
"""*Chosen*: how long the questions may take that are asked before the first call."""


@dataclass(frozen=True)
class Address:
    """A server; as text it is the device without what is said after the port."""

    scheme: str
    host: str  # HOST:PORT
    names: str = GRAPH  # of models; GRAPH in it stands for the graph's name
    timeout_s: float = TIMEOUT_S

    @staticmethod
    def of(device: str | None) -> "Address":
        """Read ``grpc://HOST:PORT[/NAMES][?timeout_s=N]``; NAMES holds ``{graph}``.

        Raises:
            EngineError: it is something else; the message says what was expected.
        """
        if device is None:
            raise EngineError(f"engine kserve needs the address of a server as device: {FORMS}")
        if "@" in device:  # not shown: it may hold a password
            raise EngineError(f"device should be {FORMS}, without a user's name or password")
        try:
            url = urlsplit(device)
            port = url.port
        except ValueError as error:
            raise EngineError(f"device {device!r} is no address ({error}): give {FORMS}") from None
        if url.scheme not in SCHEMES:
            raise EngineError(f"device {device!r} is no address of a server: give {FORMS}")
        if not url.hostname or port is None or url.fragment:
            raise EngineError(f"device {device!r} should be {FORMS}")
        return Address(url.scheme, url.netloc, _names(url, device), _timeout(url, device))

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted, and the server's certificate checked."""
        return SCHEMES[self.scheme]

    @property
    def by_grpc(self) -> bool:
        """Whether it is gRPC; else it is HTTP."""
        return self.scheme.startswith("grpc")

    @property
    def connect_s(self) -> float:
        """How long the questions may take that are asked before the first call."""
        return min(self.timeout_s, CONNECT_S)

    def model(self, graph: str) -> str:
        """The server's name for a graph."""
        return self.names.replace(GRAPH, graph)

    def __str__(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.host}"


def _names(url: SplitResult, device: str) -> str:
    names = url.path.removeprefix("/")
    if not names:
        return GRAPH
    if not re.fullmatch(r"[\w.+-]*\{graph\}[\w.+-]*", names, re.ASCII):
        raise EngineError(
            f"device {device!r}: after the port stand names of the server's models, letters "
            f"and digits with {GRAPH} for the graph's name, such as {url.scheme}://"
            f"{url.netloc}/portrait-{GRAPH}"
        )
    return names


def _timeout(url: SplitResult, device: str) -> float:
    said = dict(parse_qsl(url.query, keep_blank_values=True))
    try:
        seconds = float(said.pop("timeout_s", TIMEOUT_S))
    except ValueError:
        seconds = 0.0
    if said or not 0 < seconds <= LONGEST_S:
        raise EngineError(
            f"device {device!r}: after ? only timeout_s has a meaning, a number of seconds above 0 "
            f"and at most {LONGEST_S:g}"
        )
    return seconds
