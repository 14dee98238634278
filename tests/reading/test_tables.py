"""Tables of text files, whatever their format: columns, rows, and the lines at which rows begin."""

from __future__ import annotations

from lior.interfaces import ParsedDocument
from lior.reading.parsing import parse_bytes
from tests.cases import cases

AS_CSV = ["item,price", "a,1", "b,2"]
"""The table that each of these files has, as lines of CSV."""


def read(text: str, name: str) -> ParsedDocument:
    return parse_bytes(text.encode(), name)[0]


def csv_of(document: ParsedDocument) -> list[list[str]]:
    """Return the tables as lines of CSV, after a check that the first words of rows are at their lines."""
    lines = document.text.split("\n")
    for table in document.tables:
        for row, line in zip(table.rows, table.lines, strict=True):
            assert any(cell[:1] in lines[line] for cell in row if cell), (row, lines[line])
    return [[",".join(row) for row in (table.columns, *table.rows)] for table in document.tables]


@cases(
    ("name", "text"),
    [
        ("a.csv", "item,price\na,1\n\nb,2\n\nPage 1 of 2\n"),
        ("a.csv", "My list\n\nitem,price\na,1\nb,2\n* provisional,\n"),
        ("a.csv", "List 2025,\n,\nitem,price\na,1\nPage 1 of 2,\nitem,price\nb,2\nPage 2 of 2,\n"),
        ("a.txt", "item\tprice\na\t1\nb\t2\n"),
        ("a.md", "| item | price |\n|--|--:|\n| **a** | 1 |\n| [b](x) | 2 |\n"),
        ("a.txt", "All:\n\nitem | price\n--- | ---\na | 1\nb | 2\n"),
        ("a.txt", "item: a\nprice: 1\n\nitem: b\nprice: 2\n"),
        ("a.md", "# All\n\n- **item:** a\n- **price:** 1\n\n- **item:** b\n- **price:** 2\n"),
        ("a.html", "<table><tr><th>item<th>price<tr><td>a<td>1<tr><td>b<td>2</table>"),
        ("a.html", "<table><tr><td>item<td>price<tr><td>a<td>1<tr><td>b<td>2</table>"),
        ("a.html", "<table><thead><tr><td>item<td>price<tbody><tr><td><p>a<td>1<tr><td>b<td> 2 </table>"),
        ("a.html", "<table><tr><th>item<th>price<tr><td>a<td>1<tr><td>b<td>2<tr hidden><td>c<td>3</table>"),
        ("a.json", '[{"item": "a", "price": 1}, {"item": "b", "price": 2}]'),
        ("a.json", '{"n": 2, "all": {"of": [\n{"item": "a", "price": 1},\n{"item": "b", "price": 2}\n]}}'),
        ("a.jsonl", '{"item": "a", "price": 1}\n{"item": "b", "price": 2}\n'),
    ],
)
def test_the_same_table_in_each_format(name, text):
    assert csv_of(read(text, name)) == [AS_CSV]


@cases(
    ("name", "text", "columns", "row"),
    [
        ("a.csv", "item,price,price\na,1,2\n", "item,price,price 2", "a,1,2"),
        ("a.csv", "name,2023,2024\na,1,2\n", "name,2023,2024", "a,1,2"),
        ("a.csv", ",2024,,2025\nname,Q1,Q2,Q1\na,1,2,3\n", "name,2024 Q1,2024 Q2,2025 Q1", "a,1,2,3"),
        ("a.csv", "time,flow\n(s),(l)\n1,2\n", "time (s),flow (l)", "1,2"),
        ("a.csv", "item,price,by\na,1,x\nb,,\n", "item,price,by", "a,1,x"),
        ("a.csv", "a,1\nb,2\n", "column 1,column 2", "a,1"),
        ("a.md", "| a | 1 |\n|---|---|\n| x \\| y | 2 |\n", "a,1", "x | y,2"),
        ("a.html", "<table><tr><th rowspan=2>who<th colspan=2>2024<tr><th>Q1<th>Q2<tr><td rowspan=2>a<td>1"
         "<td><b>2</b>\n<i>x</i><tr><td>3<td>4</table>", "who,2024 Q1,2024 Q2", "a,1,2 x"),
        ("a.json", '[{"c": 1, "a": {"b": 2}, "e": [3]}, {"d": true}]', "c,a.b,d", "1,2,"),
    ],
)  # fmt: skip
def test_names_of_columns(name, text, columns, row):
    assert csv_of(read(text, name))[0][:2] == [columns, row]


@cases(
    ("name", "text"),
    [
        ("a.txt", "Name: Ada\nAge: 36\n"),
        ("a.txt", "Ada: hi\nBo: hello\nAda: yes\n\nBo: no\nAda: well\nBo: so\n"),
        ("a.txt", "Name: Ada\nAge: 36\n\nTown: Hull\nStreet: High\n"),
        ("a.html", "<table><tr><td>left<td>right<tr><td>a<td>b</table>"),
        ("a.html", "<table><tr><th>Name<td>Ada<tr><th>Born<td>1815</table>"),
        ("a.html", "<table><tr><td>1<td><table><tr><td>a<td>b</table><tr><td>2<td>b<tr><td>3<td>c</table>"),
        ("a.html", "<table><tr><th colspan=2>Next page<tr><td>back<td>on</table>"),
        ("a.json", '{"a": [1, {"b": 2, "c": 3}], "d": [], "e": {"f": 1, "g": 2}}'),
    ],
)
def test_what_is_no_table(name, text):
    assert not read(text, name).tables


def test_cells_that_go_across_do_not_fill_the_memory():
    assert not read("<table><tr><th>a<th>b" + "<tr><td colspan=1000>c" * 1000 + "</table>", "a.html").tables


def test_a_table_of_html_has_the_name_of_its_caption_or_heading():
    rows = "<tr><th>item<th>price<tr><td>a<td>1"
    page = f"<h2>Costs</h2><table>{rows}</table><p>x</p><table><caption>Gains</caption>{rows}</table>"
    assert [table.name for table in read(page, "a.html").tables] == ["Costs", "Gains"]


def test_what_a_browser_hides_is_no_text():
    page = (
        "<p hidden>no<p>one</p><div style='display: none'>no<div>no</div></div>two<ul><li hidden>no<li>three"
        "</ul><ul><li hidden>no</ul><span aria-hidden=true>four</span><!-- no --><template>no</template>"
        "<p style='color:red;visibility:hidden'>no<div>five</div><input hidden>six"
    )
    assert read(page, "a.html").text.split() == ["one", "two", "-", "three", "four", "five", "six"]
