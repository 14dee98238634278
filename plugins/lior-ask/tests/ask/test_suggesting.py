"""Questions that are suggested: of payments, not of the names of columns or of grades."""

from __future__ import annotations

from lior_ask import Index
from lior_ask.suggesting import suggestions

SHOPS = ("Lidl", "Aldi", "Migros", "Lidl", "Migros", "Lidl")
WHAT = ("bread", "jam", "soap", "milk", "tea", "oil")


def test_suggestions_are_of_payments_and_not_of_names_of_columns():
    index = Index()
    rows = [
        f"2026-05-0{n + 1},{shop},{what},{n * n % 7}.{n}5"
        for n, (shop, what) in enumerate(zip(SHOPS, WHAT, strict=True))
    ]
    index.learn("costs.csv", "\n".join(["date,shop,item,amount", *rows]) + "\n")
    index.learn("grades.csv", "pupil,grade\nAda,2\nBo,3\nCy,2\nDee,1\n")
    found = suggestions(index)
    assert any("Lidl" in each for each in found), found
    assert not any("item" in each or "grade" in each for each in found), found
    for each in found:
        assert index.ask(each).confidence >= 0.9
