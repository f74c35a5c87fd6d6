"""The address of a Ray cluster: whether Ray answers there, before Ray would try for minutes."""

import os
import socket

from edgematte.errors import EdgematteError

REACH_S = 5.0  # for the address to answer
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS
"""How HTTP/2 (RFC 9113, 3.4), and so gRPC, begins; the answer is a frame of settings, too."""


def reach(address: str, kind: type[EdgematteError], others: str = "") -> None:
    """Refuse an address where no Ray cluster answers, with an error of ``kind``.

    Args:
        address: ``HOST:PORT`` or ``ray://HOST:PORT``.
        kind: the class of the error.
        others: what else could be given in place of an address, for the sentence.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise kind(
            f"{address} is no address of a Ray cluster: give HOST:PORT or ray://HOST:PORT{others}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), REACH_S) as answering:
            answering.sendall(GREETING)
            answer = (
                answering.recv(len(SETTINGS)) if not os.environ.get("RAY_USE_TLS") else SETTINGS
            )
    except (OSError, OverflowError) as error:
        raise kind(
            f"no Ray cluster answers at {address} ({error}): start it (`ray start`), or give its "
            "address"
        ) from None
    if answer[3:4] != SETTINGS[3:4]:
        raise kind(f"what answers at {address} is no Ray cluster: give the address of one")
