"""Which words, kernels and codes say what a series is: a table that a radiologist can read and correct.

A text is compared in lower case, full-width characters folded, ``_ - / ^`` taken as spaces. English words match
as whole words, Chinese ones anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """Words that mean one thing.

    Args:
        english: Whole words or phrases in lower case; ``*`` stands for any letters.
        chinese: Found anywhere in the text.
    """

    english: tuple[str, ...]
    chinese: tuple[str, ...] = ()

    def found(self, text: str) -> str:
        """The first of the words in a text that ``plain`` has prepared; empty if there is none."""
        match = _pattern(self).search(text)
        return match.group().strip() if match else ""

    def without(self, text: str) -> str:
        """The text with these words taken out."""
        return _pattern(self).sub(" ", text)


@lru_cache(maxsize=64)
def _pattern(words: Words) -> re.Pattern[str]:
    english = "|".join(re.escape(word).replace(r"\*", "[a-z]*") for word in words.english)
    parts = [rf"(?<![a-z0-9])(?:{english})(?![a-z0-9])"] if english else []
    return re.compile("|".join([*parts, *map(re.escape, words.chinese)]))


def plain(text: str | None) -> str:
    """A text ready for comparison.

    >>> plain("Head_W/O  Ｃ－")
    'head w o c-'
    """
    folded = unicodedata.normalize("NFKC", text or "").lower()
    folded = re.sub(r"(?<![a-z])c\s?-(?![a-z0-9])", " c- ", folded)
    kept = re.sub(r"(?<!c)-|[_/^,;:()\[\]|.]", " ", folded)
    return " ".join(kept.split())


LOCALIZER: Final = Words(
    (
        "localizer*",
        "localiser*",
        "scout*",
        "topo",
        "topogram*",
        "surview*",
        "scanogram*",
        "scano",
        "pilot",
        "ref surview",
    ),
    ("定位",),
)
DOSE_SHEET: Final = Words(
    ("dose*", "dosimetry", "patient protocol", "patientenprotokoll", "exam summary", "patient info", "exam protocol"),
    ("剂量",),
)
PERFUSION: Final = Words(
    (
        *("perfusion", "ctp", "vpct", "*pct", "cbf", "cbv", "mtt", "ttp", "tmax", "dynamic", "cine"),
        *("bolus*", "testbolus*", "premonitoring", "monitoring", "smartprep", "smart prep", "surestart", "sure start"),
        *("tracker", "locator"),
    ),
    ("灌注", "团注", "监测", "追踪", "小剂量测试"),
)
# Taken out before contrast words are looked for.
PLAIN_SCAN: Final = Words(
    (
        *("without contrast", "w o contrast", "wo contrast", "no contrast", "non contrast", "noncontrast", "c-"),
        *("non enhanced", "unenhanced", "nonenhanced", "w o iv contrast", "without iv contrast", "w o", "wo", "ncct"),
        *("nect", "plain", "native", "nativ", "without", "precontrast", "pre contrast", "nonce", "non ce", "non con"),
        *("ohne km", "ohne kontrastmittel", "sans injection", "sans contraste", "sin contraste", "senza mdc"),
    ),
    (
        *("平扫", "非增强", "未增强", "无增强", "不增强", "单纯", "単純"),
        *("cta前", "增强前", "造影前", "灌注前"),
        *("血管病", "血管意外"),  # a disease, not an angiography
    ),
)
CONTRAST: Final = Words(
    (
        *("cta", "ctv", "*angio*", "venogra*", "contrast", "c+", "+c", "enhanced", "enhancement", "post contrast"),
        *("postcontrast", "with contrast", "w contrast", "ce", "cect", "art", "arterial", "venous", "delayed"),
        *("post gd", "iv contrast", "with iv", "post iv", "post inj*", "circle of willis", "cow"),
        *("km", "kontrastmittel", "con contraste", "avec injection", "contraste", "mdc"),
    ),
    ("增强", "强化", "血管", "造影", "动脉期", "静脉期", "延迟期", "注药", "注射后", "减影"),
)
BONE: Final = Words(
    ("bone*", "osseous", "bony", "petrous", "sharp", "edge", "ultra high", "knochen*", "osso"),
    ("骨窗", "骨算法", "骨重建", "骨像", "骨质", " 骨"),  # 颅骨, the skull, is no bone window; a 骨 by itself is
)
HEAD: Final = Words(
    (
        *("head*", "brain*", "skull", "cranial", "cranium", "cerebral", "cerebrum", "neuro*", "stroke", "nchct"),
        *("kopf", "schädel", "schaedel", "cerveau", "crane", "craneo", "cranio"),
    ),
    ("头", "颅", "脑", "頭"),
)
NOT_HEAD: Final = Words(
    (
        *("neck", "c spine", "cspine", "t spine", "l spine", "cervical", "spine", "tspine", "lspine", "lumbar"),
        *("chest", "thorax", "lung*", "abdomen", "abdominal", "abd", "pelvis", "pelvic", "cardiac", "heart", "aorta"),
        *("sinus*", "orbit*", "facial", "face", "maxillofacial", "dental", "mandible", "maxilla", "temporal bone*"),
        *("temporal bones", "iac", "iacs", "carotid*", "headneck", "knee", "hip", "shoulder", "wrist", "ankle", "foot"),
        *("extremity", "larynx", "thyroid", "wholebody", "whole body", "liver", "kidney*", "leg*", "arm*"),
        *("maxillo*", "inner ear", "pituitary", "sella", "csp", "nnh", "hals", "hws", "bws", "lws"),
    ),
    (
        *("颈", "胸", "腹", "盆", "脊柱", "脊椎", "腰", "椎", "眼眶", "鼻窦", "副鼻窦", "颌面", "下颌", "上颌", "乳突"),
        *(
            "内耳",
            "中耳",
            "颞骨",
            "鼻咽",
            "垂体",
            "寰枢",
            "口腔",
            "喉",
            "甲状腺",
            "肺",
            "肝",
            "肾",
            "心脏",
            "冠脉",
            "膝",
            "髋",
            "肩",
            "踝",
        ),
    ),
)
RENDERED: Final = Words(
    ("mip", "minip", "vr", "vrt", "3d", "volume rendering", "ssd", "curved"), ("重组", "三维", "曲面")
)
REFORMATTED: Final = Words(("mpr", "reformat*"))

# Convolution kernels that are made for bone or lung, by vendor habit.
_SHARP: Final = (
    r"[bhju]r?[6-9]\d[a-z]?\d?",  # Siemens B60f, H60s, H70h, Hr60h, J70h, U75u; 55-59 below
    r"[bhju]r?5[5-9][a-z]?\d?",
    r"bone.*",
    r"edge.*",
    r"lung.*",
    r"ultra.*",
    r"sharp.*",
    r".*_?sharp.*",
    r"f[6-9]\d",  # Neusoft
    r"y[a-e]",  # Philips
    r"[del]",
    r"fc(3\d|5\d|8\d)",  # Canon, Toshiba
    r"hd ?bone.*",
)
_SOFT: Final = (
    r"[bdhjqu][rv]?[1-4]\d[a-z]?\d?",
    r"f[1-4]\d",
    r"std\+?",
    r"stand.*",
    r"soft.*",
    r".*_?soft.*",
    r"u[a-c]",
    r"[abc]",
    r"fc(0\d|1\d|2\d|6\d)",
    r"brain.*",
    r"h[a-z]*_?std.*",
    r"smooth.*",
)
_HEAD_KERNEL: Final = (r"[hj]r?\d\d[a-z]?\d?", r"u[a-c]", r"fc2\d", r"brain.*", r"h_.*")


def kernel_class(kernel: str | None) -> str:
    """What a convolution kernel is made for: ``sharp``, ``soft`` or empty when not known.

    >>> [kernel_class(name) for name in ("H70h", "H31s", "BONEPLUS", "STD+", "YA", "UB", "FC30", "FC26", "?")]
    ['sharp', 'soft', 'sharp', 'soft', 'sharp', 'soft', 'sharp', 'soft', '']
    """
    name = _first(kernel)
    if any(re.fullmatch(pattern, name) for pattern in _SHARP):
        return "sharp"
    return "soft" if any(re.fullmatch(pattern, name) for pattern in _SOFT) else ""


def is_head_kernel(kernel: str | None) -> bool:
    """Whether a kernel is one that vendors offer for the head only."""
    return any(re.fullmatch(pattern, _first(kernel)) for pattern in _HEAD_KERNEL)


def _first(kernel: str | None) -> str:
    return (kernel or "").split("\\")[0].strip().lower()


NO_CONTRAST_AGENT: Final = frozenset(
    ("", "no", "none", "n", "0", "no contrast", "without", "无", "否", "非增强", "平扫")
)
