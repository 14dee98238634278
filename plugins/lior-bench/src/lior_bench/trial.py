"""The trial of `lior ask`: 60 documents as of a real person, 50 questions written before the retriever."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import random
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lior_bench.asking import Question
from lior_bench.checkout import folder

PLACE = "plugins/lior-ask/tests/ask/trial"

MODULES = (
    "bisect", "filecmp", "fnmatch", "graphlib", "heapq", "netrc", "queue", "sched", "secrets", "shlex",
    "textwrap", "zipapp",
)  # fmt: skip
"""Modules of the standard library whose source is taken."""

MANUALS = {
    "attrs": "attrs.md", "click": "click.md", "hypothesis": "hypothesis.md",
    "platformdirs": "platformdirs.md", "pluggy": "pluggy.rst", "pytest": "pytest.rst", "rich": "rich.md",
}  # fmt: skip
"""Installed packages whose description is taken, and the file it becomes."""

LICENCE = ("numpy", "numpy-licence.txt")


def collect(out: Path) -> list[Path]:
    """Write all documents below ``out``, a new or empty folder.

    Equal for equal versions of Python and of the packages.
    """
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out}: not empty; name a new folder")
    shutil.copytree(folder(PLACE) / "notes", out, dirs_exist_ok=True)
    for name in ("logs", "code", "manuals"):
        (out / name).mkdir()
    for name, lines in LOGS.items():
        write(out / "logs" / name, "".join(line + "\n" for line in lines()))
    library = Path(sysconfig.get_path("stdlib"))
    for module in MODULES:
        write(out / "code" / f"{module}.py", (library / f"{module}.py").read_text("utf-8"))
    for package, name in MANUALS.items():
        write(out / "manuals" / name, description(package))
    write(out / "manuals" / LICENCE[1], licence(LICENCE[0]))
    return sorted(path for path in out.rglob("*") if path.is_file())


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def description(package: str) -> str:
    """The long description of an installed package: usually its README."""
    metadata: Any = importlib.metadata.metadata(package)  # a message, although its type has no such methods
    text = metadata.get("Description") or metadata.get_payload()
    return str(text)


def licence(package: str) -> str:
    """The first licence of an installed package, by length of its path."""
    files = importlib.metadata.files(package) or []
    named = [file for file in files if file.name.upper().startswith("LICENSE")]
    first = min(named, key=lambda file: (len(file.parts), str(file)))
    return Path(str(first.locate())).read_text("utf-8")


class Dice:
    """Random choices that are equal in all versions of Python: only ``random()`` is promised to be."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)

    def below(self, n: int) -> int:
        return int(self._source.random() * n)

    def of(self, *choices: str) -> str:
        return choices[self.below(len(choices))]


def moments(start: str, step: int, dice: Dice) -> Iterator[datetime.datetime]:
    """Moments with about ``step`` seconds between them."""
    now = datetime.datetime.fromisoformat(start)
    while True:
        now += datetime.timedelta(seconds=1 + step // 2 + dice.below(step))
        yield now


def backup_log() -> Iterator[str]:
    """Hourly copies of files, a dump every night; 480 lines."""
    dice = Dice(1)
    start = datetime.datetime(2025, 4, 12)
    for hour in range(160):
        now = start + datetime.timedelta(hours=hour, seconds=dice.below(50))
        files, new = 21000 + hour * 3 + dice.below(9), dice.below(40)
        at = now.strftime("%Y-%m-%d %H:%M:%S")
        if (now.day, now.hour) == (17, 2):
            yield f"{at} INFO  dump of heron started on birch"
            yield f"{at} ERROR dump of heron aborted: no space left on device /srv/dumps (98 GiB used)"
            yield f"{at} WARN  no new dump tonight, the one of yesterday stays"
        elif now.hour == 2:
            yield f"{at} INFO  dump of heron started on birch"
            yield f"{at} INFO  dump of heron finished, {3400 + hour} MiB in {210 + dice.below(60)} s"
            yield f"{at} INFO  dumps older than 30 days removed: 1"
        else:
            yield f"{at} INFO  snapshot of /srv/files started"
            changed, size = dice.below(30), f"{dice.below(900)}.{dice.below(10)}"
            yield f"{at} INFO  {files} files, {new} new, {changed} changed, {size} MiB added"
            yield f"{at} INFO  snapshot {dice.below(1 << 28):07x} saved"


def access_log() -> Iterator[str]:
    """Requests to the web server; 1,000 lines."""
    dice = Dice(2)
    pages = ("/", "/search?q=history", "/search?q=whales", "/login", "/book/1822", "/loans", "/cover/77.jpg")
    for number, now in zip(range(1000), moments("2025-05-05 06:00:00", 40, dice), strict=False):
        page = dice.of(*pages)
        status, size = dice.of("200", "200", "200", "200", "304", "404"), 300 + dice.below(20000)
        host, agent = f"192.0.2.{1 + dice.below(60)}", dice.of("Firefox/137.0", "Chrome/135.0", "Safari/18.3")
        if number == 611:
            host, page, status, agent = "198.51.100.23", "/admin/export/members.csv", "403", "curl/8.5.0"
        at = now.strftime("%d/%b/%Y:%H:%M:%S +0100")
        yield f'{host} - - [{at}] "GET {page} HTTP/1.1" {status} {size} "-" "{agent}"'


def system_log() -> Iterator[str]:
    """What the machines say; 700 lines."""
    dice = Dice(3)
    special = {
        187: "alder kernel: Out of memory: Killed process 4127 (convert) "
        "total-vm:3881204kB, anon-rss:2011876kB",
        402: "cedar kernel: md0: Disk failure on sdc1, disabling device. Operation continuing on 1 devices.",
        404: "cedar mdmonitor: mail sent to root",
        533: "birch postgres[812]: checkpoints are occurring too frequently (9 seconds apart)",
    }
    for number, now in zip(range(700), moments("2025-04-20 00:00:00", 600, dice), strict=False):
        machine, pid = dice.of("alder", "birch", "cedar", "dogwood"), 400 + dice.below(9000)
        usual = dice.of(
            f"CRON[{pid}]: (root) CMD (run-parts /etc/cron.hourly)",
            f"sshd[{pid}]: Invalid user admin from 203.0.113.{dice.below(255)} "
            f"port {20000 + dice.below(40000)}",
            f"sshd[{pid}]: Accepted publickey for priya from 192.0.2.14 port {20000 + dice.below(40000)}",
            "systemd[1]: Started Daily rotation of log files.",
            f"chronyd[{300 + dice.below(90)}]: Selected source 192.0.2.{dice.below(9)}",
            "systemd[1]: nginx.service: Reloaded.",
        )
        yield f"{now.strftime('%b %d %H:%M:%S')} {special.get(number, f'{machine} {usual}')}"


def deploy_log() -> Iterator[str]:
    """Versions put on the servers; 240 lines."""
    dice = Dice(4)
    installing = ("fetched", "dependencies installed", "tests passed", "migrations applied")
    steps = (*installing, "static files written", "live")
    versions = [f"2.{minor}.{patch}" for minor in (2, 3) for patch in range(20)]
    for number, now in zip(range(40), moments("2024-12-01 09:00:00", 350000, dice), strict=False):
        who, version = dice.of("priya", "daniel", "lena"), versions[number]
        for step, usual in enumerate(steps):
            at = (now + datetime.timedelta(seconds=37 * step)).strftime("%Y-%m-%dT%H:%M:%S")
            failed = number == 27 and usual == "live"
            name = "rolled back, migration 0042 left loan_limit without a default" if failed else usual
            yield f"{at} alder heron {version} {who}: {name}"


LOGS: dict[str, Callable[[], Iterator[str]]] = {
    "backup.log": backup_log, "access.log": access_log, "system.log": system_log, "deploy.log": deploy_log,
}  # fmt: skip


def questions() -> list[dict[str, Any]]:
    """All 50, as ``plugins/lior-ask/tests/ask/trial/README.md`` describes them."""
    return [json.loads(line) for line in (folder(PLACE) / "questions.jsonl").read_text("utf-8").splitlines()]


def asked() -> list[Question]:
    """All 50, as they are asked."""
    return [
        Question(
            text=each["question"],
            kind=("paraphrased" if each["paraphrased"] else "plain")
            if each["answerable"]
            else "unanswerable",
            words=(each["answer_contains"],) if each["answerable"] else (),
            document=each.get("answer_document") or "",
            lines=tuple(each.get("answer_line") or ()),
            of="trial",
        )
        for each in questions()
    ]
