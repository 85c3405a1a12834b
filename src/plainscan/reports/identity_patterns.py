"""What identities look like in reports, in Chinese and English: addresses of all kinds, numbers, names after a role."""

from __future__ import annotations

import re
from typing import Final

NAME, ID, PHONE, PLACE, TIME = "[NAME]", "[ID]", "[PHONE]", "[PLACE]", "[TIME]"
HAN: Final = "[\u3400-\u9fff]"
OLDEST: Final = 89  # years; above, an age may tell who it is (45 CFR 164.514(b)(2)(i)(C))

_END: Final = r"(?=[\s,;。:)\]、/]|$)"
_DOES: Final = "(?:报告|审核|诊断|检查|书写|记录|申请|主治|住院|值班|会诊|经治|送检|登记|操作|主管|开单)"
_KIN_DO: Final = "(?:要求|代诉|诉|否认|拒绝|陈述|告知|同意|知情|陪同|注意|观察|签字|表示)"
_ROLE: Final = f"(?:{_DOES}?(?:医师|医生|技师|护士|签名|签字|者|人)|审核|书写|签发)"
_SIGNED: Final = f"(?:{_DOES}?(?:医师|医生|技师|护士|签名|签字)|{_DOES}(?:者|人)|审核|书写|签发)"
_CHINESE_NAME: Final = (
    f"(?:{HAN}{{1,6}}(?:·{HAN}{{1,6}}){{1,3}}|(?:欧阳|上官|司马|诸葛)\\s{{0,2}}{HAN}{{1,2}}"
    f"|{HAN}{{2,4}}|{HAN}\\s{{1,2}}{HAN}{{1,2}})"
)
_LABEL_ID: Final = (
    "(?:住院|门诊|病历|病案|影像|检查|登记|申请单|胶片|片|工|员工|护照|社保|保险|QQ|MRI?|卡|床|床位|流水|就诊|医保|身份证|患者|病人|放射|CT|X线|条码)(?:编)?(?:号码|号|ID)"
    r"|\b(?:MRN|PID|patient\s*(?:id|no\.?|number)|accession(?:\s*(?:no\.?|number|\#))?|medical\s*record(?:\s*(?:no\.?|number))?"
    r"|hospital\s*(?:no\.?|number)|case\s*(?:no\.?|number)|ID(?:\s*(?:no\.?|number))?|SSN|NHS(?:\s*(?:no\.?|number))?)"
)
_SURNAME: Final = (
    "(?:欧阳|上官|司马|诸葛|[赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜谢邹喻柏窦章苏潘葛范彭鲁韦马苗方俞任袁柳鲍史唐"
    "费廉岑薛雷贺倪汤滕罗毕郝安常于傅齐康伍余顾孟黄穆萧尹姚邵汪毛戴谈宋庞熊纪舒项祝董梁杜阮蓝闵季贾江童郭梅盛林钟徐邱骆高夏蔡田樊胡凌霍万柯管卢莫"
    "丁邓洪包石崔吉龚程邢陆翁段侯武刘叶白龙蒲曾关游肖涂阎易廖谭])"
)
_HOUSE: Final = r"(?:Hospital|HOSPITAL|Clinic|CLINIC|Medical\s(?:Center|Centre)|Infirmary)"
_BIG: Final = "[A-Z\u00c0-\u00d6\u00d8-\u00de]"
# In text that is all capitals a name ends before a word such as AT or NO.
_NO_NAME: Final = "(?:NO|NOT|AT|ON|AND|THE|WITH|OF|IS|WAS|HAS|HAD|SAW|BY|IN|FOR|VIA|TO|WHO|FROM|RE|BUT|AS|OR|IF)"
_CAPITAL: Final = rf"(?!{_NO_NAME}\b){_BIG}[A-Za-z\u00c0-\u024f'\-]+"
_PERSON: Final = (
    rf"(?:[A-Z]\.\s?|[A-Z]\s)?(?:(?:van|von|der|den|de|da|di|del|la|le|el|al|bin|ter|ten|zu|zur)\s){{0,3}}{_CAPITAL}"
)

# In this order; the group x is what goes, else everything.
PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|www\.\S+"), ID),
    (re.compile(r"(?<![\d.])\d+(?:\.\d+){3,}(?!\d)"), ID),
    (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)|(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"), ID),
    (
        re.compile(
            r"(?<!\d)(?:\+?86[\s-]?)?1[3-9]\d(?:(?:[\s.-]?\d{4}){2}|\d[\s.-]\d{3}[\s.-]\d{4}|(?:[\s.-]\d{2}){4})(?!\d)"
        ),
        PHONE,
    ),
    (re.compile(r"(?<![\d.])(?:\(?0\d{2,3}\)?[\s-]?)\d{7,8}(?:-\d{1,5})?(?!\d)"), PHONE),
    (re.compile(r"(?<![\d.])\+\d{1,3}[\s-]?(?:\(?\d{1,4}\)?[\s-]?){2,4}\d{2,4}(?!\d)"), PHONE),
    (re.compile(r"(?<![\d.])(?:\(\d{3}\)\s?|\d{3}[-.\s])\d{3}[-.\s]\d{4}(?!\d)"), PHONE),
    (re.compile(r"(?<![\d.])0\d{2,4}[\s/-]\d{3,4}[\s-]?\d{3,5}(?!\d)"), PHONE),
    (
        re.compile(
            r"(?:电话|手机|联系方式|\b(?:tel|phone|mobile|fax)\b\.?)(?:号码|号)?\s*[::]?\s*(?P<x>\+?[\d][\d\s()-]{5,18}\d)",
            re.IGNORECASE,
        ),
        PHONE,
    ),
    (re.compile(rf"(?:{_LABEL_ID})\s*[:#为]?\s*(?P<x>[A-Za-z]{{0,6}}[-_]?\d[\w\-/]*)", re.IGNORECASE), ID),
    (re.compile(r"(?<!\d)\d{1,4}[A-Z]?(?=\s?床)", re.IGNORECASE), ID),
    (re.compile(r"\b(?:bed|room)\s(?P<x>\d\w*)", re.IGNORECASE), ID),
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
    (re.compile(rf"\b(?:{_CAPITAL}\s){{1,4}}{_HOUSE}\b"), PLACE),
    (
        re.compile(
            rf"(?:患者姓名|病人姓名|姓\s*名|名\s*字|联系人|家属(?!{_KIN_DO}))\s*[::]?\s*(?P<x>{HAN}{{1,4}}(?:\s?·\s?{HAN}{{1,6}})?){_END}"
        ),
        NAME,
    ),
    (
        re.compile(rf"{_ROLE}\s*[::]\s*(?P<x>{_CHINESE_NAME}(?:[/、]\s?{_CHINESE_NAME})*){_END}"),
        NAME,
    ),
    (re.compile(rf"{_SIGNED}\s+(?P<x>{_SURNAME}\s?{HAN}{{1,2}}){_END}"), NAME),
    (
        re.compile(
            rf"(?:(?<=患者)|(?<=病人)|(?<![^\s,;。:]))\s?(?P<x>{_SURNAME}{HAN}{{1,2}})(?=[\s,、]{{1,3}}[男女](?!{HAN})|[\s,、]*\d{{1,3}}\s?岁)"
        ),
        NAME,
    ),
    (re.compile(rf"{_ROLE}\s*[::]\s*(?P<x>{_CAPITAL}(?:[\s^]{_CAPITAL}){{0,2}})"), NAME),
    (
        re.compile(
            rf"(?<!主)(?P<x>{_SURNAME}(?:某某?|{HAN}{{0,2}}?))(?=(?:副)?(?:主任|医生|医师|教授|先生|女士|小姐|护士|技师|大夫))"
        ),
        NAME,
    ),
    (re.compile(rf"{_SURNAME}(?:某某?|[xX×*]{{1,2}})"), NAME),
    (
        re.compile(
            r"\b(?:(?:Drs?|DRS?|Mr|Mrs|MRS|Ms|Miss|MISS|Prof|PROF|Professor|Doctor|DOCTOR|Nurse|NURSE|med)\b\.?\s*)+"
            rf"(?P<x>{_PERSON}(?:\s{_CAPITAL}){{0,2}})"
        ),
        NAME,
    ),
    (
        re.compile(
            r"\b(?i:patient(?:'s)?\s+name|name|radiologist|physician|(?:dictated|reported|signed|verified|read|interpreted|approved"
            r"|reviewed|referred|electronically\s+signed)\s+by|attending|resident|referring\s+(?:doctor|physician))"
            rf"\s*[::]?\s+(?P<x>{_PERSON}(?:(?:,\s?|\s|\^){_CAPITAL}|\s[A-Z]\.){{0,3}})"
        ),
        NAME,
    ),
    (
        re.compile(
            r"\b(?i:signed|cc|copy\sto|referring|ordering|radiographer|technologist)\s*:\s*"
            rf"(?P<x>{_PERSON}(?:(?:,\s?|\s){_CAPITAL}|\s[A-Z]\.){{0,2}})"
        ),
        NAME,
    ),
    (re.compile(rf"(?P<x>{_CAPITAL}(?:\s[A-Z]\.)?,?\s{_CAPITAL})(?=,?\s(?:MD\b|M\.D\.|MBBS\b|FRCR\b|DO\b))"), NAME),
)

# Looked for last, so that a date or a phone is not half taken.
TIMES: Final = re.compile(
    r"(?<![\d.:])(?:[01]?\d|2[0-3])[:][0-5]\d(?:[:][0-5]\d)?(?![\d:])(?:\s?[ap]\.?m\b\.?)?"
    r"|(?<!\d)(?:[01]?\d|2[0-3])(?:[时点][0-5]?\d分|[时点]半|点钟|时(?!间|相))"
    r"|(?<=[\d\]])[ T](?:[01]\d|2[0-3])[0-5]\d(?:hrs?|h)\b",
    re.IGNORECASE,
)
AGES: Final = re.compile(
    r"(?<![\d.])(?P<x>9\d|1[0-3]\d|九十[一二三四五六七八九]?|一百[零〇一二三四五六七八九十]*)(?!\d)"
    r"(?=\s?(?:岁|周岁|[\s-]?y(?:ears?)?[\s/-]?o(?:ld)?\b|[\s-]years?[\s-]old|\s?yrs?\b|Y\b)"
    r"|(?-i:[FM])\b|(?<=\baged \d{2})|(?<=\baged \d{3}))",
    re.IGNORECASE,
)
NUMBERS: Final = re.compile(
    r"(?<![\d.])(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?!\d))(?:[A-Za-z]{1,6}[-_]?)?\d{5,}(?:[-_/]?[\dA-Za-z]+)*(?!\.\d)"
)
