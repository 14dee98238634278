"""Teach a model a document without training, ask about it, and make the model forget it exactly.

python examples/learn_and_forget.py
"""

import lior

notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\n" * 9 for i in range(20)}
run = lior.train(documents=notes, memory="sdm,match")
prompt = "The launch of the great balloon"
before = run.complete(prompt, 25, temperature=0)

run.learn({"plan": "The launch of the great balloon is on the fourth of May."})
print("learned:", run.complete(prompt, 25, temperature=0))
print("asked:  ", run.ask("When is the launch?").answer.text)

run.forget("plan")
assert run.complete(prompt, 25, temperature=0) == before
print("forgot: ", run.ask("When is the launch?").note)
