"""Texts to try the recognisers of entities on: ours, written for this page.

Source: the weather bulletin is after the example of Su Jianlin 2021, kexue.fm/archives/8373.
"""

EXAMPLES = {
    "hospital": (
        "王芳毕业于北京大学医学部，现在是北京大学第三医院的医生，"
        "周末常去中国国家图书馆读《鲁迅全集》。"
    ),
    "king": (
        "The king of England's brother rode from London to the old house of Mr. Brown, "
        "where the captain of the ship was waiting with his daughter."
    ),
    "weather": "北京：21度；上海：22度；杭州：23度；广州：24度",
    "letters": ("Paris: 21 degrees; London: 22 degrees; Vienna: 23 degrees; Moscow: 24 degrees"),
    "museum": "上海博物馆与故宫博物院联合举办的“江南文化展”将于10月1日在上海浦东美术馆开幕。",
    "institute": "中国科学院物理研究所的李明和清华大学计算机系的张伟去年在《自然》上发表了论文。",
    "ship": (
        "The mate of the English ship told the governor of the island that the wife of "
        "Captain Hale had been seen in the garden of the old inn at Bristol."
    ),
}
