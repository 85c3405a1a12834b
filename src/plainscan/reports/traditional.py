"""Traditional characters to simplified ones, one for one, as far as head CT reports need them.

A character that is not in the table stays, and is then read as unknown: the study label becomes uncertain, never "no
finding". Words of Taiwan and Hong Kong (蜘蛛網膜, 水腦) are phrases of their own in the phrase file.
"""

from __future__ import annotations

from typing import Final

_TRADITIONAL: Final = (
    "腦顱內側額顳頂葉島幹橋視隱竇縫溝擴張縮變異無見與為當優質區級數圖層積體強對稱齊齒狀結節環點線條團塊縱橫長寬約較陳"
    "舊鈣樣樞鏡頭髮際膚頜顎篩頸鞏臨終滲網斷電檢論診報醫師傷術後復歷陰陽顯連續錯動靜脈腫脹發現進減輕類轉遷維護聽覺單雙"
    "邊緣圍間鄰壓鐮鈎迴從參請隨訪釋議臺灣觀測確認應慮懷關於這個們會來時過還沒實組織別導氣輸卻種產準備營養鑑並佔僅亞極"
    "塗劃納齡歲廣徵畢豐滿殘餘礎處獨難盡闊殼狹緊鬆軟雜濃嚴損僞偽總兩幾選擇給補濾飽讀書語龐擠壞創膿聯歸絡叢釐軸惡兒癒瀰"
    "彌佈週係穩虛開複記錄顆蓋貼顏誤齦"
    "掃統窩漿滯癥併傾徑據攝擊擾暈機況潰煙煩牽獲礙禍簡紅細紋紡絕繞編繼纖聲職腎臟舉藥號訊計設許評誘說調貫趨跡軀載輔輪運"
    "達遠適遲遺鈍銳鎖鏈鐘門閉閱險離響項順預頻題風驗畫癱瘍癲癇嘔嚥暫漸潛爛監盤筆範純經勻專歐庫屬糾腳麼嬰壯擬頰鎮鬚頤圓"
    "彎慣標樹溫燈獻療瘓睏碼禦稅竅緻縣繫罈膽蝕衝襯觸託誌諮謝貝責費資賴轄辦農遞釘針鉛銀鍵鐵鑲闌陣隊隻雲頓顧顫飯飲館騎驚"
    "髒鬥鹽"
    "構嚢鬱莖薦顴鈦籲羣裏裡麵"
)
_SIMPLIFIED: Final = (
    "脑颅内侧额颞顶叶岛干桥视隐窦缝沟扩张缩变异无见与为当优质区级数图层积体强对称齐齿状结节环点线条团块纵横长宽约较陈"
    "旧钙样枢镜头发际肤颌颚筛颈巩临终渗网断电检论诊报医师伤术后复历阴阳显连续错动静脉肿胀发现进减轻类转迁维护听觉单双"
    "边缘围间邻压镰钩回从参请随访释议台湾观测确认应虑怀关于这个们会来时过还没实组织别导气输却种产准备营养鉴并占仅亚极"
    "涂划纳龄岁广征毕丰满残余础处独难尽阔壳狭紧松软杂浓严损伪伪总两几选择给补滤饱读书语庞挤坏创脓联归络丛厘轴恶儿愈弥"
    "弥布周系稳虚开复记录颗盖贴颜误龈"
    "扫统窝浆滞症并倾径据摄击扰晕机况溃烟烦牵获碍祸简红细纹纺绝绕编继纤声职肾脏举药号讯计设许评诱说调贯趋迹躯载辅轮运"
    "达远适迟遗钝锐锁链钟门闭阅险离响项顺预频题风验画瘫疡癫痫呕咽暂渐潜烂监盘笔范纯经匀专欧库属纠脚么婴壮拟颊镇须颐圆"
    "弯惯标树温灯献疗痪困码御税窍致县系坛胆蚀冲衬触托志咨谢贝责费资赖辖办农递钉针铅银键铁镶阑阵队只云顿顾颤饭饮馆骑惊"
    "脏斗盐"
    "构囊郁茎荐颧钛吁群里里面"
)

TABLE: Final[dict[int, str]] = dict(zip(map(ord, _TRADITIONAL), _SIMPLIFIED, strict=True))


def simplified(text: str) -> str:
    """The text with known traditional characters replaced, of the same length.

    >>> simplified("未見顱內出血")
    '未见颅内出血'
    """
    return text.translate(TABLE)
