"""Sentences of Chinese head CT reports."""

from __future__ import annotations

from typing import Final

from plainscan.phantom.report_words import Style, Words

_SIDES: Final = {"left": "左侧", "right": "右侧", "bilateral": "双侧", "midline": ""}
_SITES: Final = {
    "frontal": "额叶",
    "parietal": "顶叶",
    "temporal": "颞叶",
    "occipital": "枕叶",
    "insula": "岛叶",
    "basal_ganglia": "基底节区",
    "thalamus": "丘脑",
    "internal_capsule": "内囊",
    "corona_radiata": "放射冠区",
    "centrum_semiovale": "半卵圆中心",
    "cerebellum": "小脑半球",
    "brainstem": "脑干",
    "lateral_ventricle": "侧脑室",
    "third_ventricle": "第三脑室",
    "fourth_ventricle": "第四脑室",
    "ventricles": "脑室",
    "convexity": "大脑凸面",
    "falx": "大脑镰旁",
    "tentorium": "小脑幕旁",
    "sylvian_fissure": "外侧裂",
    "basal_cisterns": "基底池",
    "sulci": "脑沟",
    "brain": "全脑",
    "midline": "中线",
    "vertex": "顶部",
    "skull_base": "颅底",
    "posterior_fossa": "后颅窝",
    "corpus_callosum": "胼胝体",
    "interhemispheric_fissure": "纵裂池",
}


def _place(side: str, site: str) -> str:
    return _SIDES[side] + _SITES[site]


_DESCRIPTIONS: Final = {
    "epidural_hemorrhage": (
        "{place}颅板下见梭状致密影，边缘锐利，最大厚度约{size}，CT值约{hu}HU",
        "{place}局部硬膜外间隙见凸透镜样高密度血肿，厚约{size}",
    ),
    "subdural_hemorrhage": (
        "{place}颅骨内板下可见新月样高密度带，厚约{size}，邻近脑沟变浅",
        "{place}硬膜下间隙内见弧带状血肿影，最厚处{size}，CT值{hu}HU左右",
    ),
    "subdural_hemorrhage.subacute": ("{place}颅板下见弧带状近等密度影，厚约{size}，脑灰白质界面内移",),
    "subdural_hemorrhage.chronic": (
        "{place}颅板下见新月样低密度影，厚约{size}，CT值约{hu}HU",
        "{place}颅骨内板下方见弧形略低密度血肿，厚约{size}",
    ),
    "subarachnoid_hemorrhage": (
        "{place}区见线状、铸型样致密影沿蛛网膜下腔分布",
        "{place}内密度增高，呈条带状，CT值约{hu}HU",
    ),
    "intraparenchymal_hemorrhage": (
        "{place}见团块状高密度影，大小约{size}，CT值约{hu}HU，周边环绕低密度水肿",
        "{place}可见类圆形致密血肿，最大径{size}，周围水肿轻",
    ),
    "intraparenchymal_hemorrhage.subacute": ("{place}见密度欠均匀的血肿影，最大径{size}，边缘模糊，周围水肿明显",),
    "intraparenchymal_hemorrhage.chronic": ("{place}见血肿吸收期改变，范围约{size}，密度已近脑脊液",),
    "intraventricular_hemorrhage": (
        "{place}内见高密度血液沉积，可见液平",
        "{place}部分被高密度影占据，CT值{hu}HU",
    ),
    "early_infarct": (
        "{place}见大片状稍低密度区，灰白质分界不清，范围约{size}",
        "{place}脑实质密度略减低，局部脑沟变窄，范围约{size}",
    ),
    "late_infarct": (
        "{place}见片状脑脊液样低密度区，边界清晰，范围约{size}，邻近脑室牵拉",
        "{place}见楔形软化灶，约{size}，局部脑沟加宽",
    ),
    "mass": (
        "{place}见一类圆形肿块，大小约{size}，周围见指样水肿，邻近结构受推移",
        "{place}见不规则软组织密度结节，径约{size}，瘤周水肿明显",
    ),
    "atrophy": (
        "脑沟、脑池普遍增宽加深，脑回变细",
        "双侧大脑半球脑回缩窄，脑沟裂增宽，脑室轻度扩大",
    ),
    "hydrocephalus": (
        "双侧侧脑室及第三脑室明显扩张，第三脑室宽约{size}，额角周围见低密度晕",
        "幕上脑室系统呈球形扩大，三脑室横径{size}，室旁密度减低",
    ),
    "midline_shift": (
        "中线结构向对侧偏移约{size}",
        "透明隔及第三脑室偏离中线约{size}，中线结构移位",
    ),
    "skull_fracture": (
        "骨窗示{place}对应颅板见线样透亮影，断端对位尚可",
        "{place}相邻颅骨骨质连续性中断",
    ),
    "scalp_hematoma": (
        "{place}外侧头皮软组织局限性增厚，厚约{size}，密度增高",
        "{place}水平帽状腱膜下见梭形血肿，厚约{size}",
    ),
    "lacune": (
        "{place}见小圆形低密度灶，径约{size}，边缘锐利",
        "{place}见斑点状脑脊液样低密度影，直径{size}",
    ),
}

_CONCLUSIONS: Final = {
    "epidural_hemorrhage": ("{place}区硬膜外血肿", "{place}部急性硬膜外出血"),
    "subdural_hemorrhage": ("{place}急性硬膜下血肿", "{place}部硬膜下出血"),
    "subdural_hemorrhage.subacute": ("{place}亚急性硬膜下血肿",),
    "subdural_hemorrhage.chronic": ("{place}慢性硬膜下血肿", "{place}硬膜下陈旧血肿"),
    "subarachnoid_hemorrhage": ("{place}蛛网膜下腔出血", "蛛网膜下腔出血，以{place}为著"),
    "intraparenchymal_hemorrhage": ("{place}脑出血", "{place}急性期出血", "{place}脑内血肿形成"),
    "intraparenchymal_hemorrhage.subacute": ("{place}亚急性脑出血",),
    "intraparenchymal_hemorrhage.chronic": ("{place}脑出血（吸收期）", "{place}脑内血肿吸收期"),
    "intraventricular_hemorrhage": ("{place}内积血", "脑室内出血（{place}）"),
    "early_infarct": ("{place}急性脑梗死", "{place}新发脑梗塞", "{place}早期缺血性梗死"),
    "early_infarct.subacute": ("{place}亚急性期脑梗死",),
    "late_infarct": ("{place}陈旧性脑梗死伴软化", "{place}陈旧性梗塞灶"),
    "mass": ("{place}占位，伴周围水肿", "{place}肿瘤性病变", "{place}脑肿瘤并瘤周水肿"),
    "atrophy": ("脑萎缩", "老年脑，脑萎缩改变", "轻-中度脑萎缩"),
    "hydrocephalus": ("脑积水", "幕上脑积水", "梗阻性脑积水"),
    "midline_shift": ("中线结构移位", "中线偏移约{size}"),
    "skull_fracture": ("{place}区颅骨骨折", "{place}相邻颅骨线形骨折"),
    "scalp_hematoma": ("{place}区头皮血肿", "{place}部头皮下血肿"),
    "lacune": ("{place}陈旧性腔隙性脑梗死", "{place}腔隙灶", "{place}腔梗（陈旧）"),
}

_NEGATIVES: Final = {
    "epidural_hemorrhage subdural_hemorrhage subarachnoid_hemorrhage intraparenchymal_hemorrhage "
    "intraventricular_hemorrhage": (
        "颅内未见出血征象。",
        "脑实质、脑室及脑外间隙均未见明确血肿。",
        "未见急性出血。",
    ),
    "epidural_hemorrhage subdural_hemorrhage": (
        "双侧硬膜外、硬膜下未见血肿。",
        "颅骨内板下无异常积血。",
    ),
    "early_infarct late_infarct lacune mass intraparenchymal_hemorrhage": (
        "双侧大脑及小脑半球实质内未见局灶性密度异常。",
        "脑实质未见明确梗死及占位征象。",
    ),
    "hydrocephalus atrophy intraventricular_hemorrhage midline_shift": (
        "脑室形态、大小在正常范围。",
        "各脑室未见扩大，亦无受压。",
    ),
    "atrophy": ("脑沟、脑裂及脑池不宽。", "脑沟裂池未见增宽。"),
    "midline_shift": ("中线居中。", "中线结构未见偏移。", "中线结构无移位。"),
    "skull_fracture": ("骨窗观察颅骨未见骨折线。", "所示颅骨完整，无骨折。", "颅骨骨质未见明显异常。"),
    "scalp_hematoma": ("头皮软组织未见肿胀。", "颅外软组织无血肿。"),
    "mass": ("未见占位性病灶。", "无明确肿瘤征象。"),
}

_VARIANTS: Final = {
    "pineal_calcification": ("松果体区见生理性钙化斑。", "松果体钙化。"),
    "choroid_plexus_calcification": ("双侧脉络丛见对称钙化。", "侧脑室三角区脉络丛钙化，属生理性。"),
    "falx_calcification": ("大脑镰见条样钙化。", "大脑镰局部钙化，无特殊意义。"),
    "basal_ganglia_calcification": ("双侧苍白球见对称性生理性钙化。",),
    "dural_calcification": ("小脑幕及岩床韧带生理性钙化。",),
    "vascular_calcification": ("血管壁生理性钙化。",),
    "dense_vessel": ("静脉窦密度均匀稍高，属正常变异。",),
    "arachnoid_granulation": ("蛛网膜颗粒，属正常变异。",),
    "prominent_csf_space": ("大枕大池或透明隔间腔，属发育变异。",),
    "asymmetric_sinus": ("两侧横窦管径不等，为正常变异。", "双侧额窦发育不对称，属解剖变异。"),
}

_STYLES: Final = (
    Style("检查方法：{technique}\n检查所见：{comparison}{findings}\n诊断意见：\n{conclusion}", "", numbered=True),
    Style("【影像所见】\n{findings}\n【影像诊断】\n{conclusion}", "\n", numbered=True),
    Style("CT所见：{technique}。{findings}\nCT诊断：{conclusion}", "", numbered=False),
    Style("描述:\n  {findings}\n{comparison}\n印象:\n{conclusion}\n", " ", numbered=True),
)

WORDS: Final = Words(
    styles=_STYLES,
    technique=("头颅横断面平扫，层厚{thickness}mm", "颅脑CT平扫", "非增强头部CT，层厚{thickness}mm，OM线为基线"),
    compared=("与旧片对照阅片。", "有前次CT供比较。"),
    not_compared=("", "无旧片。"),
    descriptions=_DESCRIPTIONS,
    conclusions=_CONCLUSIONS,
    hedges=("考虑{}。", "{}可能。", "{}，待排。", "不除外{}。", "{}？建议复查。"),
    normal=(
        "颅脑CT平扫未见明显异常。",
        "头部平扫未发现异常征象。",
        "脑内未见确切异常。",
        "头颅CT平扫未见异常密度及形态改变。",
    ),
    no_hemorrhage=("颅内未见出血。", "未见明确急性出血征象。"),
    advice=("请结合临床。", "建议必要时MRI进一步检查。", "随诊复查。"),
    negatives=_NEGATIVES,
    variants=_VARIANTS,
    sides=_SIDES,
    place=_place,
    reference="（层面{}）",
    number="{}. {}",
    stop="。",
    join_conclusion="",
    tight_units=True,
)
