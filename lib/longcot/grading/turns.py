"""The parts of a model's text: its thoughts, what it says after them, and what already belongs to another turn."""

import re
from bisect import bisect

# <|name|>, <｜name｜>, <name>, [NAME], ◁name▷, each also as </name>
_MARK = re.compile(
    r"<(?P<left>[|｜]?)(?P<slash>/?)(?:seed:)?(?P<name>[A-Za-z][\w▁]{2,39}|s)(?P<right>[|｜]?)>"
    r"|\[(?:[|](?P<turn>\w+)[|]|(?P<off>/?)(?P<upper>THINK|INST|BEGIN FINAL RESPONSE))\]"
    r"|◁(?P<shut>/?)think▷|<<(?P<sys>SYS)>>"
)
_SQUARE = ("[TH", "[IN", "[/", "[|", "[BEGIN")
_THOUGHTS = {"think", "thinking", "thought", "thoughts", "reasoning", "reason", "reflection", "analysis", "scratchpad"}
_THOUGHTS |= {"inner_monologue", "rationale", "cot"}
_OF_RESPONSE = re.compile(
    r"message|start|constrain|answer|(?:begin|end)_of_(?:solution|answer)|start_(?:response|text)"
)
_TURNS = {"s", "eos", "bos", "eot", "end_of_turn", "start_of_turn", "user", "human", "assistant", "system", "turn"}
_ROLE = re.compile(r"\s*(?:assistant|model)?\s*")

_HEAD = r"(?:#+ *|\*\*|\\(?:sub)*section\*?\{)?"
_OTHER_TURN = re.compile(  # a line that only begins the turn of a person
    rf"\n[ \t]*(?:(?:user|human|system)[ \t]*(?=\n)|{_HEAD}(?:Human|User|USER|HUMAN|用户)(?:\*\*)?[ \t]*[:：]"
    r"|#+ *(?:Instruction|User|Human)\b)"
)
_OTHER_PROBLEM = re.compile(  # a line that may begin another problem, where this one is answered
    rf"\n[ \t]*(?:{_HEAD}(?:Question|Problem|Exercise|Instruction|Prompt|Input|Assistant|Q|问题|题目|"
    r"(?:Next|New|Another|Second|Follow-?up) +(?i:question|problem|exercise))(?: *#?\d+)?(?:\*\*)?[ \t]*"
    r"(?:[:：.)}]|(?=\n))|assistant[ \t]*(?=\n)|"
    r"(?:Please|You should) (?:reason|think|solve|answer|put|provide|give)\b|Solve the following|You are an? )"
)
_GLUED = re.compile(r"(?<=[.!?)}$\]*])assistant(?=\n)")  # Llama's marks, decoded without its special tokens
_DOUBT = re.compile(r"(?i)\b(?:wait|hmm+|re-?read|check|verify|however|but|let me|actually)\b")
_ANSWERED = re.compile(
    r"(?i)\\(?:boxed|fbox)\s*(?:\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})+\}|[\w-])|</(?:final_)?answer>|^####|"
    r"\banswers?\W{0,4}(?:is\b|[:：])\W*[\w\\]|答案",
    re.MULTILINE,
)


def parts(text: str) -> tuple[str, str | None]:
    """(thoughts, what is said after them), the latter None where thinking was begun and never ended.

    Thoughts stand between the tags of one of the families of reasoning models, or before an end of thinking that was
    never begun (templates begin it in the prompt). The text ends where the mark of another turn stands, or where,
    outside of thoughts, another turn or problem begins in plain text.
    """
    opened: list[str] = []
    said = lead = 0
    if text.startswith("analysis") and text[8:9].isupper():  # Harmony, decoded without its special tokens
        if "assistantfinal" not in text:
            return text, None
        said = text.rfind("assistantfinal") + len("assistantfinal")
    marked = "<" in text or "◁" in text or ("[" in text and any(sign in text for sign in _SQUARE))
    for mark in _MARK.finditer(text, said) if marked else ():
        kind, name = _kind(mark)
        if kind == "turn":
            if _ROLE.fullmatch(text, lead, mark.start()):  # the marks of the model's own turn
                said = lead = mark.end()
                continue
            text = text[: mark.start()]
            break
        if kind == "open":
            if not opened and (end := _end_of_turn(text, said, mark.start())) < mark.start():
                text = text[:end]
                break
            opened.append(name)
        elif kind == "close":
            del opened[opened.index(name) if name in opened else 0 :]
            if not opened:
                said = mark.end()
    if opened:
        return text, None
    return text[:said], text[said : _end_of_turn(text, said, len(text))]


def _kind(mark: re.Match) -> tuple[str, str]:
    """("open", "close", "turn" or "", the name of the thoughts) of a mark."""
    name = (mark["name"] or mark["upper"] or mark["turn"] or mark["sys"] or "think").lower()
    token = bool(mark["left"] or mark["right"] or mark["turn"])
    after = mark.string[mark.end() : mark.end() + 30].lower()
    if name == "channel":  # Harmony, and Gemma's <|channel>thought … <channel|>
        if not mark["left"] or after.startswith("final"):
            return "close", "channel"
        return ("open" if re.match(r"\s*(?:analysis|commentary|thought)", after) else ""), "channel"
    if name == "im_start" and (told := re.match(r"think|answer", after)):  # s1
        return ("open" if told[0] == "think" else "close"), "im_start"
    if name == "end" and re.match(r"\s*<\|start\|>assistant", after):
        return "", ""
    if name == "begin final response":
        return "close", ""
    bounds = re.fullmatch(r"(begin_of_|start_of_|start_|end_of_|end_)?(\w+?)(_start|_begin|_end)?", name)
    if bounds and bounds[2] in _THOUGHTS:
        ends = mark["slash"] or mark["off"] or mark["shut"] or "end" in f"{bounds[1]}{bounds[3]}"
        return ("close" if ends else "open"), bounds[2]
    if name in ("inst", "sys") or name in _TURNS or (token and not _OF_RESPONSE.fullmatch(name)):
        return "turn", ""
    return "", ""


def _end_of_turn(text: str, start: int, end: int) -> int:
    """Where, in what is said, the line begins that is of another turn or problem; `end` where none does."""
    if text.find("\n", start, end) < 0:
        return end
    for line in _OTHER_TURN.finditer(text, start, end):
        if re.search(r"\w", text[start : line.start()]):
            end = line.start()
            break
    lines = [line.start() for line in _OTHER_PROBLEM.finditer(text, start, end)]
    if "assistant\n" in text:
        lines = sorted(lines + [line.start() for line in _GLUED.finditer(text, start, end)])
    answers = [answer.end() for answer in _ANSWERED.finditer(text, start, end)] if lines else []
    for line in lines:
        last = answers[bisect(answers, line) - 1] if answers and answers[0] <= line else line - 501
        if line - last <= 500 and not _DOUBT.search(text, last, line):
            return line
    return end
