"""People in a report: their names, and what happened to who is examined.

Neither says anything of the brain, and no list can hold their words: a name is known by the title before it or the
degree behind it; an accident by its verb, in a first sentence that begins with an age, a sex or a person.

>>> [name.group() for name in _NAMES.finditer("Seen by Dr A. Patel, signed Jane Q Smith MD.")]
['Seen by Dr A. Patel', 'Jane Q Smith MD']
>>> text = "82-year-old retired glassblower, fell off a llama, blob"
>>> [text[first:last] for first, last in circumstances(text)]
['retired glassblower', 'fell off a llama']
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = r"(?:[A-Z][A-Za-z'’-]*[a-z]|[A-Z]\b\.?)"  # a word in mixed case, or an initial
_TITLE: Final = "Dr|DR|Prof|Professor|Doctor|Mr|Mrs|Ms|Sister|Nurse"
_DEGREE: Final = (
    r"M\.D|D\.O|MD|DO|PhD|MBBS|MBChB|MBBCh|BMBS|FRCR|FFRRCSI|FRANZCR|FRACR|FRCPC|FRCPath|FRCP|MRCP|FRCS|MRCS|FAMS|"
    "MMed|DNB|DMRD|DMRE|DABR|FHKCR|FHKAM"
)
_OFFICE: Final = (
    "reported|read|reviewed|signed|verified|dictated|interpreted|approved|authori[sz]ed|seen|transcribed|finali[sz]ed|"
    "checked|requested|referred|prepared|validated|issued|typed|supervised"
)
_ROLE: Final = "radiologist|consultant|registrar|resident|physician|reader|radiographer|technologist|technician"
_SURNAME: Final = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严魏陶姜谢邹苏潘葛范彭鲁马方任袁柳史唐罗毕郝安"
    "常于傅康余顾孟黄萧尹姚邵汪毛戴宋庞熊纪项祝董梁杜阮蓝季贾江郭林钟徐邱骆高夏蔡田樊胡凌霍万柯"
    "卢莫房丁邓程崔洪龚陆段侯武刘龙叶黎乔覃曾梅"
)
_NAMES: Final = re.compile(
    rf"\b(?:{_TITLE})\.?(?:\s+{_NAME}){{1,3}}"
    rf"|\b(?:{_NAME}\s+){{0,3}}{_NAME},?\s+(?:{_DEGREE})\b"
    rf"|\b(?i:{_OFFICE})\s+(?i:by)[:\s]+(?:(?:{_TITLE})\.?\s+)?{_NAME}(?:\s+{_NAME}){{0,2}}"
    rf"|\b(?i:{_ROLE}):\s*{_NAME}(?:\s+{_NAME}){{0,3}}"
    rf"|[{_SURNAME}](?:某某?|[×○〇＊*]{{1,2}}|(?=医生|医师|主任|教授|护士|大夫|技师|醫師|醫生|护师))"
)
# How words for what is wrong with a body end: nobody is called so.
_MEDICAL: Final = re.compile(
    r"(?i)(?:cephal(?:y|ic|us|on)|gyria|plasia|plastic|trophy|pathy|oma|omas|omata|osis|itis|emia|aemia|ectasia|ectasis|lesion|"
    r"genesis|cele|cyst|stenosis|schisis|malacia|rrhage|infarct)\b"
)
_AGE: Final = r"\d{1,3}\s*-?\s*(?:years?|yrs?|y|months?|weeks?|days?)?(?:[\s/.-]*(?:old|o|m|f)\b)"
_PERSON: Final = (
    "patient|pt|child|infant|baby|neonate|newborn|toddler|teenager|adolescent|lady|gentleman|"
    "man|woman|boy|girl|male|female"
)
_INTRODUCES: Final = re.compile(
    rf"\s*(?:(?:an?|the|this)\s+)?(?:(?:[a-z]+\s+)?(?:{_PERSON})\b|{_AGE})|\s*(?:男|女|\d{{1,3}}(?:周?岁|个?月|天)|患|病人|病患|伤者)"
)
_VERB: Final = (
    "fell|fall|fallen|slipped|tripped|stumbled|thrown|ejected|jumped|pulled|rescued|found|struck|hit|kicked|knocked|"
    "crushed|trapped|bitten|dragged|pinned|collapsed|crashed|landed|rolled|dropped|bumped|punched|assaulted|attacked|beaten"
)
_PLACE: Final = "from|off|over|on|onto|in|into|beneath|under|underneath|by|against|at|near|behind|beside|down|through"
_HAPPENED: Final = re.compile(
    rf"\b(?:{_VERB})\s+(?:(?:{_PLACE})\s+){{1,2}}(?:(?:an?|the|his|her|their|some)\s+)?(?:[a-z'’]+\s+){{0,2}}[a-z'’]+"
    r"(?=\s*(?:,|$))"
    r"|\bretired\s+[a-z]+(?=\s*(?:,|$))"
    r"|(?:被|从|自|骑|驾|开|乘|坐|玩|洗|走|跑|爬|下楼|上楼|打球)[^,。:;、]{1,8}?"
    r"(?:撞|砸|打|踢|咬|摔|跌|滑|坠|碰|击|绊|压)(?:伤|倒|落|下|到|中)"
)


def persons(text: str) -> list[tuple[int, int]]:
    """The places of persons' names in a text as it was written, in capitals and small letters."""
    return [found.span() for found in _NAMES.finditer(text) if not medical(found[0])]


def medical(text: str) -> bool:
    """Whether a word ends as those for what is wrong with a body do."""
    return _MEDICAL.search(text) is not None


def circumstances(sentence: str) -> list[tuple[int, int]]:
    """Where a sentence that begins with who is examined says by what accident; lower case, half width, simplified."""
    if not _INTRODUCES.match(sentence):
        return []
    return [found.span() for found in _HAPPENED.finditer(sentence) if not medical(found[0])]
