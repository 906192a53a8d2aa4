import pytest
from browser import open_page

LOUD = """<!DOCTYPE html><title>x</title><img src=https://example.com/x.png><p id=p>text</p>
<script>alert("boo"); fetch("http://192.0.2.1/y"); new WebSocket("wss://example.com/w"); undefined_name()</script>"""


def test_what_a_page_tries_is_kept_and_refused(tmp_path):
    (tmp_path / "loud.html").write_text(LOUD)
    with open_page(tmp_path / "loud.html") as opened:
        opened.page.wait_for_timeout(300)
        assert opened.dialogs == ["boo"]
        assert sorted(opened.refused) == ["http://192.0.2.1/y", "https://example.com/x.png", "wss://example.com/w"]
        assert any("undefined_name" in error for error in opened.errors)
        with pytest.raises(AssertionError, match="asked for"):
            opened.is_quiet()


def test_a_page_that_tries_nothing_is_quiet(tmp_path):
    (tmp_path / "quiet.html").write_text("<!DOCTYPE html><title>x</title><math><mi>x</mi></math>")
    with open_page(str(tmp_path / "quiet.html")) as opened:
        opened.is_quiet()
        assert opened.page.locator("math").bounding_box()["width"] > 0
        opened.page.screenshot(path=tmp_path / "quiet.png")
    assert (tmp_path / "quiet.png").read_bytes()[:4] == b"\x89PNG"
