"""Ask a folder from Python: the answer with its file and line, or why there is none. No model is needed.

python examples/ask_folder.py [FOLDER QUESTION]
"""

import sys

from lior_ask import Index

folder, question = sys.argv[1:] or ("examples/notes", "When does the certificate expire?")
index = Index(folder)  # read once, cached for the user; later only changed files are read
found = index.ask(question, top=2)
print(found.answer.text if found.answer else found.note)
for passage, score in found.passages:
    print(f"{score:6.2f}  {passage.document}:{passage.line}")
