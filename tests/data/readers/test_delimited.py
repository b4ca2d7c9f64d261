"""CSV, TSV and other delimited text: which delimiter, quoting and header a file has, and what is refused."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from harness.data.formats import Content, Form, read_files
from harness.data.read import read_table
from harness.data.readers import delimited, plain
from harness.errors import DataError, MissingColumn
from harness.spec.study import DataSpec

NAMES = ("text", "label")
TEXTS = [f"the {animal} number {number}" for number, animal in enumerate(["cat", "dog", "cow", "fox", "owl"] * 6)]
LABELS = ["food", "animal", "weather"] * 10
ROWS = list(zip(TEXTS, LABELS, strict=True))


def content(
    folder: Path, name: str, text: str, names: tuple[str, ...] | None = ("text", "label"), form: Form | None = None
) -> Content:
    path = folder / name
    path.write_bytes(text.encode())
    return read_files([path], names, form)


def error(folder: Path, name: str, text: str, names: tuple[str, ...] = ("text", "label"), **form: object) -> str:
    with pytest.raises(DataError) as caught:
        content(folder, name, text, names, Form(**form))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def table(delimiter: str, rows: list[tuple[str, str]] = ROWS, header: str = "text,label\n") -> str:
    return header.replace(",", delimiter) + "".join(f"{text}{delimiter}{label}\n" for text, label in rows)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_and_said(tmp_path: Path, name: str, delimiter: str) -> None:
    found = content(tmp_path, name, table(delimiter))
    assert found.columns == {"text": TEXTS, "label": LABELS}
    usual = "," if name == "t.csv" else "\t"
    said = () if delimiter == usual else (f"{name}: cells are separated by {delimiter!r} (data.delimiter)",)
    assert found.notes == said


def test_delimiter_of_other_signs_in_the_texts(tmp_path: Path) -> None:
    rows = [(f"{text}, or | so; well, {'a, ' * number}", label) for number, (text, label) in enumerate(ROWS)]
    assert content(tmp_path, "t.csv", table("\t", rows)).columns["text"] == [text for text, _ in rows]


def test_delimiter_by_a_line_sep(tmp_path: Path) -> None:
    assert content(tmp_path, "t.csv", "sep=;\n" + table(";")).columns["text"] == TEXTS
    without = content(tmp_path, "t.csv", "sep=;\n" + table(";", header=""), ("1", "2"))
    assert without.columns == {"1": TEXTS, "2": LABELS}


def test_delimiter_that_is_given(tmp_path: Path) -> None:
    assert content(tmp_path, "t.csv", table("~"), form=Form(delimiter="~")).columns["label"] == LABELS
    assert "no column 'text' (columns: 'text|label')" in error(tmp_path, "t.csv", table("|"), delimiter=",")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_quotes_that_open_and_close_in_two_rows_are_text(tmp_path: Path, name: str, delimiter: str) -> None:
    rows = [
        (f'"{text}' if number % 6 == 0 else f'{text}"' if number % 6 == 3 else text, label)
        for number, (text, label) in enumerate(ROWS)
    ]
    if name == "t.csv":  # they may enclose texts of several lines as well
        assert "line 2: a double quote opens here and closes on line 5" in error(tmp_path, name, table(delimiter, rows))
    found = content(tmp_path, name, table(delimiter, rows), form=Form(quoting="none" if name == "t.csv" else None))
    assert found.columns == {"text": [text for text, _ in rows], "label": LABELS}
    if name == "t.tsv":
        assert f"{name}: double quotes are plain text (data.quoting: none)" in found.notes


@pytest.mark.parametrize("num_texts", [1, 5, 12, 30])
@pytest.mark.parametrize("line", ["one,food\n", "one,food\ntwo,animal\n"])
def test_texts_whose_lines_end_in_labels_are_never_cut(tmp_path: Path, num_texts: int, line: str) -> None:
    rows = [(f'"{line}{text}"' if at < num_texts else text, label) for at, (text, label) in enumerate(ROWS)]
    assert "line 2: a double quote opens here" in error(tmp_path, "t.csv", table(",", rows))
    whole = content(tmp_path, "t.csv", table(",", rows), form=Form(quoting="double"))
    assert whole.columns == {"text": [text.strip('"') for text, _ in rows], "label": LABELS}


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_quotes_in_texts_are_text(tmp_path: Path, delimiter: str) -> None:
    rows = [
        (f'"{text} he said' if number % 5 == 0 else f'he said "yes" {text}', label)
        for number, (text, label) in enumerate(ROWS)
    ]
    for name in ("t.csv", "t.tsv"):
        assert content(tmp_path, name, table(delimiter, rows)).columns["text"] == [text for text, _ in rows]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        [f'{text} ""so""' for text in TEXTS],
        [f"{text}\nof two lines" for text in TEXTS],
        [f"{text}{{}}\nand{{}} so" if number % 7 == 3 else text for number, text in enumerate(TEXTS)],
        [f"{text}{{}}\nand so" if number % 7 == 3 else text for number, text in enumerate(TEXTS)],
    ],
    ids=["needless", "doubled", "lines", "lines-and-delimiters", "lines-like-rows"],
)
def test_quotes_around_all_cells_enclose(tmp_path: Path, name: str, delimiter: str, texts: list[str]) -> None:
    texts = [text.replace("{}", delimiter) for text in texts]
    rows = [(f'"{text}"', f'"{label}"') for text, label in zip(texts, LABELS, strict=True)]
    found = content(tmp_path, name, table(delimiter, rows))
    assert found.columns == {"text": [text.replace('""', '"') for text in texts], "label": LABELS}


def test_quotes_where_they_are_needed_enclose(tmp_path: Path) -> None:
    rows = [(f'"{text},\nwell"' if number % 4 == 0 else text, label) for number, (text, label) in enumerate(ROWS)]
    found = content(tmp_path, "t.csv", table(",", rows))
    assert found.columns["text"][:2] == [f"{TEXTS[0]},\nwell", TEXTS[1]]
    assert found.notes == ("t.csv: 8 cells hold a line break and the delimiter (first: line 2)",)


MULTILINE = {
    "number": "Visited Paris{} 2019\nLoved it",
    "number-alone": "Visited Paris{}2019\nLoved it",
    "label": "Is it good?\nno{} it is not",
    "labels": "one{} yes\ntwo{} yes\nthree",
    "greeting": "Dear all{}\nthank you",
}


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_texts_of_several_lines_stay_whole(tmp_path: Path, name: str, delimiter: str, quoting: int) -> None:
    labels_of = {"stars": [number % 5 for number in range(60)], "target": [number * 0.37 for number in range(60)]}
    labels_of["words"] = [("yes", "no", "")[number % 3] for number in range(60)]
    for kind, text in MULTILINE.items():
        texts = TEXTS + TEXTS
        texts[7] = text.replace("{}", delimiter)
        alike = [f"{text} {number}".replace("{}", delimiter) for number in range(60)]
        for labels in labels_of.values():
            for columns in [(texts, labels), (labels, texts), *([(alike, labels)] if "alone" not in kind else [])]:
                stream = io.StringIO()
                csv.writer(stream, delimiter=delimiter, quoting=quoting).writerows(  # type: ignore[call-overload]
                    [("a", "b"), *zip(*columns, strict=True)]
                )
                found = content(tmp_path, name, stream.getvalue(), ("a", "b"))
                assert list(found.columns.values()) == [list(map(str, column)) for column in columns], kind


@pytest.mark.parametrize("labels", ["abcd", "abab", "1234"])
def test_lines_that_open_and_close_quotes_by_turns(tmp_path: Path, labels: str) -> None:
    for delimiter in (",", "\t"):
        rows = [(f'x n{at}"' if at % 2 else f'"x n{at}', labels[at % 2 * 2 + at // 2 % 2]) for at in range(120)]
        assert "closes on line 3" in error(tmp_path, "t.csv", table(delimiter, rows))
        found = content(tmp_path, "t.tsv", table(delimiter, rows))
        assert found.columns == {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
        assert "t.tsv: double quotes are plain text (data.quoting: none)" in found.notes
    targets = [(text, str(at if at % 2 else at + 500)) for at, (text, _) in enumerate(rows)]
    assert "closes on line 3" in error(tmp_path, "t.csv", table(",", targets))


def test_lines_of_a_text_that_are_rows_by_their_values_are_refused(tmp_path: Path) -> None:
    rows = [('"one,food\ntwo,food\nthree"' if at == 7 else text, label) for at, (text, label) in enumerate(ROWS)]
    assert "line 9: a double quote opens here and closes on line 11" in error(tmp_path, "t.csv", table(",", rows))
    enclosed = content(tmp_path, "t.csv", table(",", rows), form=Form(quoting="double"))
    assert enclosed.columns["label"] == LABELS
    assert len(content(tmp_path, "t.csv", table(",", rows), form=Form(quoting="none")).columns["text"]) == 32


def test_quotes_that_may_be_either_are_refused(tmp_path: Path) -> None:
    rows = [(f'"{text}, well"', label) for text, label in ROWS]
    rows[3], rows[5] = ('"' + TEXTS[3], LABELS[3]), (TEXTS[5] + '"', LABELS[5])
    rows[4] = ROWS[4]
    said = error(tmp_path, "t.csv", table(",", rows))
    assert "t.csv: line 5: a double quote opens here and closes on line 7" in said
    assert "set data.quoting=none" in said
    found = content(tmp_path, "t.csv", table(",", rows), form=Form(quoting="double"))
    assert len(found.columns["text"]) == 28


def test_quoting_that_is_given(tmp_path: Path) -> None:
    rows = [(f'"{text}"', label) for text, label in ROWS]
    as_text = content(tmp_path, "t.csv", table(",", rows), form=Form(quoting="none"))
    assert as_text.columns["text"][0] == f'"{TEXTS[0]}"'
    assert content(tmp_path, "t.csv", table(",", rows)).columns["text"] == TEXTS


ESCAPED = {
    r'"he said \"no\", so"': 'he said "no", so',
    r'"\"no\" he said,and \\ more"': r'"no" he said,and \\ more',
    r'"he\, said \"no\""': r'he\, said "no"',
    r'"so \"no\" in C:\dir\\"': 'so "no" in C:\\dir\\',
    '"he said \\"no\\",\nand \\"yes\\""': 'he said "no",\nand "yes"',
}


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize(("sample_chars", "block_bytes"), [(100, 200), (10000, 2**20)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_backslash_makes_a_quote_text(
    tmp_path: Path, name: str, sample_chars: int, block_bytes: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "SAMPLE_CHARS", sample_chars)
    monkeypatch.setattr(plain, "BLOCK_BYTES", block_bytes)
    path = tmp_path / name
    for text, written in ESCAPED.items():
        for rows in (ROWS.copy(), [(f'"{text}"', label) for text, label in ROWS]):
            rows[6] = (text, "food")
            path.write_bytes(table("\t" if name == "t.tsv" else ",", rows).encode(encoding))
            found = read_files([path], ["text", "label"])
            assert found.columns == {"text": [*TEXTS[:6], written, *TEXTS[7:]], "label": LABELS}
            assert any("a backslash before a double quote makes it text" in note for note in found.notes)
            assert read_files([path], ["text", "label"], Form(quoting="backslash")).columns == found.columns
            said = error(tmp_path, name, path.read_bytes().decode(encoding), quoting="double")
            assert f"{name}: line 8: a backslash stands before a quote" in said
            assert "set data.quoting=backslash" in said


def test_a_backslash_that_ends_a_text_is_text(tmp_path: Path) -> None:
    rows = [(f'"{text},\nC:\\"', label) for text, label in ROWS]
    assert content(tmp_path, "t.csv", table(",", rows)).columns["text"] == [f"{text},\nC:\\" for text in TEXTS]
    json = [(f'"{{""a"": ""{text} \\""x\\""""}}"', label) for text, label in ROWS]
    assert content(tmp_path, "t.csv", table(",", json)).columns["text"][0] == f'{{"a": "{TEXTS[0]} \\"x\\""}}'
    doubt = table(",", [(label, text) for text, label in ROWS], "label,text\n") + 'food,"a \\"\n ,\\" b"\n'
    assert "line 32: a backslash stands before a quote, which may be text" in error(tmp_path, "t.csv", doubt)


def test_escaped_quotes_at_the_ends_of_lines(tmp_path: Path) -> None:
    text = table(",", ROWS) + '"soup, and \\"\n\\"more",food\n'
    assert content(tmp_path, "t.csv", text).columns["text"] == [*TEXTS, 'soup, and "\n"more']


def test_backslashes_of_a_tsv_are_text(tmp_path: Path) -> None:
    name = "t.tsv"
    inside = table("\t", [(text.replace("the ", r"the \"so\" "), label) for text, label in ROWS])
    assert content(tmp_path, name, inside).columns["text"][0].startswith(r"the \"so\" ")
    stray = table("\t", [*ROWS, (r'"a \"b\" and', "food"), (r"he said \"yes\"", "food")])
    assert content(tmp_path, "t.tsv", stray).columns["text"][-2:] == [r'"a \"b\" and', r"he said \"yes\""]


def test_what_comes_after_the_sample_decides_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "SAMPLE_CHARS", 100)
    quoted = [*ROWS, ('"a, b"', "food"), ('"c ""d"""', "animal")]
    assert content(tmp_path, "t.csv", table(",", quoted)).columns["text"][-2:] == ["a, b", 'c "d"']
    rows = [*ROWS, *[('"a', "food"), ("b", "animal"), ('c"', "food"), ("d", "animal")] * 5]
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        plain_quotes = Form(quoting=None if name == "t.tsv" else "none")
        found = content(tmp_path, name, table(delimiter, rows), form=plain_quotes)
        assert found.columns["text"][-4:] == ['"a', "b", 'c"', "d"]
    assert "line 32: 3 fields where the header has 2" in error(tmp_path, "t.csv", table(",", [*ROWS, ("a,b", "c")]))
    tabs = [*ROWS, *(('"a\tb"', label) for label in LABELS)]
    assert content(tmp_path, "t.tsv", table("\t", tabs)).columns["text"][-1] == "a\tb"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["text", "label"])
def test_first_quoted_cell_after_the_sample_decides_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, first: str
) -> None:
    names = ("text", "label") if first == "text" else ("label", "text")
    rows = [*ROWS, ('"he said ""wow"""', "food")]
    lines = ["\t".join(row if first == "text" else row[::-1]) for row in rows]
    text = end.join(["\t".join(names), *lines, ""])
    whole = content(tmp_path, "t.tsv", text)
    assert whole.columns["text"][-1] == 'he said "wow"'
    monkeypatch.setattr(delimited, "SAMPLE_CHARS", 100)
    assert content(tmp_path, "t.tsv", text) == whole
    as_text = content(tmp_path, "t.tsv", text, form=Form(quoting="none"))
    assert as_text.columns["text"][-1] == '"he said ""wow"""'
    one = text.replace(TEXTS[0], f'"{TEXTS[0]}"')  # in quotes that tell nothing
    assert content(tmp_path, "t.tsv", one).columns == whole.columns


def test_titles_above_the_header_are_left_out_and_said(tmp_path: Path) -> None:
    found = content(tmp_path, "t.csv", "Reviews of May\n\n" + table(","))
    assert found.columns == {"text": TEXTS, "label": LABELS}
    assert found.notes == ("t.csv: line 3 is the header, 1 rows above it are left out (data.header)",)


def test_no_header(tmp_path: Path) -> None:
    rows = table(",", header="")
    found = content(tmp_path, "t.csv", rows, ("1", "2"))
    assert found.columns == {"1": TEXTS, "2": LABELS}
    assert found.notes == ("t.csv: no header, line 1 is a row (data.header)",)
    said = error(tmp_path, "t.csv", rows)
    by_number = (
        "; if the file has no header, name columns by number, for example data.text=1 data.label=2 data.header=none"
    )
    shown = f"(1: '{TEXTS[0]}', '{TEXTS[1]}'; 2: '{LABELS[0]}', '{LABELS[1]}')"
    assert said.endswith(f"{by_number} {shown}")
    assert content(tmp_path, "t.csv", rows, ("2",), Form(header="none")).columns == {"2": LABELS}
    assert "no column 'text'" in error(tmp_path, "t.csv", table(","), header="none")


def test_header_above_texts_that_hold_the_delimiter(tmp_path: Path) -> None:
    rows = [(("pos", "neg")[number % 2], f"{text}, really") for number, text in enumerate(TEXTS)]
    cut = table(",", rows, header="label,review\n")
    for names in [("review", "label"), ("2", "1")]:
        said = error(tmp_path, "t.csv", cut, names)
        assert "line 2: 3 fields where the header has 2; put a text" in said
        quoted = table(",", [(label, f' "{text}"') for label, text in rows], header="label,review\n")
        said = error(tmp_path, "t.csv", quoted, names)
        assert "line 2: 3 fields where the header has 2; a quote encloses a cell only directly behind" in said
    assert "line 1: 2 fields where most lines have 3; put a text" in (
        said := error(tmp_path, "t.csv", cut, ("2", "1"), header="none")
    )
    assert said.endswith("is it the header, set data.header=1")
    spaced = quoted.replace("label,review", "label, review")
    assert "no header" not in error(tmp_path, "t.csv", spaced, ("review", "label"))


def test_shards_have_one_header_or_none(tmp_path: Path) -> None:
    shards = [[("abcdef"[at], f"text {number} {at}") for at in range(6)] for number in range(10)]
    paths = [tmp_path / f"part-{number}.csv" for number in range(10)]

    def read(header: str, form: Form | None = None) -> Content:
        for path, rows in zip(paths, shards, strict=True):
            path.write_text(table(",", rows, header=header))
        return read_files(paths, ("2", "1"), form)

    rows = [row for rows in shards for row in rows]
    found = read("")
    assert list(zip(found.columns["1"], found.columns["2"], strict=True)) == rows
    assert found.notes == ("part-0.csv and 9 more: no header, their first lines are rows (data.header)",)
    assert read("label,text\n").columns == found.columns
    read("")
    paths[0].write_text(table(",", shards[0], header="label,text\n"))
    with pytest.raises(DataError, match=r"part-0.csv: its first line may be a header.* set data.header=none"):
        read_files(paths, ("2", "1"))
    assert len(read_files(paths, ("2", "1"), Form(header="none")).columns["1"]) == 61


def test_columns_by_number_below_a_header(tmp_path: Path) -> None:
    found = content(tmp_path, "t.csv", table(","), ("2", "1"))
    assert found.columns == {"2": LABELS, "1": TEXTS}
    assert found.notes == ("t.csv: line 1 is the header (data.header)",)
    assert content(tmp_path, "t.csv", table(","), ("2",), Form(header=3)).columns["2"] == LABELS[2:]
    numbered = "id,text\n1,why?\n2,how?\n3,when?\n"
    assert content(tmp_path, "t.csv", numbered, ("2",)).columns == {"2": ["why?", "how?", "when?"]}
    assert "data.header is 99, and no row ends on that line" in error(tmp_path, "t.csv", table(","), header=99)


def test_numbers_that_are_names_too(tmp_path: Path) -> None:
    text = table(",", header="0,1\n")
    assert "'1' and '2' are one column: column 2 is named '1'" in error(tmp_path, "t.csv", text, ("1", "2"))
    found = content(tmp_path, "t.csv", text, ("0", "1"))
    assert found.columns == {"0": TEXTS, "1": LABELS}
    assert "t.csv: '1' is the column of that name, which is column 2 of the table" in found.notes
    assert content(tmp_path, "t.csv", table(",", header=""), ("1", "2"), Form(header="none")).notes == ()


@pytest.mark.parametrize(
    ("name", "delimiter", "quote"), [("t.csv", ",", '"'), ("t.tsv", "\t", ""), ("t.csv", ";", '"')]
)
def test_numbers_of_rows_that_the_header_does_not_name(tmp_path: Path, name: str, delimiter: str, quote: str) -> None:
    rows = [delimiter.join(f"{quote}{cell}{quote}" for cell in (at, *row)) for at, row in enumerate(ROWS, start=1)]
    text = "\n".join([f"text{delimiter}label", *rows, ""])
    found = content(tmp_path, name, text)
    assert found.columns == {"text": TEXTS, "label": LABELS}
    assert f"{name}: the first cell of each row is its name or number, which the header does not name" in found.notes


def test_a_delimiter_in_each_text_is_no_number_of_rows(tmp_path: Path) -> None:
    text = "id,text,label\n" + "".join(f"{at},{text}, yes,{label}\n" for at, (text, label) in enumerate(ROWS, start=1))
    assert "line 2: 4 fields where the header has 3" in error(tmp_path, "t.csv", text)
    quoted = "id,text,label\n" + "".join(
        f'"{at}",{text}, yes,{label}\n' for at, (text, label) in enumerate(ROWS, start=1)
    )
    assert "line 2: 4 fields where the header has 3" in error(tmp_path, "t.csv", quoted)
    assert "line 2: 4 fields" in error(tmp_path, "t.csv", quoted.replace("id,", "comment,"))
    for name in ("id", "row_id", "No.", "Index", "#"):
        tabs = text.replace("id,", f"{name},").replace(", ", "\t").replace(",", "\t")
        assert "line 2: 4 fields where the header has 3" in error(tmp_path, "t.tsv", tabs)
    ended = "text,label\n" + "".join(f'"{at}","{label}",\n' for at, label in enumerate(LABELS, start=1))
    assert content(tmp_path, "t.csv", ended).columns["label"] == LABELS


def test_a_header_that_comes_again_is_left_out(tmp_path: Path) -> None:
    found = content(tmp_path, "t.csv", table(",") + table(","))
    assert found.columns == {"text": TEXTS * 2, "label": LABELS * 2}
    assert found.notes == ("t.csv: 1 rows are the header again, as where files were joined: they are left out",)
    assert len(content(tmp_path, "t.csv", table(",") + "text,food\n").columns["text"]) == 31


@pytest.mark.parametrize("header", ["Text,Label\n", "text ,LABEL\n", "\ufefftext,label\n", '\ufeff"text","label"\n'])
@pytest.mark.parametrize("names", [("text", "label"), ("1", "2")])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_header_that_comes_again_in_another_way(
    tmp_path: Path, name: str, names: tuple[str, ...], header: str
) -> None:
    first = '"text","label"\n' if '"' in header else header.lower().replace(" ", "")
    joined = table(",", header=first) + table(",", header=header)
    found = content(tmp_path, name, joined if name == "t.csv" else joined.replace(",", "\t").replace('"', ""), names)
    assert list(found.columns.values()) == [TEXTS * 2, LABELS * 2]
    assert any("1 rows are the header again" in note for note in found.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le"])
@pytest.mark.parametrize("quoted", [True, False])
def test_byte_order_marks_at_the_start_of_lines_are_left_out(tmp_path: Path, encoding: str, quoted: bool) -> None:
    texts = [f"{text}, {at}" if quoted else text for at, text in enumerate(TEXTS)]
    rows = [f'"{text}",{label}' if quoted else f"{text},{label}" for text, label in zip(texts, LABELS, strict=True)]
    rows[9], rows[20] = f"\ufeff{rows[9]}", f"\ufeff\ufeff{rows[20]}"
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]), encoding=encoding)
    assert read_files([tmp_path / "t.csv"], ("text", "label")).columns == {"text": texts, "label": LABELS}


def test_byte_order_marks_in_joined_lines_of_json(tmp_path: Path) -> None:
    lines = ['{"text": "a", "label": "x"}', '\ufeff{"text": "b", "label": "y"}']
    for name in ("t.jsonl", "t.json"):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8-sig")
        assert read_files([tmp_path / name], None).columns == {"text": ["a", "b"], "label": ["x", "y"]}


@pytest.mark.parametrize("number", [0, 3, 25])
@pytest.mark.parametrize("quoted", [True, False])
def test_a_cell_that_is_too_long_is_refused(
    tmp_path: Path, number: int, quoted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "MAX_CELL_CHARS", 1000)
    lines = table(",").splitlines()
    lines[number + 1] = f'"{"x" * 1001}",food' if quoted else f"{'x' * 1001},food"
    message = error(tmp_path, "t.csv", "\n".join(lines))
    assert f"line {number + 2}" in message
    assert "a cell of more than 1000 characters" in message or "field larger than field limit" in message


def test_columns_that_nobody_asked_for_decide_nothing(tmp_path: Path) -> None:
    text = ",,text,label,x,x,\n" + "".join(f"{at},,{text},{label},1,2,\n" for at, (text, label) in enumerate(ROWS))
    assert content(tmp_path, "t.csv", text) == Content({"text": TEXTS, "label": LABELS})
    ragged = text.replace(",cow number 2,weather,1,2,\n", ",cow number 2,weather\n").replace(",1,2,\n", ",1,2,,,\n", 1)
    assert content(tmp_path, "t.csv", ragged).columns == {"text": TEXTS, "label": LABELS}


def test_short_and_long_rows_have_words_of_their_own(tmp_path: Path) -> None:
    short = "text,label,id\n" + "".join(f"{text},{label},1\n" for text, label in ROWS)
    (note,) = content(tmp_path, "t.csv", short + "a,food\n").notes
    whole = content(tmp_path, "t.csv", short + "a,food\n", None, Form(expected=("text",)))
    assert [column[-1] for column in whole.columns.values()] == ["a", "food", ""]
    assert "t.csv: 1 rows have fewer cells than the header (first: line 32)" in note
    assert "line 32: 1 fields where the header has 3: none for 'label'" in error(tmp_path, "t.csv", short + "a\n")
    assert "line 32: 4 fields where the header has 3; put a text" in error(tmp_path, "t.csv", short + "a,b,food,1\n")


def test_one_column_of_texts_with_commas(tmp_path: Path) -> None:
    text = "text\n" + "".join(f"{text}, well\n" for text in TEXTS)
    assert content(tmp_path, "t.csv", text, ("text",)).columns["text"] == [f"{text}, well" for text in TEXTS]


def test_missing_column_is_named_by_the_error(tmp_path: Path) -> None:
    with pytest.raises(MissingColumn) as caught:
        content(tmp_path, "t.csv", table(";"), ("text", "stars"))
    assert caught.value.column == "stars"


def test_all_columns(tmp_path: Path) -> None:
    assert content(tmp_path, "t.csv", table(";"), None).columns == {"text": TEXTS, "label": LABELS}


def test_text_behind_the_last_named_column_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{label},{text},{', and more' * (number == 3)}\n" for number, (text, label) in enumerate(ROWS))
    for has_returns in (False, True):
        lines = "label,text,\n" + rows.replace(",, and more", ", and more")
        found = content(tmp_path, "t.csv", lines.replace("\n", "\r") if has_returns else lines)
        assert found.columns == {"text": TEXTS, "label": LABELS}
        assert found.notes == (
            "t.csv: 1 rows have text behind the last column that has a name, which is left out; a text that holds the "
            "delimiter belongs in double quotes",
        )
    shifted = "text,label,\n" + "".join(f"{text},{label},\n" for text, label in [*ROWS, ("a, b", "food")])
    assert "line 32: 4 fields where the header has 3" in error(tmp_path, "t.csv", shifted)


def test_all_columns_of_a_header_that_names_some_twice(tmp_path: Path) -> None:
    found = content(tmp_path, "t.csv", "text,note,note,note_2\na,b,c,d\n", None)
    assert found.columns == {"text": ["a"], "note": ["b"], "note_2": ["c"], "note_2_2": ["d"]}
    assert "occurs twice" in error(tmp_path, "t.csv", "text,label,label\na,b,c\n")


def test_pairs_with_stray_quotes_in_tsv(tmp_path: Path) -> None:
    rows = [(f"{chr(34) * (i == 4)}first {i}", f"second {i}{chr(34) * (i == 9)}", f"id {i * 7}") for i in range(20)]
    lines = ["text\tpair\tlabel", *("\t".join(row) for row in rows)]
    lines[5], lines[9] = '"a\tb\tc', 'd"\te\tf'
    found = content(tmp_path, "t.tsv", "\n".join(lines) + "\n", ("text", "pair", "label"))
    assert len(found.columns["text"]) == 20
    assert found.columns["text"][4] == '"a'


def test_unusual_delimiter_is_asked_for(tmp_path: Path) -> None:
    said = error(tmp_path, "t.csv", table("~"))
    assert said.endswith("if the line is several columns, name the sign between with data.delimiter=")


def test_all_columns_hold_an_index_without_a_name_and_nothing_behind_the_last(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",text,label,\n7,good,a,\n8,bad,b,\n", encoding="utf-8")
    assert read_files([path], None, Form()).columns == {"": ["7", "8"], "text": ["good", "bad"], "label": ["a", "b"]}


@pytest.mark.parametrize(
    ("row", "example"),
    [
        ("gj04\t{label}\t{mark}\tOur friends won't buy this analysis {at}", "data.text=4 data.label=2"),
        ("26418377{at}\t{word}\tGas by my house hit $3.39 {at}\t", "data.text=3 data.label=2"),
        ("{word}\t{at}\tMon Apr 06\tNO_QUERY\tuser{at}\tis upset that he cannot {at}", "data.text=6 data.label=1"),
    ],
)
def test_columns_of_known_corpora_are_named_by_number(tmp_path: Path, row: str, example: str) -> None:
    """CoLA, SemEval with a tab at the end of lines, and Sentiment140."""
    kinds = [(0, "*", "negative"), (1, "", "positive")]
    rows = [(at, *kinds[at % 2]) for at in range(12)]
    lines = [row.format(at=at, label=label, mark=mark, word=word) for at, label, mark, word in rows]
    said = error(tmp_path, "t.tsv", "\n".join([*lines, ""]))
    assert f"name columns by number, for example {example} data.header=none (1: '" in said
    keys = dict(re.findall(r"data\.(text|label)=(\d)", said))
    found = content(tmp_path, "t.tsv", "\n".join([*lines, ""]), tuple(keys.values()), Form(header="none"))
    assert len(set(found.columns[keys["label"]])) == 2 and len(set(found.columns[keys["text"]])) == 12


@pytest.mark.parametrize("sign", ["::", ":::", "###", "~|~", "@@@"])
def test_a_separator_of_several_signs_is_named(tmp_path: Path, sign: str) -> None:
    rows = [f"{text}{sign}{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    for header, names in ([f"text{sign}label"], NAMES), ([], ("1", "2")):
        said = error(tmp_path, "t.txt", "\n".join([*header, *rows, ""]), names)
        assert f"'{sign}' seems to separate its columns: write one sign in its place, for example a tab" in said


@pytest.mark.parametrize("name", ["\xa0text", "text\u200b", "\u2009Text \ufeff", "te\xadxt"])
def test_signs_that_hide_in_a_name_do_not_count(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(",", header=f"{name},label\n"), encoding="utf-8")
    tables = read_table(DataSpec(path=str(path)), "text-classification")
    assert tables.columns == {"text": name, "label": "label"}
    assert f"text is read from {name!r}: there is no 'text' (data.text)" in tables.notes


@pytest.mark.parametrize("names", [[str(at) for at in range(1, 9)], ["17", "3", "5", "8", "90", "12", "2", "44"], None])
@pytest.mark.parametrize("name", ["t.txt", "t.csv"])
def test_tables_of_r_have_spaces_between_and_names_of_rows(tmp_path: Path, name: str, names: list[str] | None) -> None:
    texts = ["good, yes", "so so", 'a "quote"', "it's", "x;y", "", "a\\\\b", "last"]
    cells = [text.replace('"', '\\"') for text in texts]
    names = names or [f"row {letter}" for letter in "abcdefgh"]
    rows = [
        f'"{row}" "{cell}" {at}.5 "{"ab"[at % 2]}"' for at, (row, cell) in enumerate(zip(names, cells, strict=True))
    ]
    found = content(tmp_path, name, "\n".join(['"text" "score" "label"', *rows, ""]))
    assert found.columns == {"text": texts, "label": list("abababab")}
    assert f"{name}: cells are separated by ' ' (data.delimiter)" in found.notes
    assert f"{name}: the first cell of each row is its name or number, which the header does not name" in found.notes
    without = [row.split(" ", 1)[1] for row in rows] if not names[0].startswith("row") else []
    if without:
        assert content(tmp_path, name, "\n".join(['"text" "score" "label"', *without, ""])).columns == found.columns


def test_the_rule_below_a_header_is_no_row(tmp_path: Path) -> None:
    """Markdown's tables, and those that a database's terminal draws without corners."""
    drawn = "".join(f"| {text} | {label} |\n" for text, label in ROWS)
    found = content(tmp_path, "t.txt", "| text | label |\n|:-----|------:|\n" + drawn, (" text ", " label "))
    assert found.columns == {" text ": [f" {text} " for text in TEXTS], " label ": [f" {label} " for label in LABELS]}
    assert "t.txt: the line below the header draws a rule, and is left out" in found.notes
    everything = read_files([tmp_path / "t.txt"], None)
    assert everything.columns[" text "] == found.columns[" text "]


@pytest.mark.parametrize("sign", ["\x01", "\x1f"])
def test_separators_that_are_no_text(tmp_path: Path, sign: str) -> None:
    rows = [(f"{text}, so", label) for text, label in ROWS]
    assert content(tmp_path, "t.txt", table(sign, rows)).columns["label"] == LABELS
    found = content(tmp_path, "t.txt", table(sign, rows, header=""), ("1", "2"))
    assert found.columns == {"1": [text for text, _ in rows], "2": LABELS}


def test_tables_that_a_terminal_draws(tmp_path: Path) -> None:
    """What psql and mysql print."""
    drawn = "".join(f" {text:20} | {label:8}\n" for text, label in ROWS)
    rule = f"{'-' * 22}+{'-' * 10}\n"
    for above, below in ("", ""), (rule, rule):
        found = content(tmp_path, "t.txt", f"{above} {'text':20} | {'label':8}\n{rule}{drawn}{below}", ("1", "2"))
        assert [text.strip() for text in found.columns["1"]] == TEXTS
        assert [label.strip() for label in found.columns["2"]] == LABELS


def test_a_line_break_in_a_table_of_r(tmp_path: Path) -> None:
    found = content(tmp_path, "t.txt", '"text" "label"\n"1" "a\n" "x"\n"2" "b, ""c""" "y"\n')
    assert found.columns == {"text": ["a\n", 'b, "c"'], "label": ["x", "y"]}
