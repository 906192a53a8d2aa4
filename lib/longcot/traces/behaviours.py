"""Reasoning behaviours that a text shows, by documented lexical rules, with the spans that they matched.

The first four are those of Gandhi et al. 2025 (arXiv 2503.01307): verification, backtracking, subgoal setting, backward
chaining. What counts as which is written down in tests/behaviour_labels/README.md; precision and recall of these rules
on paragraphs labelled by hand are in tests/benchmarks/README.md.

**Markers describe, they do not explain.** A rule finds words, not thoughts. Li et al. 2025 (arXiv 2502.07374) found
that removing such words from training traces hardly changes what a model learns, so a set with more markers is
not therefore a better one.
"""

import re
from typing import NamedTuple

from longcot.files.errors import BadInput

_TASK = (
    r"(?:find|calculat|comput|determin|solv|identif|simplif|express|analy[sz]|count|evaluat|deriv|establish|construct|"
    r"isolat|convert|rewrit|factor|rationaliz|defin|apply|us(?:e|ing)\b|substitut|match|combin|consider|add|subtract|"
    r"multipl|divid|expand|differentiat|integrat|prov|show|understand|rearrang|eliminat|formulat|compar|sum|distribut|"
    r"interpret|recogniz|set(?:ting)? up|break|figure out|diagonaliz|complet|sketch|estimat|choos|select|list|examin|"
    r"relat|bound|maximiz|minimiz|parametriz|introduc|observ|not(?:e|ing)\b|assign|clarif|recall|round|equat|explor)"
)
_SEEK = r"(?:find|calculate|compute|determine|solve|derive|obtain|evaluate|identify|figure out|simplify|express|relate)"
_OWN = r"(?:let'?s|let us|let me|i'll|we'll|i will|we will|i can|we can|i should|we should)"

# In small letters: texts are matched in small letters, which is twice as fast as ignoring case.
RULES: dict[str, tuple[str, ...]] = {
    "verification": (
        r"\b(?:double|cross|re|sanity)[- ]?check\w*",
        r"\bverif(?:y|ies|ied|ying|ication)\b|\bvalidat(?:e|es|ing)\b",
        rf"\b{_OWN} (?:just |also |quickly |now )?(?:check|confirm)\b",
        r"\b(?:need|want|have|like) to (?:also |just )?(?:check|confirm|make sure|be sure|"
        r"see if (?:this|that|it|my|our))",
        r"\b(?:should|must|to) (?:also |just )?(?:check|confirm) (?:if|whether|that|this|my|our|it|the|for|there)\b",
        r"\bmak(?:e|ing) sure\b|\bjust to be (?:sure|thorough|safe|certain)\b",
        r"\b(?:makes?|making) sense\b",
        r"\b(?:which|that|this|it|they|both|methods|approaches|results|answers) (?:also |indeed |all |both )?"
        r"(?:match(?:es)?|agrees?|confirms?|checks? out|adds? up|coincides?|(?:is|are) consistent)\b",
        r"\b(?:is|are|equals?|does|has|have|works?) indeed\b|\bindeed,? (?:equals?|true|correct|satisf\w+)\b",
        r"\b(?:seems?|looks?|feels?) (?:to be )?(?:the |a |an |very |really |quite |a bit |pretty |like )*"
        r"(?:too|off|wrong|right|correct|incorrect|reasonable|unreasonable|odd|strange|high|low|small|large|unlikely|"
        r"plausible|consistent|inconsistent|contradictory|impossible|valid)\b",
        r"\b(?:does|doesn'?t|do) (?:that|this|it) (?:seem|look|make|hold|work|match)|"
        r"\bdoes(?:n't| not) (?:match|seem right)",
        r"\bis (?:that|this|it) (?:right|correct|true|possible|valid|reasonable)\b|"
        r"\bwhich (?:one )?is (?:correct|right)\b",
        r"\b(?:discrepanc(?:y|ies)|inconsisten(?:cy|cies|t))\b",
        r"\bback (?:in|into) the (?:original|equation|expression|inequality|formula)",
        r"\b(?:might|may|could|perhaps|maybe|think|possibly) (?:i |we |there )?"
        r"(?:be |is |have |has |made |make )*(?:made )?"
        r"(?:an? )?(?:\w+ )?(?:error|mistake|misunderstanding|misread)",
    ),
    "backtracking": (
        r"\b(?:but )?wait,? (?:no\b|but\b|actually|that'?s not|that is not|that does|that can|"
        r"this (?:is|does|can)n'?o?t|"
        r"i already|i (?:forgot|missed|made|misread|was)|\S{1,30} (?:is not|isn'?t|are not|aren'?t)\b)",
        r"\b(?:(?<=^)|(?<=[.!?\n])|(?<=[.!?\n] ))(?:(?:oh|no|hmm|ah),? (?:no|wait)\b|(?:but |no,? )?actually,)",
        r"\b(?<!perhaps )(?<!maybe )(?<!if )(?<!sure )(?<!whether )"
        r"(?:i|we) (?:see |think |must have |have |clearly )*(?:i )?"
        r"(?:made|make) (?:an? )(?:\w+ )?(?:mistake|error)",
        r"\bi(?: think i|'ve| have|) (?:was wrong|am wrong|misread|misunderstood|misinterpreted|miscalculated|forgot|"
        r"overlooked|messed up|mixed up|miscounted|confused)\b",
        r"\bwhere (?:did )?(?:i|we) (?:go|went) wrong|\bmy (?:mistake|bad|error)\b|\bscratch that|\bnever ?mind\b",
        r"\b(?:that|this|which|it|approach|method|answer|result)(?:'s| is| was)(?: still| clearly| obviously)? "
        r"(?:not (?:right|correct|what|helpful|helping|working|useful|going to|getting|leading|"
        r"the (?:right|same|correct|best))"
        r"|incorrect|wrong\b|a mistake|an error|impossible)",
        r"\b(?:can'?t|cannot|can not) be (?:right|correct|true)\b",
        r"\b(?:that|this|which|it|approach|method|way) (?:doesn'?t|does not|won'?t|will not|didn'?t|did not) "
        r"(?:seem to )?(?:work|help|lead|make sense|hold)|\bnot (?:helpful|working)\b",
        r"\b(?:look for|try|consider|find|need|use|take|think of) (?:an? )?(?:completely |totally |slightly )?"
        r"(?:different|another|new|alternative) (?:strategy|approach|method|tack)",
        r"\b(?:start(?:ing)? (?:over|again|from scratch)|go(?:ing)? back (?:to|and)|backtrack)",
        r"\b(?:on second thought|dead end)",
        r"\blet'?s? (?:me |us )?(?:re-?(?:think|do|start|consider|evaluate|calculate|compute|examine|assess)"
        r"|think (?:differently|again)|try (?:again|something else|to think differently))",
        r"\bre-?(?:evaluat|consider|think|do)(?:e|ing)? (?:the|our|my|this|it)\b",
        r"\bthere(?:'s| is| was) (?:an? )(?:mistake|error|contradiction)|"
        r"\b(?<!be an )(?<!be a )(?:mistake|error) (?:earlier|in (?:my|our|the))",
        r"\b(?:i'?m|getting|we'?re) stuck\b|"
        r"\b(?:too|seems|might be|may be) (?:complicated|complex|messy|vague|involved)\b",
    ),
    "subgoal setting": (
        # A numbered, bold, # or "Step 3:" heading that names a task
        rf"(?m:^[ \t]*(?:[#*]|\d{{1,3}}[.)]|step \d)(?:[#* .:]|\d{{1,3}}[.):]?|step \d){{0,12}}{_TASK}\w*)",
        r"(?m:^[ \t]*[#* ]{0,8}(?:step )?\d{1,3}[.:)][^\n]{0,50}"
        r"\b(?:analysis|calculation|simplification|substitution|factorization|computation)\b)",
        rf"\b(?:i|we)(?:'ll)?(?: first| also| then| now| just| still)? (?:need|have|want|aim|must|wish)"
        rf"(?: first)? ?(?:to)?(?: first)? {_TASK}\w*",
        rf"\b(?:let'?s|let us|let me)(?: first| now| next| then| also| try to)? {_SEEK}\b(?! (?:this|that|it)\b)",
        r"\b(?:let'?s|let us|let me|we|i|i'll|we'll|can|first|to)(?: can| will)? (?:start|begin) (?:by|with)\b",
        r"\bbr(?:eak|oken|eaking) (?:\w+ ){0,3}down\b|\bdivided? into (?:\w+ )?(?:steps|parts|cases|stages)\b",
        rf"\bto (?:find|get|calculate|compute|obtain|derive|rationalize|simplify|eliminate)\b[^.\n]{{1,80}}, "
        rf"(?:i|we|{_OWN})\b",
        rf"\b(?:use|using|set|apply|applying|we will|we'll|i'll)\b[^.\n]{{2,80}}\bto {_SEEK}\b",
        r"\b(?:my|our|the) (?:next |first |main |immediate )?(?:goal|aim|plan|task|step|objective)"
        r"(?: here| now)? (?:is|will be)\b",
        r"\bwe (?:need|want|have) to (?:show|prove)\b",
        r"\bwe (?:will|are going to|shall) (?:first )?(?:eliminate|show|prove|use|find|break|determine|count)\b",
    ),
    "backward chaining": (
        r"\bfor\b[^.;:\n]{3,90}\bto (?:be|have|hold|exist|equal|satisfy|intersect|get|occur|happen|"
        r"reach|work|form|divide)\b"
        r"[^.;\n]{0,120}?\b(?:must|needs?|has to|have to|requires?|should)\b",
        r"\bin order (?:for|to)\b[^.\n]{2,90}\b(?:must|needs?|has to|have to|requires?|should)\b",
        r"\bto (?:be|have|balance|reach|achieve|satisfy|make|ensure|form|end up with)\b[^.\n]{2,60}, [^.\n]{0,60}"
        r"\b(?:must|has to|would need|would have to)\b",
        r"\b(?:would|will) (?:need to be|have to be|require|need)\b",
        r"\b(?:goal|aim|objective) is to\b[^.\n]{2,90}\bso (?:i|we) need\b",
        r"\b(?:since|as|because) (?:we|i)(?:'re| are)? (?:want|looking for|need)\b"
        r"[^.\n]{2,70}, [^.\n]{0,30}\b(?:needs?|must|should)\b",
        r"\bwork(?:ing|ed)? backwards?\b|\bit (?:suffices|is enough|is sufficient|remains) to\b",
        r"\b(?:requires|requiring) (?:that|knowing|us to)\b|\bif (?:we|i) want\b[^.\n]{2,80}\b(?:need|must)",
    ),
    "exploration of alternatives": (
        r"\balternatively\b|\balternative (?:approach|method|way|strategy|interpretation|solution)",
        r"\b(?:another|different|other|better|simpler|easier|quicker|smarter|faster) (?:way|approach|method|strategy|"
        r"idea|"
        r"route|tack|angle|interpretation|possibility|possibilities|combination|option|perspective)s?\b",
        r"\bmore (?:efficient|general|direct|elegant|straightforward) (?:way|approach|method)",
        r"\b(?:maybe|perhaps),? (?:i|we|consider|try|there|it|using|think|"
        r"the (?:problem|question|initial|formula|answer)|"
        r"instead|a different)\b",
        r"\b(?:let'?s|let us|let me|i'll|we'll|i can|we can|i could|we could)(?: now| also| just| next)? "
        r"(?:try|test|assume|"
        r"suppose|explore|experiment)\b",
        r"(?m:^[*# ]{0,8}(?:\d{1,3}[.)])?[*# ]{0,8}(?:testing|trying)\b)",
        r"\b(?:what if|how about|or maybe|or perhaps|could it be)\b",
        r"\bthink(?:ing)? (?:differently|about (?:it|this) (?:differently|"
        r"in terms of|in another))",
        r"\bcan also (?:think|use|consider|solve|approach|write)\b|\binstead,? (?:i|we|let)\b",
    ),
    "hedging": (
        r"\b(?:maybe|perhaps|probably|presumably|possibly|seemingly)\b",
        r"\b(?:i|we) (?:think|believe|guess|suppose|wonder|suspect|feel)\b",
        r"\b(?:not|un)(?: (?:entirely|really|quite|completely|too|so|exactly|100%|totally))?"
        r" ?(?:sure|certain)\b|\bnot clear\b",
        r"\b(?:seems?|seemed|appears? to|might)\b",
        r"\b(?:confus(?:ed|ing)|not mistaken|if i (?:recall|remember)|i'?m assuming|i'?m missing|could be that)\b",
    ),
}
BEHAVIOURS = tuple(RULES)
_AS_LONG = str.maketrans({"’": "'", "İ": "I"})  # so that the text in small letters is as long, and places hold
_PATTERNS = {name: re.compile("|".join(f"(?:{rule})" for rule in rules)) for name, rules in RULES.items()}


class Span(NamedTuple):
    """A place in a text where a rule matched: characters `start` to `end`, end excluded."""

    start: int
    end: int
    behaviour: str


def behaviour_spans(text: str) -> list[Span]:
    """Where the rules match a text, by place; spans of different behaviours may overlap, those of one do not."""
    plain = text.translate(_AS_LONG).lower()
    spans = [Span(m.start(), m.end(), name) for name, pattern in _PATTERNS.items() for m in pattern.finditer(plain)]
    return sorted(spans)


def behaviour_rates(text: str, length: int) -> dict[str, float]:
    """Matches of each behaviour for each 1,000 of `length`, the text's tokens or words, as the caller says.

    An empty text has none of any. Raises BadInput for a text with a length below 1.
    """
    if text and length < 1:
        raise BadInput(
            f"behaviours of {len(text)} characters over a length of {length}; give tokens or words, at least 1"
        )
    counts = dict.fromkeys(BEHAVIOURS, 0)
    for span in behaviour_spans(text):
        counts[span.behaviour] += 1
    return {name: 1000 * count / max(length, 1) for name, count in counts.items()}
