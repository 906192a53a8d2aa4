"""Pages as a browser meets them: their tags and texts, and that they fetch nothing."""

import re
from html.parser import HTMLParser

# A place in the page, or a file of the run that lies beside it, by a name of ours.
LINK = r"#.*|(?:figures|tables|notebooks)/[\w.-]+|traces\.html"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def loads_nothing(html: str) -> None:
    """The page holds no script and nothing that a browser would fetch."""
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "svg", "form"), tag
        assert attributes.get("src", "data:").startswith("data:")
        assert re.fullmatch(LINK, attributes.get("href", "#"))
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset")]
    styles = "".join(re.findall(r"<style.*?</style>", html, re.DOTALL))
    assert "url(" not in styles and "@import" not in styles
    assert "default-src 'none'" in html
