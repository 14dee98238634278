"""Run a command where nothing but the loopback device is, and print as JSON what it sent.

    unshare -rn python alone.py SECONDS COMMAND...    # SECONDS 0: until it ends; otherwise a server

The kernel counts in a network namespace what any process sends, whatever library sends it. A server is asked
one question over HTTP, where its line says an address, and ended after SECONDS.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41


def raise_loopback() -> None:
    """A new namespace has its loopback device down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))


def counters() -> dict[str, int]:
    """Packets without a way out, datagrams and connections of this namespace."""
    found = {}
    lines = Path("/proc/net/snmp").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        protocol, *numbers = values.split()
        found |= {protocol + name: int(n) for name, n in zip(names.split()[1:], numbers, strict=True)}
    with contextlib.suppress(OSError):  # a kernel without IPv6
        found |= {
            name: int(n) for name, n in map(str.split, Path("/proc/net/snmp6").read_text().splitlines())
        }
    wanted = ("Ip:OutNoRoutes", "Udp:OutDatagrams", "Tcp:ActiveOpens", "Ip6OutNoRoutes", "Udp6OutDatagrams")
    return {name: found.get(name, 0) for name in wanted}


def message(method: str, id: int | None = None, **params: object) -> str:
    """A line of MCP; a notification without ``id``."""
    return (
        json.dumps({"jsonrpc": "2.0", "method": method, "params": params} | ({"id": id} if id else {})) + "\n"
    )


def ask(command: list[str], process: subprocess.Popen[str]) -> int:
    """Ask a server one question; how many connections that took."""
    if "serve" in command:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        assert b"4711" in urllib.request.urlopen(f"{address}?q=gate", timeout=900).read()
        return 1
    client = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    process.stdin.write(message("initialize", 1, **client) + message("notifications/initialized"))
    process.stdin.write(
        message("tools/call", 2, name="ask", arguments={"question": "Which code opens the gate?"})
    )
    process.stdin.flush()
    process.stdout.readline()
    assert "4711" in process.stdout.readline()
    return 0


def run(seconds: float, command: list[str]) -> dict[str, object]:
    """Exit code, output and packets of a command."""
    asked = 0
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if seconds:
        end = time.monotonic() + seconds
        asked = ask(command, process)
        time.sleep(max(end - time.monotonic(), 0))
        if "serve" in command:
            process.send_signal(signal.SIGINT)
    said, _ = process.communicate()  # without more input `lior mcp` ends
    sent = counters()
    sent["Tcp:ActiveOpens"] -= asked
    return {"code": process.returncode, "said": said, "sent": sent}


if __name__ == "__main__":
    raise_loopback()
    print(json.dumps(run(float(sys.argv[1]), sys.argv[2:])))
