"""MCP by the SDK's own client: over HTTP, and over standard input and output."""

from __future__ import annotations

import anyio
import mcp
import pytest
from mcp.client.client import Client

from serve.calling import MODERN, message


def told(result):
    return result.structured_content


@pytest.mark.parametrize("kind", ["live", "serves_folder"])
def test_tools_and_resources_over_http(kind, request):
    live = request.getfixturevalue(kind)

    async def main():
        async with Client(f"{live.url}/mcp") as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools.keys() == {"ask", "get", "docs"}
            assert "question" in tools["ask"].input_schema["properties"]
            assert all(tool.annotations.read_only_hint for tool in tools.values())
            found = told(await client.call_tool("ask", {"question": "When is the boiler serviced?"}))
            assert found["found"]
            assert found["answer"]["text"] == "The boiler is serviced in October."
            assert (found["answer"]["document"], found["answer"]["line"]) == ("house.md", 3)
            lines = told(await client.call_tool("get", {"document": "house.md", "line": 3, "count": 1}))
            assert lines["lines"] == ["The boiler is serviced in October."]
            listed = told(await client.call_tool("docs", {"search": "house"}))
            assert [each["name"] for each in listed["documents"]] == ["house.md"]
            resources = {each.name: each.uri for each in (await client.list_resources()).resources}
            assert "note 3.txt" in resources
            read = await client.read_resource(resources["note 3.txt"])
            assert "room 23" in read.contents[0].text

    anyio.run(main)


def test_refusals_are_results_that_an_agent_can_read(live):
    told = list[str]()

    async def main():
        async with Client(f"{live.url}/mcp") as client:
            for name, given in (
                ("ask", {"question": "what is the"}),
                ("ask", {"question": "boiler", "top": 0}),
                ("get", {"document": "/etc/passwd"}),
                ("get", {"document": "house.md", "line": 0}),
                ("learn", {"name": "x", "text": "y"}),
                ("forget", {"name": "house.md"}),
                ("ask", {}),
                ("get", {"document": "house.md", "first": 5}),
            ):
                try:
                    result = await client.call_tool(name, given)
                except mcp.MCPError:
                    assert name in ("learn", "forget")
                else:
                    assert result.is_error, name
                    told.append(result.content[0].text)
            assert "question: is missing" in told
            assert "first: is no field of this request" in told
            assert "line: must be at least 1" in told  # without a text of the SDK before it
            assert all("\n" not in each for each in told)
            with pytest.raises(mcp.MCPError):
                await client.read_resource("lior://documents/..%2Fconfig.toml")

    anyio.run(main)
    assert live.server.version.number == 1


def test_an_agent_learns_and_forgets_where_it_may(editable):
    async def main():
        async with Client(f"{editable.url}/mcp") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"learn", "forget"} < names
            text = "The key of the observatory hangs behind the blue clock."
            assert not (await client.call_tool("learn", {"name": "key.txt", "text": text})).is_error
            question = {"question": "Where does the key of the observatory hang?"}
            assert told(await client.call_tool("ask", question))["answer"]["text"] == text
            assert (await client.call_tool("learn", {"name": "key.txt", "text": text})).is_error
            replaced = {"name": "key.txt", "text": "It is lost.", "replace": True}
            assert not (await client.call_tool("learn", replaced)).is_error
            assert not (await client.call_tool("forget", {"name": "key.txt"})).is_error
            assert (await client.call_tool("forget", {"name": "key.txt"})).is_error

    anyio.run(main)


def test_no_stream_is_held_open(http):
    """64 of them would be all requests that may be at a time."""
    assert http.get("/mcp", headers={"Accept": "text/event-stream"}, timeout=60).status_code == 405
    kinds = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
    body = message("subscriptions/listen", _meta=MODERN, notifications={})
    reply = http.post("/mcp", json=body, headers=kinds | {"Mcp-Method": "subscriptions/listen"}, timeout=60)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, -32601)
