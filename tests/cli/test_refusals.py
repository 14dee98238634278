"""What a command cannot do or was not told rightly is one line on standard error, and nothing else."""

from __future__ import annotations

import shlex

import pytest

REFUSED = [
    ("plugnis", 2, "Did you mean 'plugins'?"),
    ("--hlp", 2, "--help"),
    ("plugins --knd", 2, "--kind"),
    ("config chekc", 2, "Did you mean 'check'?"),
    ("config copy", 2, "Missing argument"),
    ("completion tcsh", 2, "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ("eval RUN --seed 1", 2, "--seed is of noise, and there is none; add --noise 0.1"),
    ("eval RUN --noise-kind edits", 2, "--noise-kind is of noise, and there is none; add --noise 0.1"),
    ("eval r --noise nan", 2, "--noise: 'nan' is not a number from 0 to 1. Try 'lior eval --help'.\n"),
    ("eval r --device x", 2, "--device: 'x' is not one of 'auto', 'cpu', 'cuda', 'mps', 'xpu'. Try"),
    ("compare", 2, "no command 'compare'. Try"),
    ("generate RUN --batch 0", 1, "--batch 0: the file of prompts cannot be read: No such file or directory"),
    ("train nowhere --out RUN", 1, "the directory is not empty; nothing was touched; give another --out"),
    ("train nowhere --out RUN/config.toml", 1, "config.toml: cannot be written: Not a directory; give"),
    ("train nowhere --out /proc/x", 1, "/proc/x: cannot be written: No such file or directory; give"),
    ("generate RUN --batch RUN/config.toml --prompt The", 2, "leave out --prompt and --sources"),
    ("generate r --max-tokens abc", 2, "--max-tokens: 'abc' is not a whole number of at least 0."),
    ("generate r --max-tokens -1", 2, "--max-tokens: '-1' is not a whole number of at least 0."),
    ("generate r --temperature nan", 2, "--temperature: 'nan' is not a number from 0 to 100."),
    ("generate r --top-p 1.5", 2, "--top-p: '1.5' is not a number from 0 to 1."),
    ("generate r --top-k 1.5", 2, "--top-k: '1.5' is not a whole number of at least 0."),
    (f"generate r --seed {2**64}", 2, f"'{2**64}' is not a whole number from 0 to {2**63 - 1}."),
    ("inspect nowhere", 1, "nowhere: no such run directory"),
    ("inspect RUN/config.toml", 1, "not a run directory of lior but a file"),
    ("plot nowhere", 1, "nowhere: no such run directory"),
    ("plot RUN --only curve", 2, "--only: no picture 'curve'. Did you mean 'curves'?"),
    ("plot RUN --only curves,", 2, "--only: no picture ''. There are curves, positions,"),
    ("plot RUN --only angles", 1, "nothing to draw; angles: the frame of the run does not rotate"),
    ("plot RUN --format gif", 2, "'gif' is not one of 'png', 'svg', 'both'"),
    ("plot RUN --sample 0", 2, "--sample"),
    ("plot RUN --text --json", 2, "--text prints tables, and --json prints numbers"),
    ("plot RUN --text --out x", 2, "--out is a folder for files, and --text writes no files"),
    ("plot RUN --json --format svg", 2, "--format is the kind of the files, and --json prints numbers"),
    ("plot RUN --only curves --sample 9", 2, "--sample: curves takes no sample"),
    ("plot RUN --only curves --out RUN/config.toml/x", 1, "cannot be written: Not a directory"),
    ("plugins --kind fram", 2, "'frame'"),
    ("plugins --kind frame new lior-x --kind frame", 2, "--kind stands before 'new'; put it after"),
    ("plugins --json new lior-x --kind frame", 2, "--json stands before 'new'; put it after"),
    ("plugins --check new lior-x --kind frame", 2, "--check stands before 'new'; put it after"),
    ("score RUN x --json --color always", 2, "--color always colours text, and --json prints none"),
    ("score RUN x --top 0", 2, "--top: '0' is not a whole number of at least 1."),
    ("score RUN nowhere.log", 1, "nowhere.log: no such file or folder"),
    ("train x --frame rottor", 2, "Did you mean 'rotor'?"),
    ("train x --memory sdm,exat", 2, "Did you mean 'exact'?"),
    ("why RUN --text ''", 2, "--text is empty"),
    ("why RUN --text x --next 3", 2, "--next is of text that is drawn"),
    ("why RUN --text x --temperature 1", 2, "--temperature is of text that is drawn"),
    ("why RUN --text x --seed 1", 2, "--seed is of text that is drawn"),
    ("why RUN --seed 1", 2, "--seed changes nothing at temperature 0"),
    ("why RUN --top-k 1", 2, "--top-k changes nothing at temperature 0"),
    ("why RUN --next 0", 2, "--next: '0'"),
    ("why RUN --temperature -1", 2, "--temperature: '-1' is not a number from 0 to 100"),
    ("why RUN --html no/page.html", 2, "there is no folder no"),
]


@pytest.mark.parametrize(("line", "code", "message"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_one_line_for_what_cannot_be_done(command, finished, line, code, message):
    before = sorted(finished.iterdir())
    result = command(*shlex.split(line.replace("RUN", str(finished))))
    assert (result.code, result.err.count("\n")) == (code, 1)
    assert code == 1 or result.out == ""
    assert result.err.startswith("lior: error: ")
    assert message in result.err
    assert sorted(finished.iterdir()) == before
