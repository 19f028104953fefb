"""Make the Chinese evaluation set: `python -m training.chinese_evaluation FOLDER`.

Lines, paragraphs, paragraphs with Latin letters and numbers, and scans in simplified Chinese: a web
browser draws them in families that no training uses, with sentences written for this set.
"""

from __future__ import annotations

import argparse
import html
import random
from pathlib import Path

from training.browser import Block, browser_page
from training.chinese import HELD_OUT_FAMILIES
from training.evaluation import write_set

KINDS = ("line", "paragraph", "mixed", "degraded")
SENTENCES = (
    "开往海岛的渡轮六点一刻出发，路上不到两个小时。",
    "没有人告诉新来的管理员，地下室每逢连续下雨就会进水。",
    "请把签好字的那份寄回来，另一份自己留着。",
    "她的祖父修了一辈子钟表，据说能听出哪个齿轮坏了。",
    "今年春天我们在运河边数到四十一只白鹅，比去年多十一只。",
    "委员会推迟了投票，因为三月份的数字加起来不对。",
    "如果指示灯闪两下，就关掉水泵，等压力降下来再打开。",
    "两名证人记得是一辆绿色的货车，第三名肯定它是灰色的。",
    "小屋里只剩下面包、核桃和一点奶酪。",
    "博物馆里最老的地图上，现在的车站所在处是一条河。",
    "为什么有人会把钢琴埋起来？村里人到现在还在争论。",
    "胶水要干一个晚上，天亮以前不要搬动画框。",
    "每位志愿者会得到一枚徽章、一只哨子和一张路线图。",
    "我们的果园向山谷里的九家商店供应梨和李子。",
    "她在厨房里写完了整部歌剧，大多是在半夜到清晨之间。",
    "最后一班电车已经开走，他们只好沿着河堤唱着歌走回家。",
    "水库修好大坝以来，水位从来没有这样低过。",
    "再刷一层清漆可以盖住划痕，不过木纹也会变深。",
    "凡地址有变动，应当在两周之内书面通知本办公室。",
    "到中午雾散了，守灯塔的人又能数清海上的船。",
    "老磨坊每隔两扇窗就有一扇用砖堵上，为的是少交税。",
    "合唱团每星期二晚上在图书馆后面的大厅排练。",
    "移栽以前，先把树根剪短三分之一。",
    "桥的造价最后翻了一倍，通车也晚了整整一年。",
    "拾到钥匙的人，请交到售票处的窗口。",
    "燕子在车站的屋顶下做窝，就在九号站台的上方。",
)
MIXED = (
    "票价是 18.40 元，他把票弄丢了，只好再付一次。",
    "货物请在 7:30 到 15:45 之间送到 B 门，节假日除外。",
    "请到二楼 214 房间找 Okafor 女士，楼梯左边第一间。",
    "存放温度低于 25 度，避免阳光直射，开封后 30 天内用完。",
    "从 1987 年到 2004 年，流域的雨量增加了 12.5%。",
    "超过 90 天的发票一律转交法律部门处理，联系人 Hugh Whitlock。",
    "包裹重 4.2 kg，保价 350 元，单号 XK7Q-29MD。",
    "慢慢转动阀门，直到指针指向 2.5 bar 为止。",
    "调查表寄给了 1250 户人家，按时答复的有 873 户。",
    "北方线的乘客请在 Mill Road 站换车，跟着黄色标志走。",
    "打印机型号 LaserPoint 4100，墨盒编号 C-318，余量 7%。",
    "发信请用 noor.haddad@posta.eu，电话 +48 512 664 903。",
    "会议定在 2031-05-17，地点 Hotel Aurora，共 36 人参加。",
    "一楼的 Café 卖咖啡 26 元，红茶 22 元，Tiramisu 34 元。",
)


def _block(rng: random.Random, kind: str) -> Block:
    size = rng.randint(18, 32)
    ink, paper = rng.choice((("#111", "#fff"), ("#203040", "#f4f1e6"), ("#e8e8e8", "#17202a")))
    if kind == "line":
        text, width = rng.choice(SENTENCES), 32 * size
    else:
        source = MIXED if kind == "mixed" else SENTENCES
        text, width = "".join(rng.sample(source, rng.randint(2, 4))), rng.randint(16, 26) * size
    css = (
        f"font-family:'{rng.choice(HELD_OUT_FAMILIES)}';font-size:{size}px;color:{ink};"
        f"background:{paper};line-height:{rng.uniform(1.3, 1.8):.2f};"
        f"padding:{rng.uniform(0.3, 1):.2f}em" + (";width:max-content" if kind == "line" else "")
    )
    return Block(html.escape(text), css, width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-kind", type=int, default=12, help="images of each kind")
    parser.add_argument("--seed", default="chinese")
    options = parser.parse_args()
    with browser_page() as page:
        write_set(page, options.folder, KINDS, _block, options.per_kind, options.seed)


if __name__ == "__main__":
    main()
