import pytest

from longcot.curation.duplicates import exact_duplicates, near_duplicates, normal_words
from longcot.files.errors import BadInput

LONG = "A gardener sets 14 rows of tulips and each row has three more of them than the row before it does."


def test_normal_words_set_the_looks_aside():
    assert normal_words("Find  $\\dfrac{1}{2}$ of\\left( x^2 \\right)!") == normal_words("find \\frac 1 2 OF x ^ 2")
    assert normal_words("\\text{cm}²") == normal_words("cm^2") == ["cm", "2"] and normal_words("$$") == []


def test_exact_duplicates_point_at_the_first():
    assert exact_duplicates(["a b", "A, b.", "b a", "a  b"]) == [None, 0, None, 0]


def test_near_duplicates_are_compared_exactly():
    texts = [
        LONG,
        LONG.replace("three more", "four more"),
        LONG + " How many?",
        "Something else is asked for here.",
        LONG,
    ]
    found = near_duplicates(texts, threshold=0.7)
    assert found[0] is None and found[3] is None and found[4] == (0, 1.0)
    # 19 trigrams; one word changed changes three of them, so 16 of 22 are shared; two more words add two
    assert found[1] == (0, pytest.approx(16 / 22)) and found[2] == (0, pytest.approx(19 / 21))
    assert near_duplicates(texts, threshold=0.8)[1] is None
    with pytest.raises(BadInput, match="must lie between 0 and 1"):
        near_duplicates(texts, threshold=1)


def test_a_duplicate_of_a_duplicate_points_at_what_stays():
    assert [found and found[0] for found in near_duplicates([LONG, LONG, LONG])] == [None, 0, 0]
    assert near_duplicates(["", ""]) == [None, (0, 1.0)] and near_duplicates([]) == []


@pytest.mark.parametrize(
    "text, words",
    [
        ("求 x² 的值。", ["求", "x", "2", "的", "值"]),
        ("ある数は12です", ["あ", "る", "数", "は", "12", "で", "す"]),
        ("หาค่า x ๑๒", ["ห", "า", "ค", "\u0e48", "า", "x", "๑๒"]),
        ("값은 12이다", ["값은", "12", "이다"]),
        ("Größe der naïve Été", ["größe", "der", "naïve", "été"]),
    ],
)
def test_languages_without_spaces_have_a_word_a_character(text, words):
    assert normal_words(text) == words
