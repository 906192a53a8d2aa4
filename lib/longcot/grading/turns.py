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
_TURNS |= {"inst", "sys"}
_NOTHING_YET = re.compile(r"(?:<s>|assistant|model|\s)*")

_HEAD = r"(?:#+ *|\*\*|\\(?:sub)*section\*?\{)?"
_OTHER_TURN = re.compile(  # a line that only begins the turn of a person
    rf"\n[ \t]*(?:(?:[Uu]ser|[Hh]uman|system)[ \t]*(?=\n)|{_HEAD}(?:Human|User|USER|HUMAN|用户)(?:\*\*)?[ \t]*[:：]"
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
    outside of thoughts, another turn or problem begins in plain text; a prompt before the model's own turn is left out.
    Where nothing is said after the last thoughts, it is what was said before them.
    """
    if "\n" not in text and "<" not in text and "[" not in text and "◁" not in text and text[:8] != "analysis":
        return "", text  # as quickly as it is often so
    opened: dict[str, bool] = {}  # the names of thoughts in their order, and whether the tag surely begins some
    said = lead = 0
    before, in_prompt = "", False
    if text.startswith("analysis") and text[8:9].isupper():  # Harmony, decoded without its special tokens
        if "assistantfinal" not in text:
            return text, None
        said = text.rfind("assistantfinal") + len("assistantfinal")
    marked = "<" in text or "◁" in text or ("[" in text and any(sign in text for sign in _SQUARE))
    for mark in _MARK.finditer(text, said) if marked else ():
        kind, name = _kind(mark)
        if kind == "turn":
            first = _NOTHING_YET.fullmatch(text, lead, mark.start())
            if (name == "model" and (first or in_prompt)) or (name == "begins" and first):
                said, lead, in_prompt = mark.end(), mark.end(), False
            elif first and name == "person":
                in_prompt = True
            elif not in_prompt:
                text = text[: mark.start()]
                break
        elif kind == "open":
            if not opened:
                if (end := _end_of_turn(text, said, mark.start())) < mark.start():
                    text = text[:end]
                    break
                before = text[said:end] if re.search(r"\w", text[said:end]) else before
            line = text[max(0, mark.start() - 100) : mark.start()].rpartition("\n")[2]
            in_sentence = mark["name"] and not mark["left"] and name != "think" and re.search(r"\w", line)
            opened.setdefault(name, not in_sentence)  # "I use <reasoning> tags" begins none, unless it ends
        elif kind == "close":
            for inner in [*opened][list(opened).index(name) if name in opened else 0 :]:  # one never begun ends all
                del opened[inner]
            if not opened:
                said = mark.end()
    if in_prompt or any(opened.values()):
        return text, None
    last = text[said : _end_of_turn(text, said, len(text))]
    return text[:said], last if not before or re.search(r"\w", last) else before


def _kind(mark: re.Match) -> tuple[str, str]:
    """What a mark is, and whose: ("open" or "close", thoughts), ("turn", "model", "person", "begins" or "ends")."""
    name = (mark["name"] or mark["upper"] or mark["turn"] or mark["sys"] or "think").lower()
    token, slash = mark["left"] or mark["right"] or mark["turn"], mark["slash"] or mark["off"] or mark["shut"]
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
        return ("close" if slash or "end" in f"{bounds[1]}{bounds[3]}" else "open"), bounds[2]
    if name == "s" and not slash or name not in _TURNS and (not token or _OF_RESPONSE.fullmatch(name)):
        return "", ""
    if re.match(r"assistant|model", after) or "assistant" in name or (name == "inst" and slash):
        return "turn", "model"
    if re.match(r"user|human|system", after) or re.match(r"user|human|system|inst|sys", name):
        return "turn", "person"
    return "turn", "ends" if slash or re.match(r"im_end|e[nox]|return", name) and "header" not in name else "begins"


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
