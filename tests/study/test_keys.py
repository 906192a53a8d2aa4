"""The reference of study keys in params/README.md."""

import re

from longcot.curation.filters import FILTERS
from longcot.curation.strategies import STRATEGIES
from longcot.problems.wordings import EDITS, STYLES
from longcot.study.keys import BEGIN, END, PAGE, comments, reference
from longcot.study.study import Model, Study


def test_the_page_has_the_reference_as_the_code_gives_it():
    page = PAGE.read_text()
    told = page[page.index(BEGIN) + len(BEGIN) + 1 : page.index(END)]
    assert told == reference(), "run: longcot keys --write"


def test_every_key_says_what_it_is():
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", reference(), re.M)
    keys = {name: (kind, default, about) for name, kind, default, about in rows}
    assert set(Study.model_fields) <= keys.keys() and not [row for row in rows if not row[3].strip()]
    assert keys["rank"] == ("whole number ≥ 1", "`16`", keys["rank"][2]) and "axolotl" in keys["rank"][2]
    assert keys["top_p"][:2] == ("number > 0, ≤ 1", "`0.95`") and keys["teacher"][1] == "needed"


def test_every_name_is_there():
    told = reference()
    for name in [*FILTERS, *STRATEGIES, *STYLES, *EDITS]:
        assert f"`{re.sub(':.*', ':BEHAVIOUR', name)}`" in told, name


def test_links_lead_to_headings():
    told = reference()
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)", told, re.M)
    }
    links = set(re.findall(r"\(#([^)]*)\)", told))
    assert len(links) > 10 and links <= anchors


def test_a_comment_is_of_the_field_that_it_follows():
    assert comments(Model)["context"].startswith("tokens of prompt and response")
    assert comments(Model)["path"].startswith("a directory"), "of what it takes over too"
