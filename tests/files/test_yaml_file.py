"""YAML that is refused, each kind with its one line."""

import codecs

import pytest

from longcot.files.errors import BadInput
from longcot.files.yaml_file import LARGEST, parse_yaml, read_yaml
from longcot.problems.label_corrections import load_corrections
from longcot.problems.problem import Problem
from longcot.run.launch import profile_path
from longcot.study import published
from longcot.study.reading import load_study

LETTERS = "abcdefgh"
BOMB = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"{own}: &{own} [{', '.join(9 * [f'*{before}'])}]\n" for before, own in zip(LETTERS, LETTERS[1:], strict=False)
)
MERGED_BOMB = BOMB.replace("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "{x: 1}").replace("[*", "{<<: [*").replace("]\n", "]}\n")
NUMBER = "is a number of base 8 or 60 to YAML; put it in quotes, or write it plainly"
BAD = {
    "a double key": ("a: 1\nb:\n  c: 1\n  c: 2\n", "4: 'c' stands in line 3 already; remove one of the two"),
    "in one line": ("a: 1\nb: {n: 1, n: 2}\n", "2: 'n' stands in line 2 already; remove one of the two"),
    "another spelling": ("a: 1\n'a': 2\n", "2: 'a' stands in line 1 already; remove one of the two"),
    "in a list": ("- {a: 1}\n- a: 1\n  b: 2\n  a: 3\n", "4: 'a' stands in line 2 already; remove one of the two"),
    "two merges": ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "4: '<<' stands in line 3 already; remove one of the two"),
    "a loop": ("a: &a\n  - 1\n  - *a\n", "3: *a stands within what &a names, without end; remove it"),
    "a merge loop": ("a: &a {b: {<<: *a}}", "1: *a stands within what &a names, without end; remove it"),
    "aliases of aliases": (BOMB, f"7: its aliases stand for more than {LARGEST:,} values; write them out"),
    "merged aliases": (MERGED_BOMB, f"7: its aliases stand for more than {LARGEST:,} values; write them out"),
    "no such anchor": ("a: *b", "1: not YAML (found undefined alias 'b'); fix the line"),
    "two anchors": ("a: &x 1\nb: &x 2", "2: not YAML (found duplicate anchor 'x'); give it another name"),
    "infinite": ("a:\n  b: .inf", "2: .inf is no finite number; write one, or leave the key out"),
    "minus infinite": ("a: -.INF", "1: -.INF is no finite number; write one, or leave the key out"),
    "not a number": ("a: [.nan]", "1: .nan is no finite number; write one, or leave the key out"),
    "too large": ("a: 1.0e+999", "1: 1.0e+999 is no finite number; write one, or leave the key out"),
    "too long": ("a: " + "7" * 5000, f"1: {'7' * 40} is no number that can be read; fix it"),
    "octal": ("a: 020", f"1: 020 {NUMBER}"),
    "a time": ("a: 4:30", f"1: 4:30 {NUMBER}"),
    "a date": ("a: 2025-07-13", "1: not YAML of plain values (2025-07-13, a timestamp); put it in quotes"),
    "an object": ("a: !!python/object:x.Y {}", "1: not YAML of plain values (!!python/object:x.Y); remove the tag"),
    "a tag": ("a:\n  !mine b", "2: not YAML of plain values (!mine); remove the tag"),
    "binary": ("a: !!binary aGk=", "1: not YAML of plain values (!!binary); remove the tag"),
    "a tab": ("a:\n\tb: 1", "2: not YAML (a tab); indent with spaces"),
    "two documents": ("a: 1\n---\nb: 1\n", "2: not YAML (a second document begins); keep one, without a line of ---"),
    "too deep": ("[" * 100_000, "1: not YAML that can be read (nested too deep); fix the file"),
    "a control character": ("a: 1\nb: \x07", "2: not YAML (character U+0007); remove it"),
    "half a pair": ('a: "\\udcff"', "1: half a surrogate pair, which no file can hold; remove it"),
    "half of it": ("a: [", "1: not YAML (expected the node content, but found '<stream end>'); fix the line"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_what_is_refused(text, message):
    with pytest.raises(BadInput) as raised:
        parse_yaml(text, "s.yaml")
    assert str(raised.value) == f"s.yaml:{message}"


ENCODED = {
    "UTF-16": ("a: é\n".encode("utf-16"), "", "UTF-16", "UTF-16"),
    "UTF-16 without a mark": ("a: é\n".encode("utf-16-le"), "", "UTF-16", "UTF-16"),
    "UTF-32": ("a: é\n".encode("utf-32"), "", "UTF-32", "UTF-32"),
    "Latin-1": ("a: 1\nb: é\n".encode("latin-1"), ":2", "Latin-1 or another (byte 0xe9)", "LATIN1"),
}


@pytest.mark.parametrize("raw, line, name, code", ENCODED.values(), ids=ENCODED)
def test_another_encoding_is_named(tmp_path, raw, line, name, code):
    (tmp_path / "s.yaml").write_bytes(raw)
    with pytest.raises(BadInput) as raised:
        read_yaml(tmp_path / "s.yaml")
    fix = f"save it as UTF-8 (iconv -f {code} -t UTF-8)"
    assert str(raised.value) == f"s.yaml{line}: its encoding is {name}, not UTF-8; {fix}"


def test_what_is_taken(tmp_path):
    text = "a: &a {n: 1, b: [1_000, 0x10, 0, 0.5, 1.0e-4]}\nc: {<<: *a, n: 2}\nd: *a\ne: *a\n"
    (tmp_path / "s.yaml").write_bytes(codecs.BOM_UTF8 + text.encode())
    file = read_yaml(tmp_path / "s.yaml")
    first = {"n": 1, "b": [1000, 16, 0, 0.5, 1e-4]}
    assert file.values == {"a": first, "c": first | {"n": 2}, "d": first, "e": first}
    assert [file.where(place) for place in ((), ("c", "n"), ("c", "b", 1), ("d",), ("none", "n"))] == [
        f"s.yaml:{line}" for line in (1, 2, 1, 3, 1)
    ]


def test_every_file_is_read_so(tmp_path, monkeypatch):
    double = "a: {upstream: '1', corrected: '3', evidence: counted}\na: 1\n"
    (tmp_path / "config.yaml").write_text(double)
    monkeypatch.setattr(published, "FILE", str(tmp_path / "config.yaml"))
    published.read_published.cache_clear()
    for read in (
        lambda: load_study(tmp_path / "config.yaml"),
        lambda: load_corrections(tmp_path / "config.yaml", [Problem(id="a", problem="?", expected_answer="1")]),
        published.read_published,
        lambda: profile_path(str(tmp_path)),
    ):
        with pytest.raises(BadInput, match=r"^config\.yaml:2: 'a' stands in line 1 already; remove one of the two$"):
            read()


@pytest.mark.parametrize(
    "override, message",
    [
        ("sampling.temperature=.inf", r"^--config sampling.temperature=.inf:1: .inf is no finite number"),
        ("sampling={n: 1, n: 2}", r":1: 'n' stands in line 1 already"),
        ("name", r"^--config name: cannot be set; write key.of.a.key=value"),
    ],
)
def test_a_value_of_the_command_line_is_read_so(override, message):
    with pytest.raises(BadInput, match=message):
        load_study("params/miniature.yaml", [override])


def test_a_value_that_several_share_is_set_in_one():
    study = load_study("params/real_traces.yaml", ["arms.0.imported.keys.text=other"])
    assert [arm.imported.keys["text"] for arm in study.arms[:2]] == ["other", "generation"]
