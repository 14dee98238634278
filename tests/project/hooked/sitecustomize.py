"""Python imports this module at its start: a look-up or address of another machine becomes a line of a file.

For systems without network namespaces; it sees what Python sends, not what compiled libraries send.
"""

import os
import sys
from pathlib import Path

TOLD = Path(os.environ.get("TOLD", os.devnull))
HERE = ("127.", "::1", "localhost", "0.0.0.0")


def tell(event: str, arguments: tuple) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path is a socket file
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host and not host.startswith(HERE):
        with TOLD.open("a") as told:
            told.write(f"{event} {host} {sys.argv}\n")


sys.addaudithook(tell)
