"""Report text without identities: first what the study's own headers name, then what looks like an identity.

In Chinese and English. What is found is replaced by a word in brackets; dates move by the patient's days, so that
"compared with 3 March" still says how long ago that was. Names that neither the headers hold nor a word such as
"Dr." or 医师 announces are not found: nothing tells 王芳 from any other two characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

Day: TypeAlias = tuple[int, int, int]  # year, month, day

NAME, ID, PHONE, PLACE, DATE, TIME = "[NAME]", "[ID]", "[PHONE]", "[PLACE]", "[DATE]", "[TIME]"
OLDEST: Final = 89
_SHORTEST_ID: Final = 4

# Full-width forms count as the usual ones; each is one character, so that places in the text stay.
_HALF_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    0x2013: 0x2D,
    0x2014: 0x2D,
}
_HAN: Final = "[\u3400-\u9fff]"
_GAP: Final = r"[\s\u200b-\u200d\u00ad\ufeff^=,.·•\-_]{0,3}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the headers of a study say about the people in it.

    Args:
        names: As the headers write them: ``ZHANG^SAN=张^三``.
        ids: Numbers and codes: patient, accession, phone, address, institution.
    """

    names: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()

    def __or__(self, other: Known) -> Known:
        return Known(self.names | other.names, self.ids | other.ids)


def clean_report(text: str, known: Known, move: Callable[[Day], Day | None], year: int | None = None) -> str:
    """A report without identities.

    Args:
        text: As it was written.
        known: What the study's headers hold.
        move: A date to the patient's moved one; None when there is no such day.
        year: Of the study, for dates without one.

    >>> known = Known(frozenset({"ZHANG^SAN=张^三"}), frozenset({"CT0042"}))
    >>> clean_report("患者张 三，检查号CT0042，2020年3月5日。", known, lambda day: (2019, 1, 31))
    '患者[NAME]，检查号[ID]，2019年1月31日。'
    """
    for pattern, token in (*_known_patterns(known), *_PATTERNS):
        text = _replace(text, pattern, lambda _, token=token: token)
    text = _replace(text, _WHEN, lambda match: _moved(match, move, year))
    text = _replace(text, _TIME, lambda _: TIME)
    text = _replace(text, _AGE, lambda _: f"{OLDEST + 1}")
    return _replace(text, _NUMBER, lambda _: ID)


def left_over(text: str, known: Known) -> bool:
    """Whether a text still holds what the headers name, however it is spaced; for a last look."""
    squeezed = _squeeze(text)
    wholes = (_squeeze(name) for name in _whole_names(known.names))
    ids = (_squeeze(one) for one in known.ids)
    return any(len(one) >= _SHORTEST_ID and one in squeezed for one in (*wholes, *ids))


def _squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.translate(_HALF_WIDTH)).casefold()


def _replace(text: str, pattern: re.Pattern[str], make: Callable[[re.Match[str]], str]) -> str:
    """Replace in the text what the pattern finds in its half-width form: its group ``x``, or all of it."""
    group: str | int = "x" if "x" in pattern.groupindex else 0
    parts, end = [], 0
    for match in pattern.finditer(text.translate(_HALF_WIDTH)):
        parts += [text[end : match.start(group)], make(match)]
        end = match.end(group)
    return "".join(parts) + text[end:]


def _known_patterns(known: Known) -> Iterable[tuple[re.Pattern[str], str]]:
    wholes = sorted(_whole_names(known.names), key=len, reverse=True)
    yield from ((_spaced(one), NAME) for one in wholes)
    ids = sorted({one.strip() for one in known.ids}, key=len, reverse=True)
    yield from ((_spaced(one), ID) for one in ids if len(one) >= _SHORTEST_ID or re.search(_HAN + "{2}", one))
    parts = {part for name in known.names for part in re.split(r"[\^=\s,·]+", name)}
    latin = sorted((p for p in parts if len(p) >= 2 and p.isascii() and p.isalpha()), key=len, reverse=True)
    yield from ((re.compile(rf"(?<![A-Za-z]){re.escape(p)}(?![A-Za-z])", re.IGNORECASE), NAME) for p in latin)


def _whole_names(names: Iterable[str]) -> set[str]:
    """Each representation of a name as one text, family name first and last.

    >>> sorted(_whole_names(["ZHANG^SAN=张^三"]))
    ['SAN ZHANG', 'ZHANG SAN', '张三']
    """
    found: set[str] = set()
    for name in names:
        for group in name.translate(_HALF_WIDTH).split("="):
            parts = [part for part in re.split(r"[\^\s,·]+", group) if part]
            joint = "" if re.search(_HAN, group) else " "
            found |= {joint.join(parts), *([joint.join([*parts[1:], parts[0]])] if joint else [])}
    return {one for one in found if len(one) >= (2 if re.search(_HAN, one) else 3)}


def _spaced(text: str) -> re.Pattern[str]:
    """The text with any small gap between its characters, not inside a longer word or number."""
    signs = [re.escape(sign) for sign in text.translate(_HALF_WIDTH) if not re.match(r"[\s^=,.·\-_]", sign)]
    before = "(?<![A-Za-z0-9])" if signs and text[0].isascii() else ""
    after = "(?![A-Za-z0-9])" if signs and text[-1].isascii() else ""
    return re.compile(before + _GAP.join(signs or ["(?!)"]) + after, re.IGNORECASE)


_END: Final = r"(?=[\s,;。:)\]、/]|$)"
_ROLE: Final = (
    "(?:报告|审核|诊断|检查|书写|记录|申请|主治|住院|值班|会诊|经治|送检|登记|操作|主管|开单)?"
    "(?:医师|医生|技师|护士|签名|签字|者|人)"
)
_LABEL_ID: Final = (
    "(?:住院|门诊|病历|病案|影像|检查|登记|申请单|卡|床|床位|流水|就诊|医保|身份证|患者|病人|放射|CT|X线|条码)(?:编)?(?:号码|号|ID)"
    r"|\b(?:MRN|PID|patient\s*(?:id|no\.?|number)|accession(?:\s*(?:no\.?|number|\#))?|medical\s*record(?:\s*(?:no\.?|number))?"
    r"|hospital\s*(?:no\.?|number)|case\s*(?:no\.?|number)|ID(?:\s*(?:no\.?|number))?|SSN|NHS(?:\s*(?:no\.?|number))?)"
)
_SURNAME: Final = (
    "(?:欧阳|上官|司马|诸葛|[赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜谢邹喻柏窦章苏潘葛范彭鲁韦马苗方俞任袁柳鲍史唐"
    "费廉岑薛雷贺倪汤滕罗毕郝安常于傅齐康伍余顾孟黄穆萧尹姚邵汪毛戴谈宋庞熊纪舒项祝董梁杜阮蓝闵季贾江童郭梅盛林钟徐邱骆高夏蔡田樊胡凌霍万柯管卢莫"
    "丁邓洪包石崔吉龚程邢陆翁段侯武刘叶白龙蒲曾关游肖涂阎易廖谭])"
)
_CAPITAL: Final = r"[A-Z][A-Za-z'\-]+"

# In this order; the group x is what goes, else everything.
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|www\.\S+"), ID),
    (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)|(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"), ID),
    (re.compile(r"(?<!\d)(?:\+?86[\s-]?)?1[3-9]\d(?:[\s-]?\d{4}){2}(?!\d)"), PHONE),
    (re.compile(r"(?<![\d.])(?:\(?0\d{2,3}\)?[\s-]?)\d{7,8}(?:-\d{1,5})?(?!\d)"), PHONE),
    (re.compile(r"(?<![\d.])\+\d{1,3}[\s-]?(?:\(?\d{1,4}\)?[\s-]?){2,4}\d{2,4}(?!\d)"), PHONE),
    (re.compile(r"(?<![\d.])(?:\(\d{3}\)\s?|\d{3}[-.\s])\d{3}[-.]\d{4}(?!\d)"), PHONE),
    (
        re.compile(
            r"(?:电话|手机|联系方式|\b(?:tel|phone|mobile|fax)\b\.?)(?:号码|号)?\s*[::]?\s*(?P<x>\+?[\d][\d\s()-]{5,18}\d)",
            re.IGNORECASE,
        ),
        PHONE,
    ),
    (re.compile(rf"(?:{_LABEL_ID})\s*[:#为]?\s*(?P<x>[A-Za-z]{{0,6}}[-_]?\d[\w\-/]*)", re.IGNORECASE), ID),
    (
        re.compile(
            r"(?:住址|地址|家庭住址|工作单位|单位|籍贯|户籍|\baddress\b)\s*[::]\s*(?P<x>[^\n;。]{2,60})", re.IGNORECASE
        ),
        PLACE,
    ),
    (
        re.compile(
            r"[\u3400-\u9fff]{2,6}(?:省|自治区|市)[\u3400-\u9fff]{1,8}(?:区|县|镇|路|街|道|村)"
            r"(?:[\u3400-\u9fff\d]{0,12}?(?:号|室|弄|栋|单元|楼))*"
        ),
        PLACE,
    ),
    (
        re.compile(
            r"(?<![\w])\d{1,5}\s(?:[A-Z][a-z]+\s){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Blvd)\b\.?"
        ),
        PLACE,
    ),
    (
        re.compile(
            r"(?:(?!转|于|在|我院|外院|来院|本院|由|到|经|从|见|与|当地|该|本|我|外)[\u3400-\u9fff]){2,14}?"
            r"(?:医院|卫生院|卫生所|医学院|诊所|医学中心)"
        ),
        PLACE,
    ),
    (re.compile(rf"\b(?:{_CAPITAL}\s){{1,4}}(?:Hospital|Clinic|Medical\s(?:Center|Centre)|Infirmary)\b"), PLACE),
    (
        re.compile(
            rf"(?:患者姓名|病人姓名|姓\s*名|名\s*字|联系人|家属)\s*[::]?\s*(?P<x>{_HAN}{{1,4}}(?:\s?·\s?{_HAN}{{1,6}})?){_END}"
        ),
        NAME,
    ),
    (
        re.compile(rf"{_ROLE}\s*[::]\s*(?P<x>{_HAN}{{1,4}}(?:\s{{0,2}}{_HAN}){{0,2}}(?:[/、]\s?{_HAN}{{2,4}})*){_END}"),
        NAME,
    ),
    (re.compile(rf"{_ROLE}\s*[::]\s*(?P<x>{_CAPITAL}(?:[\s^]{_CAPITAL}){{0,2}})"), NAME),
    (
        re.compile(
            rf"(?P<x>{_SURNAME}(?:某某?|{_HAN}{{0,2}}?))(?=(?:副)?(?:主任|医生|医师|教授|先生|女士|小姐|护士|技师|大夫))"
        ),
        NAME,
    ),
    (re.compile(rf"{_SURNAME}(?:某某?|[xX×*]{{1,2}})"), NAME),
    (
        re.compile(
            rf"\b(?:Drs?|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor|Nurse)\b\.?\s+(?P<x>(?:[A-Z]\.\s?)?{_CAPITAL}(?:\s{_CAPITAL}){{0,2}})"
        ),
        NAME,
    ),
    (
        re.compile(
            r"\b(?i:patient(?:'s)?\s+name|name|radiologist|physician|(?:dictated|reported|signed|verified|read|interpreted|approved"
            r"|reviewed|referred|electronically\s+signed)\s+by|attending|resident|referring\s+(?:doctor|physician))"
            rf"\s*[::]?\s+(?P<x>{_CAPITAL}(?:(?:,\s?|\s|\^){_CAPITAL}|\s[A-Z]\.){{0,3}})"
        ),
        NAME,
    ),
    (re.compile(rf"(?P<x>{_CAPITAL}(?:\s[A-Z]\.)?\s{_CAPITAL})(?=,?\s(?:MD|M\.D\.|MBBS|FRCR|DO)\b)"), NAME),
)

_YEAR: Final = r"(?P<year>(?:19|20)\d{2})"
_MONTH: Final = r"(?P<month>1[0-2]|0?[1-9])"
_DAY: Final = r"(?P<day>3[01]|[12]\d|0?[1-9])"
_TWO: Final = r"(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORD: Final = rf"(?P<word>(?:{'|'.join(_NAMES)})[a-z]*)\.?"


def _once(*options: str) -> re.Pattern[str]:
    """One of several expressions; their groups are numbered apart, for a name may stand only once."""
    numbered = (re.sub(r"\(\?P<(\w+)>", rf"(?P<\g<1>_{i}>", option) for i, option in enumerate(options))
    return re.compile("|".join(f"(?:{option})" for option in numbered), re.IGNORECASE)


_WHEN: Final = _once(
    rf"{_YEAR}\s?年\s?{_MONTH}\s?月\s?{_DAY}\s?[日号]",
    rf"(?<![\d.]){_YEAR}(?:[-/.]){_MONTH}[-/.]{_DAY}(?!\d)",
    rf"(?<!\d){_YEAR}{_TWO}(?!\d)",
    rf"(?<!\w){_DAY}(?:st|nd|rd|th)?[\s-](?:of\s)?{_WORD},?[\s-]{_YEAR}",
    rf"(?<!\w){_WORD}\s{_DAY}(?:st|nd|rd|th)?,?\s{_YEAR}",
    # Without a year: that of the study.
    rf"(?<!\d){_MONTH}\s?月\s?{_DAY}\s?[日号]",
    rf"(?<!\w){_DAY}(?:st|nd|rd|th)?\s(?:of\s)?{_WORD}(?!\w)",
    rf"(?<!\w){_WORD}\s{_DAY}(?:st|nd|rd|th)?(?![\w.])",
    # Which part is the day is not known, or there is none: these go.
    r"(?<![\d./])\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)?\d{2}(?![\d./])",
    r"(?:19|20)\d{2}\s?年(?:\s?\d{1,2}\s?月(?:份)?)?",
    rf"\b(?:{'|'.join(_NAMES)})[a-z]*\.?\s(?:19|20)\d{{2}}\b",
)
_TIME: Final = re.compile(
    r"(?<![\d.:])(?:[01]?\d|2[0-3])[:][0-5]\d(?:[:][0-5]\d)?(?![\d:])(?:\s?[ap]\.?m\b\.?)?"
    r"|(?<!\d)(?:[01]?\d|2[0-3])[时点](?:[0-5]?\d分)?"
    r"|(?<=[\d\]])[ T](?:[01]\d|2[0-3])[0-5]\d(?:hrs?|h)\b",
    re.IGNORECASE,
)
_AGE: Final = re.compile(
    r"(?<![\d.])(?P<x>9\d|1[0-3]\d)(?=\s?(?:岁|周岁|[\s-]?y(?:ears?)?[\s/-]?o(?:ld)?\b|[\s-]years?[\s-]old|\s?yrs?\b|Y\b))",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"(?<![\d.])(?:[A-Za-z]{1,6}[-_]?)?\d{5,}(?:[-_/]?[\dA-Za-z]+)*(?!\.\d)")


def _moved(match: re.Match[str], move: Callable[[Day], Day | None], year: int | None) -> str:
    """The date, moved, in the form that it was written in."""
    parts = {name.rpartition("_")[0]: name for name, value in match.groupdict().items() if value is not None}
    day = _read(match, parts, year)
    moved = move(day) if day else None
    if moved is None:
        return DATE
    new = dict(zip(("year", "month", "day"), moved, strict=True))
    text = match.group()
    for name, group in sorted(parts.items(), key=lambda item: match.start(item[1]), reverse=True):
        start, end = (place - match.start() for place in match.span(group))
        text = text[:start] + _write(name, new, match[group]) + text[end:]
    # A date that had no year tells it once it is in another one.
    return text if "year" in parts or moved[0] == year else DATE


def _read(match: re.Match[str], parts: dict[str, str], year: int | None) -> Day | None:
    number = int(match[parts["year"]]) if "year" in parts else year
    if number is None or "day" not in parts:
        return None
    month = _NAMES.index(match[parts["word"]][:3].lower()) + 1 if "word" in parts else int(match[parts["month"]])
    return number, month, int(match[parts["day"]])


def _write(name: str, new: dict[str, int], old: str) -> str:
    if name == "word":
        return _NAMES[new["month"] - 1].capitalize()
    return f"{new[name]:0{2 if old.startswith('0') or (len(old) == 2 and new[name] < 10) else 1}d}"
