"""A file in another encoding than UTF-8 has the same text in an answer, in the source pane and for agents."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import anyio

from lior_serve.cli.serving import open_server
from lior_serve.limits import Settings
from serve.calling import HOST, JSON, application, call, message

STATEMENT = """"Kontoinhaberin";"Ilse Haffmünde"
"IBAN";"DE12 3456"
"Zeitraum";"Januar bis März"

"Buchungstag";"Empfänger";"Verwendungszweck";"Betrag"
"03.01.2025";"Bäckerei Löwe";"Brötchen für das Frühstück";"-12,40"
"04.02.2025";"Stadtwerke Haffmünde";"Abschlag für Strom";"-88,00"
"05.03.2025";"Gärtnerei Weiß";"Äpfel und Blumen";"-23,50"
"""
MAIL = """From: Käthe <kaethe@example.org>
To: b@example.org
Subject: Schlüssel
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

Der Schlüssel für die Bühne hängt im Küchenschrank neben der Tür.
"""


def test_a_file_in_another_encoding_reads_the_same_everywhere(tmp_path):
    texts = {"bank.csv": STATEMENT, "key.eml": MAIL}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode("cp1252"))
    server = open_server(Settings(paths=(tmp_path,)))

    async def main() -> None:
        async with application(server) as app:

            async def posted(path: str, given: object) -> dict:
                body = json.dumps(given).encode()
                return json.loads((await call(app, "POST", path, headers=(HOST, *JSON), body=body)).body)

            listed = await posted("/mcp", message("resources/list"))
            resources = {each["name"]: each["uri"] for each in listed["result"]["resources"]}
            for name, text in texts.items():
                got = await call(app, "GET", "/api/document", urlencode({"name": name}).encode())
                assert json.loads(got.body)["lines"] == text.splitlines()
                read = await posted("/mcp", message("resources/read", uri=resources[name]))
                assert read["result"]["contents"][0]["text"] == text
            given = {"question": "Wo hängt der Schlüssel für die Bühne?", "lines": True}
            told = await posted("/api/ask", given)
            assert told["answer"]["text"] in told["shown"]["lines"]
            assert told["shown"]["mark"]["column"] == 1
            assert told["shown"]["mark"]["line"] == 7

    try:
        anyio.run(main)
    finally:
        server.close(60)
