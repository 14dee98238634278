"""Show the sources of a continuation's words: document, line, and its share of the probability.

python examples/why_a_word.py
"""

import lior

notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\n" * 9 for i in range(20)}
notes["plan"] = "The launch of the great balloon is on the fourth of May.\n"
run = lior.train(documents=notes, memory="sdm,match")
for word in run.sources("The launch of the great", " balloon is on the fourth"):
    if word.blank:
        continue
    line = f"{word.text.decode():10} {word.probability:.3f}"
    for place in word.sources[:1]:
        line += f"  {word.share(place.weight):4.0%} from {place.document}, line {place.line}"
    print(line)
