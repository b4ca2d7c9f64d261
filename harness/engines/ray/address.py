"""Finds the head of a Ray cluster at an address, or raises at once; Ray itself would try for minutes."""

from __future__ import annotations

import os
import socket

from ray._private import services
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError

from harness.errors import EngineError, InputError

__all__ = ["find_head"]

ANSWER_WITHIN_S = 10.0
#: The start of an HTTP/2 connection, with an empty frame of settings; a server of HTTP/2 answers with its own
#: settings (RFC 9113, 3.4 and 6.5).
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS


def find_head(address: str) -> str:
    """Returns host and port of a head that answers.

    Raises:
        InputError: the address is of another kind.
        EngineError: no head of Ray's answers there, or it wants its token.
    """
    if "://" in address:
        raise InputError(f"engine.address: '{address}' is for Ray's client; run on a node of the cluster, with auto")
    try:
        head = str(services.canonicalize_bootstrap_address_or_die(address))
        host, _, port = head.rpartition(":")
        _check_answers(host.strip("[]"), int(port))
    except (OSError, ValueError, OverflowError) as error:
        reason = str(error).partition(". ")[0]
        raise EngineError(
            f"engine.address: no Ray cluster answers at '{address}' ({reason[:200]}); start one with "
            "`ray start --head`, or leave engine.address out"
        ) from None
    try:
        GcsClient(address=head)
    except AuthenticationError:
        raise EngineError(
            f"engine.address: the Ray cluster at '{address}' wants its token: set RAY_AUTH_MODE=token, and have the "
            "token in ~/.ray/auth_token or in the file that RAY_AUTH_TOKEN_PATH names"
        ) from None
    except RayError:
        pass  # `ray.init` tries for longer, and says what is wrong
    return head


def _check_answers(host: str, port: int) -> None:
    """Connects like a gRPC client: Ray's own client prints, and waits for most of a minute, when no Ray is there.

    Raises:
        OSError: nobody listens, or what listens there is not Ray.
    """
    with socket.create_connection((host, port), timeout=ANSWER_WITHIN_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") in ("", "0"):
            connection.sendall(HELLO)
            if connection.recv(len(SETTINGS))[3:4] != SETTINGS[3:4]:
                raise OSError("what listens there is not Ray")
