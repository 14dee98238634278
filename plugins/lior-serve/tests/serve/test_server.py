"""Who is served when: questions in the order they came, whatever else is done."""

from __future__ import annotations

import asyncio
import itertools
import threading

from lior_serve.cli.serving import open_server
from lior_serve.limits import Settings
from serve.servers import PLAN


def test_questions_are_answered_in_their_order_and_nothing_holds_them_up(trained):
    server, done, free = open_server(Settings(paths=(trained,))), [], threading.Event()

    async def main():
        others = [asyncio.create_task(server.in_executor(free.wait, 20)) for _ in range(4)]
        ask = server.in_question_executor
        tasks = [asyncio.create_task(ask(done.append, number)) for number in range(40)]
        answer = await asyncio.wait_for(server.ask(server.version, "When is the launch?", 3), 20)
        free.set()
        await asyncio.gather(*others, *tasks)
        return answer

    try:
        answer = asyncio.run(main())
    finally:
        free.set()
        server.close(60)
    assert answer.answer.text == PLAN.strip()
    assert sorted(done) == list(range(40))
    # Two threads are at work at once, and each takes what is next.
    assert not any(a > b > c for a, b, c in itertools.combinations(done, 3))
