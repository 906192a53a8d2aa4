"""Files of rows as people have them: each form that is read gives the same rows, each other a line that names it."""

import bz2
import codecs
import gzip
import json
import lzma
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from longcot.files.errors import BadInput
from longcot.files.rows import file_rows, is_row_file, json_rows, stem, value_at

ROWS = [{"problem": "1+1?\nSay, é", "answer": "2"}, {"problem": 'a "b" \\frac{1}{2}', "answer": "3"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
TABLE = pd.DataFrame(ROWS)
CSV = TABLE.to_csv(index=False).encode()
PARQUET = TABLE.to_parquet()
GOOD = {
    "a.jsonl": (LINES, [1, 2]),
    "a.ndjson": (LINES.replace(b"\n", b"\r\n\r\n"), [1, 3]),
    "marked.jsonl": (codecs.BOM_UTF8 + LINES, [1, 2]),
    "a.jsonl.gz": (gzip.compress(LINES), [1, 2]),
    "marked.jsonl.gz": (gzip.compress(codecs.BOM_UTF8 + LINES), [1, 2]),
    "unpacked.jsonl.gz": (LINES, [1, 2]),
    "a.jsonl.bz2": (bz2.compress(LINES), [1, 2]),
    "a.jsonl.xz": (lzma.compress(LINES), [1, 2]),
    "a.json": (json.dumps(ROWS).encode(), ["row 1", "row 2"]),
    "marked.json": (codecs.BOM_UTF8 + json.dumps(ROWS, indent=2).encode(), ["row 1", "row 2"]),
    "a.json.gz": (gzip.compress(json.dumps(ROWS, indent=2).encode()), ["row 1", "row 2"]),
    "data.json": (json.dumps({"version": 1, "data": ROWS}).encode(), ["row 1", "row 2"]),
    "rows.json": (json.dumps({"rows": ROWS, "version": 1}, indent=2).encode(), ["row 1", "row 2"]),
    "a.csv": (CSV, [2, 4]),
    "excel.csv": (codecs.BOM_UTF8 + TABLE.to_csv(index=False, sep=";", lineterminator="\r\n").encode(), [2, 4]),
    "a.tsv": (TABLE.to_csv(index=False, sep="\t").encode(), [2, 4]),
    "a.csv.gz": (gzip.compress(CSV), [2, 4]),
    "a.parquet": (PARQUET, ["row 1", "row 2"]),
    "a.parquet.gz": (gzip.compress(PARQUET), ["row 1", "row 2"]),
    "no-ending": (PARQUET, ["row 1", "row 2"]),
}


@pytest.mark.parametrize("name, raw, places", [(name, *given) for name, given in GOOD.items()], ids=GOOD)
def test_every_form_gives_the_same_rows(tmp_path, name, raw, places):
    (tmp_path / name).write_bytes(raw)
    assert list(file_rows(tmp_path / name)) == list(zip(places, ROWS, strict=True))


ENCODED = "its encoding is {}, not UTF-8; save it as UTF-8 (iconv -f {} -t UTF-8)"
QUOTES = "fix the row, quotes within a cell are doubled"
BINARY = "save it as Parquet or JSON lines"
BAD = {
    "u16.jsonl": (LINES.decode().encode("utf-16"), ": " + ENCODED.format("UTF-16", "UTF-16")),
    "u16.csv": (CSV.decode().encode("utf-16-le"), ": " + ENCODED.format("UTF-16", "UTF-16")),
    "u16.csv.gz": (gzip.compress(CSV.decode().encode("utf-16")), ": " + ENCODED.format("UTF-16", "UTF-16")),
    "latin.jsonl": (
        b'{"a": 1}\n{"a": "\xe9"}\n',
        ":2: " + ENCODED.format("Latin-1 or another (byte 0xe9)", "LATIN1"),
    ),
    "latin.csv": (b"a,b\n1,\xe9\n", ":2: " + ENCODED.format("Latin-1 or another (byte 0xe9)", "LATIN1")),
    "latin.json": (
        b'[{"a": 1},\n{"a": "\xe9"}]',
        ":2: " + ENCODED.format("Latin-1 or another (byte 0xe9)", "LATIN1"),
    ),
    "twice.jsonl": (b'{"a": 1, "a": 2}\n', ":1: not JSON (key 'a' stands twice); fix or remove the line"),
    "tex.jsonl": (b'{"a": "\\alpha"}\n', ":1: not JSON (Invalid \\escape); write each backslash twice"),
    "unit.jsonl": (b'{"a": "\\unit"}\n', ":1: not JSON (Invalid \\uXXXX escape); write each backslash twice"),
    "number.jsonl": (b'{"a": 1}\n{"a": NaN}\n', ":2: not JSON (NaN is no number); fix or remove the line"),
    "word.jsonl": (b"hello\n", ":1: not JSON (Expecting value); fix or remove the line"),
    "list.jsonl": (b'{"a": 1}\n[1]\n', ":2: not a JSON object; each line must be one"),
    "csv.jsonl": (CSV, ":1: a header of CSV by its first line; call the file .csv or .tsv"),
    "item.json": (b'[{"a": 1}, 3]', ":row 2: not a JSON object; each row must be one"),
    "broken.json": (b'[\n{"a": 1},\n{"a": b}\n]', ":3: not JSON (Expecting value); fix row 2 of the array"),
    "cut.json": (b'[{"a": 1}', ":1: not JSON (the end of the file after row 1, wanted , or ]); fix the array"),
    "comma.json": (b'[{"a": 1}\n{"a": 2}]', ":2: not JSON ('{' after row 1, wanted , or ]); fix the array"),
    "more.json": (b'[{"a": 1}]\n[]', ":2: not JSON ('[' after the array's end); remove what follows"),
    "nan.json": (b'[\n{"a": NaN}]', ":2: not JSON (NaN is no number); fix row 1 of the array"),
    "one.json": (
        b'{\n"a": 1,\n"b": {}\n}',
        ':1: one JSON object, with the keys a, b; give one object a line, an array of them, or {"data": [...]}',
    ),
    "several.json": (
        b'{\n"a": 1\n}\n{\n"a": 2\n}\n',
        ":4: JSON objects of several lines each, one after the other; write one a line (jq -c .)",
    ),
    "columns.json": (
        TABLE.to_json().encode(),
        ":1: one JSON object with columns (problem, answer); give one object a row (pandas: orient='records', "
        "lines=True)",
    ),
    "one.csv": (b"problem\n1\n", ":1: one column only, 'problem'; part columns by commas, tabs or semicolons"),
    "two.csv": (b"a,a\n1,2\n", ":1: column 'a' stands twice; give each a name of its own"),
    "short.csv": (b'a,b\n"x\ny",2\n3\n', ":4: 1 cells below 2 columns; quote a cell that holds ',' or a line end"),
    "long.csv": (b"a;b\n1;2;3\n", ":2: 3 cells below 2 columns; quote a cell that holds ';' or a line end"),
    "open.csv": (b'a,b\n1,2\n"3,4\n', f":3: not CSV (unexpected end of data); {QUOTES}"),
    "quoted.csv": (b'a,b\n"say \\"x\\"",2\n', f":2: not CSV (',' expected after '\"'); {QUOTES}"),
    "cut.jsonl.gz": (
        gzip.compress(LINES)[:-9],
        ": not whole (Compressed file ended before the end-of-stream marker was reached); fetch or write it again",
    ),
    "twice.gz": (gzip.compress(gzip.compress(LINES)), ": packed by gzip twice; unpack it (gunzip)"),
    "a.zip": (b"PK\x03\x04", ": a ZIP archive, or a workbook of Excel; unpack it, or save the sheet as CSV UTF-8"),
    "a.zst": (b"\x28\xb5\x2f\xfd", ": packed by Zstandard; unpack it (zstd -d)"),
    "a.pkl": (pickle.dumps(ROWS), f": a Python pickle; {BINARY}"),
    "a.npy": (b"\x93NUMPY", f": a NumPy array; {BINARY}"),
    "a.arrow": (b"ARROW1", f": an Arrow file; {BINARY}"),
    "a.sqlite": (b"SQLite format 3\0", ": an SQLite database; save the table as CSV"),
    "page.jsonl": (b"<!DOCTYPE html>\n<html>", ": a web page or XML; fetch the data itself"),
    "lfs.parquet": (
        b"version https://git-lfs.github.com/spec/v1\n",
        ": a pointer of Git LFS, not the data; fetch it (git lfs pull)",
    ),
    "a.txt": (
        b"What is\n",
        ": neither JSON lines, a JSON array, CSV nor Parquet by its first bytes; save it as one",
    ),
}


@pytest.mark.parametrize("name, raw, message", [(name, *given) for name, given in BAD.items()], ids=BAD)
def test_every_other_form_is_named_in_a_line(tmp_path, name, raw, message):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(BadInput) as raised:
        list(file_rows(tmp_path / name))
    assert str(raised.value) == name + message


def test_parquet_that_is_not_whole(tmp_path):
    (tmp_path / "a.parquet").write_bytes(PARQUET[:-20])
    with pytest.raises(BadInput, match=r"^a\.parquet: not whole Parquet after row 0 \(.*\); fetch or write it again$"):
        list(file_rows(tmp_path / "a.parquet"))


def test_a_missing_cell_of_parquet_is_no_number(tmp_path):
    pd.DataFrame({"a": [1.0, None], "b": [["x"], None]}).to_parquet(tmp_path / "a.parquet")
    assert [row for _, row in file_rows(tmp_path / "a.parquet")] == [{"a": 1.0, "b": ["x"]}, {"a": None, "b": None}]


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": "\\ud835"}]')
    assert list(file_rows(tmp_path / "a.json")) == [("row 1", {"a": "\ufffd"})]


@pytest.mark.parametrize("name", ["big.jsonl", "big.json", "big.csv", "big.parquet", "big.jsonl.gz"])
def test_a_large_file_is_read_piece_by_piece(tmp_path, name):
    """15 MB of rows, in at most half of that."""
    rng = np.random.default_rng(1)
    texts = ["".join(map(chr, rng.integers(97, 123, 3000))) for _ in range(100)] * 50
    table = pd.DataFrame({"problem": texts, "answer": range(len(texts))})
    if name.endswith(".parquet"):
        table.to_parquet(tmp_path / name, row_group_size=500, use_dictionary=False)
    elif name.endswith(".csv"):
        table.to_csv(tmp_path / name, index=False)
    else:
        table.to_json(tmp_path / name, orient="records", lines="jsonl" in name)
    del table, texts
    tracemalloc.start()
    try:
        assert sum(1 for _ in file_rows(tmp_path / name)) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 7_500_000
    finally:
        tracemalloc.stop()


def test_json_lines_alone_are_ours(tmp_path):
    (tmp_path / "a.jsonl").write_text('[{"a": 1}]\n')
    with pytest.raises(BadInput, match=r"a\.jsonl:1: not a JSON object; each line must be one"):
        list(json_rows(tmp_path / "a.jsonl"))


NESTED = {
    "a": {"b": [{"c": 1}, {"c": 2}]},
    "x.y": 3,
    "cell": '{"k": ["u", "v"]}',
    "text": "[not JSON",
    "n": None,
    "list": ["p", "q"],
}


@pytest.mark.parametrize(
    "key, value",
    [
        ("a.b.0.c", 1),
        ("a.b.-1.c", 2),
        ("a.b.2.c", None),
        ("a.b.x", None),
        ("x.y", 3),
        ("cell.k.1", "v"),
        ("text.0", None),
        ("n", None),
        ("n.0", None),
        ("list.-1", "q"),
        ("list.-3", None),
        ("none", None),
    ],
)
def test_a_key_is_a_name_or_a_path(key, value):
    assert value_at(NESTED, key) == value


def test_names_of_files():
    assert all(map(is_row_file, GOOD.keys() - {"no-ending"})) and not is_row_file("owner/name")
    assert [stem(name) for name in ("x/a.b.jsonl.gz", "a.CSV", "a")] == ["a.b", "a", "a"]
