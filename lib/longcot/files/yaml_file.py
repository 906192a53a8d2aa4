"""YAML as people write it by hand, read strictly: nothing in it is passed over in silence."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from longcot.files.encoding import read_text
from longcot.files.errors import BadInput
from longcot.files.paths import display_path

LARGEST = 1_000_000  # values that a file's aliases may stand for in all
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
# YAML 1.1 takes these for numbers of base 8 and 60.
_SURPRISING = re.compile(r"[-+]?(?:0[0-7_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)")


class _Refused(yaml.MarkedYAMLError):
    """What is YAML and yet not taken."""


def _refused(problem: str, node: Node | yaml.Event) -> _Refused:
    return _Refused(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """PyYAML's own safe loader that refuses doubles, loops, and what turns out to be another value than it looks."""

    def __init__(self, text: str):
        super().__init__(text)
        self._open: list[str] = []  # anchors within whose value the loader is

    def compose_node(self, parent: Node | None, index: Any) -> Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._open:
            raise _refused(f"*{event.anchor} stands within what &{event.anchor} names, without end; remove it", event)
        anchor = None if isinstance(event, yaml.AliasEvent) else event.anchor
        self._open += [anchor] if anchor else []
        node = super().compose_node(parent, index)
        if anchor:
            self._open.pop()
        if node.tag not in _PLAIN and not isinstance(event, yaml.AliasEvent):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            words = f"{tag}); remove the tag" if event.tag else f"{node.value}, a {tag[2:]}); put it in quotes"
            raise _refused(f"not YAML of plain values ({words}", node)
        return node

    def compose_mapping_node(self, anchor: str | None) -> MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                value = key.value if key.tag == _MERGE else self.construct_object(key)
                if value in lines:
                    raise _refused(f"{key.value!r} stands in line {lines[value]} already; remove one of the two", key)
                lines[value] = key.start_mark.line + 1
        return node

    def text(self, node: ScalarNode) -> str:
        """A text that can be written again."""
        if not node.value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise _refused("half a surrogate pair, which no file can hold; remove it", node)
        return node.value

    def number(self, node: ScalarNode) -> int | float:
        """A number as it looks."""
        if _SURPRISING.fullmatch(node.value):
            words = "is a number of base 8 or 60 to YAML; put it in quotes, or write it plainly"
            raise _refused(f"{node.value} {words}", node)
        whole = node.tag.endswith(":int")
        try:
            value = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        except ValueError:  # too long for Python, or not a number in spite of its tag
            raise _refused(f"{node.value[:40]} is no number that can be read; fix it", node) from None
        if not whole and not math.isfinite(value):
            raise _refused(f"{node.value} is no finite number; write one, or leave the key out", node)
        return value


_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.text)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.number)


@dataclass(frozen=True)
class YamlFile:
    """The values of a YAML file, and where they stand."""

    name: str  # as in messages
    values: Any
    node: Node | None

    def where(self, place: tuple[str | int, ...] = ()) -> str:
        """`file:line` of the value at a place, or of the last key that exists on the way to it."""
        node, line = self.node, 1
        for step in place:
            if isinstance(node, MappingNode):
                # The last of them: what a mapping takes over by `<<` stands before its own keys.
                found = [(key, value) for key, value in node.value if key.value == str(step)]
                if not found:
                    break
                line, node = found[-1][0].start_mark.line + 1, found[-1][1]
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
        return f"{self.name}:{line}"


def parse_yaml(text: str, name: str) -> YamlFile:
    """A YAML text, one document of plain values. Raises BadInput: `name`, line, what is wrong and the fix.

    Refused are a key that stands twice in a mapping, endless or exploding aliases, numbers that are not finite or not
    what they look like, dates, tags, and several documents.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _check_size(node)
        return YamlFile(name, None if node is None else loader.construct_document(node), node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadInput(f"{name}:{line}: not YAML (character U+{error.character:04X}); remove it") from None
    except RecursionError:
        raise BadInput(f"{name}:1: not YAML that can be read (nested too deep); fix the file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1 if mark else 1}"
        if isinstance(error, _Refused):
            raise BadInput(f"{where}: {error.problem}") from None
        problem = " ".join(str(error.problem).split())
        if "'\\t'" in problem:
            problem, fix = "a tab", "indent with spaces"
        elif "duplicate anchor" in str(error.context):
            problem, fix = str(error.context).split(";")[0], "give it another name"
        elif "another document" in problem:
            problem, fix = "a second document begins", "keep one, without a line of ---"
        else:
            fix = "fix the line"
        raise BadInput(f"{where}: not YAML ({problem}); {fix}") from None


def read_yaml(path: Path) -> YamlFile:
    """`parse_yaml` of a file. Raises BadInput for it, for another encoding than UTF-8, and where it cannot be read."""
    return parse_yaml(read_text(path), display_path(path))


def _check_size(root: Node) -> None:
    """See that the aliases of a document do not stand for more values than anybody wrote."""
    sizes: dict[int, int] = {}

    def size(node: Node) -> int:
        if id(node) not in sizes:
            parts = node.value if isinstance(node, SequenceNode) else []
            if isinstance(node, MappingNode):
                parts = [part for pair in node.value for part in pair]
            sizes[id(node)] = 1 + sum(map(size, parts))
            if sizes[id(node)] > LARGEST:
                raise _refused(f"its aliases stand for more than {LARGEST:,} values; write them out", node)
        return sizes[id(node)]

    size(root)
