"""Questions that are suggested: of payments, not of the names of columns or of grades, and each once."""

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


def test_suggestions_have_different_answers_and_spend_money():
    index = Index()
    rows = [f"2026-05-0{n + 1},{('Ute', 'Bo')[n % 2]},{9 + n * n},fixed" for n in range(6)]
    index.learn("repairs.csv", "\n".join(["date,helper,minutes,result", *rows]) + "\n")
    rows = [f"2026-06-0{n + 1},Lidl,food,{n * n % 7}.{n}5" for n in range(3)]
    others = [f"2026-06-1{n},Ikea {n},chairs {n},{n}.95" for n in range(4)]
    index.learn("costs.csv", "\n".join(["date,shop,item,amount", *rows, *others]) + "\n")
    found = suggestions(index)
    assert not any("Ute" in each or "Bo" in each for each in found), found
    assert sum("Lidl" in each or "food" in each for each in found) == 1, found
