"""Text in which characters that act can be seen."""

import unicodedata


class _Shown(dict):
    """For `str.translate`: control characters and those that reorder or hide text, as something to see."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        shown: int | str = code
        acts = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if acts and character not in "\n\t\u2061\u2062\u2063\u2064":  # the last: operators that MathML does not print
            shown = f"⟨U+{code:04X}⟩"
        self[code] = shown
        return shown


_SHOWN = _Shown()


def visible(text: str) -> str:
    """The text with characters that act made visible: ⟨U+001B⟩ for an escape, ⟨U+202E⟩ for a turn of direction.

    Lone surrogates too, so that the result can always be encoded. Not yet HTML: it holds < and & as they are.
    """
    return text.replace("\r\n", "\n").translate(_SHOWN)
