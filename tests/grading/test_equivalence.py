import concurrent.futures
import json
from pathlib import Path

import pytest

from longcot.files.paths import resolve
from longcot.grading.extraction import extract_answer
from longcot.grading.grade import is_equivalent
from longcot.grading.worker import POOL

# Rows of grader_pairs that are not about whether two answers are the same, or that no reader would label so.
OUT_OF_SCOPE = {
    "gp-0006": "1,22 with a decimal comma, which in a set in English is a list of two numbers",
    "gp-0056": "the reference is an essay that ends in the middle of a thought, not an answer",
    "gp-0187": "takes a modulus for a real number: 1 <= |z| <= 3/2 as two intervals of z",
    "gp-0238": "the reference is prose with two boxes apart",
    "gp-0280": "two numbers on two lines, of which the first is ignored",
    "gp-0292": "a mixed number and another number, of which the first is ignored",
    "gp-0319": "French prose, whose last number is another one",
    "gp-0330": "a question with an unpaired dollar sign",
    "gp-0391": "no answer, for which the reference is empty too: no answer is never right here",
    "gp-0555": "vectors that are equal up to a factor: only the problem says that this is enough",
    "gp-0556": "inequalities that are equal for positive integers: only the problem says that this is enough",
    "gp-0557": "two descriptions of a family of triples in words",
}

# the convention, an answer, its reference
SAME = [
    ("leading zeros", "025", "25"),
    ("thousands", r"15{,}000\,", "15000"),
    ("thousands", r"12,\!345,\!678", "12 345 678"),
    ("scientific", r"1.04\times10^{-3}", "1.04e-3"),
    ("fractions", r"\dfrac12", "$1/2$"),
    ("mixed numbers", r"1\frac{4}{5}", "9/5"),
    ("repeating decimals", r"0.1\overline{6}", r"\frac{1}{6}"),
    ("decimals of six digits", "0.333333", r"\frac13"),
    ("rounded references of four digits", r"40\pi", "125.66"),
    ("percent", r"62.5\%", "5/8"),
    ("percent", r"62.5\%", "62.5"),
    ("units", r"15\text{ cm}^2", "15"),
    ("units", r"\frac{600}{7} \mathrm{~km} / \mathrm{h}", r"\frac{600}{7}"),
    ("degrees", r"74^\circ", "74"),
    ("currency", r"\$36", "36"),
    ("labels", "x=5", "5"),
    ("labels", r"\angle APC = 74^\circ", "74"),
    ("labels", "f(t)=t^2", "f(x)=x^2"),
    ("chains", "a + b = 11 + 9 = 20", "20"),
    ("approximations", r"\frac{\sqrt{3}}{3} \approx 0.577", r"\frac{1}{\sqrt{3}}"),
    ("choices", r"\textbf{(C)}", "C"),
    ("choices", r"\text{(C)}\ 12", r"\text{C}"),
    ("choices", r"\textbf{(C) } 12", "12"),
    ("words", r"\text{Even}", "even"),
    ("indices", "E_1, E_{2}", "E_{1},E_{2}"),
    ("lists", "3, 1 and 2", "1,2,3"),
    ("plus or minus", r"1 - \sqrt{19}, 1 + \sqrt{19}", r"1 \pm \sqrt{19}"),
    ("sets", r"\{1, 2\}", "2,1"),
    ("labelled lists", "q=2, p=5", "p=5,q=2"),
    ("labelled lists", "p=5,q=2; p=7,q=2", "(7,2),(5,2)"),
    ("tuples", r"\left( \frac{6}{2}, 0.5 \right)", r"(3,\frac12)"),
    ("vectors", r"\langle 1, 2\rangle", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ("matrices", r"\begin{bmatrix}1 & 0.5\end{bmatrix}", r"\begin{pmatrix}1&\frac12\end{pmatrix}"),
    (
        "matrices",
        r"\begin{pmatrix}-16/49\\48/49\end{pmatrix}",
        r"\begin{pmatrix}-\frac{16}{49}\\\frac{48}{49}\end{pmatrix}",
    ),
    (
        "matrices",
        r"\begin{bmatrix}3/5 & -4/5\\4/5 & 3/5\end{bmatrix}",
        r"\begin{pmatrix}\frac35&-\frac45\\\frac45&\frac35\end{pmatrix}",
    ),
    ("matrices", r"(\sqrt{3}/2, 1/2)", r"\begin{pmatrix}\frac{\sqrt{3}}{2}\\\frac{1}{2}\end{pmatrix}"),
    ("units", "1.55eV", "1.55"),
    ("units", r"1.55 \text{ eV}", "1.55eV"),
    ("units", r"0.112\kg", "0.112"),
    ("units", r"0.112\,\kg", r"0.112 \text{ kg}"),
    ("units", r"9.8\m/\s^2", "9.8 m/s^2"),
    ("units", "1.2GHz", "1.2"),
    ("colours", r"\color{red}{12}", "12"),
    ("colours", r"\textcolor[rgb]{1,0,0}{\frac{1}{2}}", "0.5"),
    ("colours", r"\fcolorbox{red}{white}{$12$}", "12"),
    ("choices", r"\text{C: the middle one}", "C"),
    ("choices", r"\text{C, the middle one}", "(C)"),
    ("choices", r"\text{option C}", "C"),
    ("intervals", r"x \in [-2, 7]", r"-2 \le x \le 7"),
    ("unions", r"x < 2 \text{ or } x > 3", r"(3,\infty) \cup (-\infty, 2)"),
    ("bases", "52", "52_8"),
    ("algebra", r"\frac{x}{7}+\frac{2}{7}", r"\frac{x+2}{7}"),
    ("integers", r"\lfloor (n+1)/2 \rfloor", r"\lceil n/2 \rceil"),
    ("large numbers", r"2^{25} \cdot 26!", r"2^{25} 26!"),
    ("equations", "SRMC = MR", r"\text{MR}=\text{SRMC}"),
    ("equations", "2y + x = 3", r"y=-\frac{1}{2}x+\frac{3}{2}"),
    ("constants of integration", r"c_1 e^{t} + c_2 e^{-t} + t", r"C_2 e^{t} + t + C_1 e^{-t}"),
    ("conditions", r"\frac{1}{s+a} \text{ for } s > -a", r"\frac{1}{a+s}"),
    ("Python", "sqrt(3) - 1", r"\sqrt{3}-1"),
    ("fractions of single letters", r"\frac KL - \frac1L", r"\frac{K-1}{L}"),
    ("repeating decimals with dots", r"0.1666\ldots", r"\frac{1}{6}"),
    ("number words", r"\$2.5 \text{ million}", "2500000"),
    ("units", "60 mph", r"60 \text{ miles per hour}"),
    ("units", r"15\ \mathrm{cm^2}", r"15 \text{ square centimeters}"),
    ("units in lists", r"\$2{,}500, \$7{,}500", "2500,7500"),
    ("times of day", "4:30 PM", r"\text{4:30 p.m.}"),
    ("degrees", r"\sin 30^\circ + \frac12", "1"),
    ("bases", r"40_{\text{nine}}", "(40)_9"),
    ("dots", r"\{0, 3, 6, \dots, 6048\}", r"0,3,6,9, \ldots, 6048"),
    ("plus or minus", r"(\pm 3, \pm 2)", "(3,2),(-3,2),(3,-2),(-3,-2)"),
    ("unit vectors", r"-7\hat{\mathbf{i}} + \hat{\mathbf{k}}", r"\begin{pmatrix}-7\\0\\1\end{pmatrix}"),
    ("sets of real numbers", r"0 < x < 36, x \ne 9", r"(0,9) \cup (9,36)"),
    ("sets of real numbers", r"\mathbb{R} \setminus [2,3]", r"x < 2 \text{ or } x > 3"),
    ("sets of real numbers", r"x \ge -2 \text{ and } x \le 7", "[-2,7]"),
    ("sets of real numbers", r"\{x \mid x > 2\}", r"(2,\infty)"),
    ("sets of real numbers", r"x = 1 \text{ or } x < 0", r"(-\infty, 0) \cup\{1\}"),
    ("names of sets", r"\text{all real numbers}", r"\mathbb{R}"),
    ("names of sets", r"\text{No solution}", r"\emptyset"),
    ("periods", r"x = \frac{\pi}{6} + n\pi, n \in \mathbb{Z}", r"\frac{\pi}{6} + \pi k"),
    ("constants of integration", r"C_1\cos 2t + C_2\sin 2t", r"C_1\sin 2t + C_2\cos 2t"),
    ("products of angles", r"\cos\omega t", r"\cos(\omega t)"),
    ("derivatives", r"LC \frac{d^2 v(t)}{dt^2} + v(t) = u(t)", r"\ddot{v} + \frac{v}{L C} = \frac{u}{L C}"),
    ("derivatives", "x'(t) = kx(t) - a", r"\frac{dx}{dt} = kx - a"),
]
DIFFERENT = [
    ("", "25"),
    ("26", "25"),
    ("100000000000000001", "100000000000000000"),
    (r"2^{100}", r"2^{100}+1"),
    (r"\frac{1}{25}", r"\frac{12}{5}"),
    (r"2\cdot3", "23"),
    ("1.2e-9", "1.3e-9"),
    ("0.33", "1/3"),
    ("3.14", r"\pi"),
    ("5.001", "5"),
    (r"5\text{ cm}", r"5\text{ m}"),
    ("1.55eV", r"1.55\text{ keV}"),
    (r"0.112\kg", r"0.112\text{ g}"),
    ("0.64N", "0.64"),
    ("2m", "2"),
    (r"\begin{pmatrix}16/49\\47/49\end{pmatrix}", r"\begin{pmatrix}\frac{16}{49}\\\frac{48}{49}\end{pmatrix}"),
    (r"\text{C, not B}", "B"),
    ("A, B", "A"),
    ("A - B", "A"),
    (r"\text{D: the middle one}", "C"),
    ("40_9", "40_8"),
    ("y=5", "x=5"),
    ("z = c", "(C)"),
    ("1, 2", "1,2,3"),
    ("2021", r"\pm 2021"),
    ("6,6,5,6", "6,6,6,5"),
    ("(2,1)", "(1,2)"),
    ("(1,2]", "[1,2)"),
    (r"x \ge 5", "x > 5"),
    ("x", "|x|"),
    (r"\lfloor x \rfloor", r"\lceil x \rceil"),
    ("Vanin", "Navin"),
    ("11a+c", "7 = 11a+c"),
    ("no such answer", r"\text{even}"),
    ("98118122142", "98,118,122,142"),
    ("5.15", "5,15"),
    ("2x = 10", "10"),
    ("SRAC=LRAC", "SRMC=LRMC"),
    ("(y-2x)(y+1)=0", "y=2x"),
    ("(A) B", "B"),
    (r"17.5\text{ cm}", r"17.5\%"),
    (r"3.43944\times10^{8}", "343943885"),
    (r"5\text{ million}", "5"),
    (r"20\text{ m/s}", r"20\text{ km/h}"),
    ("4:30 a.m.", "4:30 p.m."),
    (r"\text{(B) and (C)}", r"\text{(B)}"),
    ("f(x)=-x", "f(x)=x,f(x)=-x"),
    ("x_1=5", "x_2=5"),
    (r"\{1,2\}", "(1,2)"),
    (r"1,2,3,\ldots", "1,2,3"),
    (r"x \text{ if } x > 0, -x \text{ otherwise}", "x"),
    (r"\lfloor n/100 \rfloor", r"\lfloor n/200 \rfloor"),
    (r"\frac{C_2}{C_1+C_2}", r"\frac{C_1}{C_1+C_2}"),
    ("C_2x+C_1y", "C_1x+C_2y"),
    ("2k-1", "2n-1"),
    (r"(0,36)", r"(0,9) \cup (9,36)"),
]


@pytest.mark.parametrize(("convention", "answer", "reference"), SAME)
def test_equivalent(convention, answer, reference):
    assert is_equivalent(answer, reference), convention


@pytest.mark.parametrize(("answer", "reference"), DIFFERENT)
def test_not_equivalent(answer, reference):
    assert not is_equivalent(answer, reference)


# a bare list of two may be answered by a tuple, but (-13/96, 13/40) may be an interval too; nobody writes the other one
MISSED = {r"\left(-\frac{13}{96}, \frac{13}{40}\right)", r"\text{four} = 4"}


def test_blind_exams():
    """Two tables of right and near-miss answers, each written and fixed before the grader saw it (see benchmarks)."""
    rows = [json.loads(line) for line in (Path(__file__).parents[1] / "blind_answers.jsonl").open()]
    pairs = [
        (row["reference"], extract_answer(text) if "texts" in key else text, key.startswith("right"))
        for row in rows
        for key in ("right", "wrong", "right_texts", "wrong_texts")
        for text in row.get(key, ())
    ]
    assert len(pairs) == 1318
    with concurrent.futures.ThreadPoolExecutor(POOL.count) as threads:
        verdicts = list(threads.map(lambda pair: is_equivalent(pair[1], pair[0], timeout=30), pairs))
    assert not [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict and not pair[2]]
    assert {pair[1] for pair, verdict in zip(pairs, verdicts, strict=True) if pair[2] and not verdict} <= MISSED


def data(path: str) -> list[dict]:
    try:
        return [json.loads(line) for line in resolve(path).open()]
    except (ValueError, OSError):
        pytest.skip(f"no {path} here: LONGCOT_DATA is not set, or lacks it")


def test_public_vectors():
    rows = [row for row in data("data:grader/grader_pairs.jsonl") if "policy" not in row]
    assert len(OUT_OF_SCOPE) <= 0.05 * len(rows)
    wrong = []
    for row in rows:
        answer = extract_answer(row["pred"]) if row["form"] == "text" else row["pred"]
        if bool(answer and is_equivalent(answer, row["gold"])) != row["equal"]:
            wrong.append(row)
    assert not [row["id"] for row in wrong if not row["equal"]]
    assert not {row["id"] for row in wrong} - OUT_OF_SCOPE.keys()


@pytest.mark.parametrize("name", ["comp-math-24-25", "math500", "olympiadbench_math_en", "minerva_math"])
def test_references_equal_themselves(name):
    for reference in {row["expected_answer"] for row in data(f"data:problems/{name}.jsonl")}:
        assert is_equivalent(reference, reference)
        assert not is_equivalent("no such answer", reference)
        assert is_equivalent("\\boxed{" + reference.strip("$") + "}", reference), reference
