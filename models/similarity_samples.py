"""Sentences to try an encoder on: ours, written for this page; four to a topic, two topics cross.

In every group two sentences say the same in other words, one changes what matters (a negation, who
does what, a number), and one keeps to the topic alone. Some words have two meanings.
"""

SENTENCES = {
    "zh": (
        "我忘了带钥匙，进不了家门。",
        "因为没带钥匙，我被关在了门外。",
        "我带了钥匙，已经进了家门。",
        "门口那家配钥匙的店今天休息。",
        "苹果发布了新款手机。",
        "苹果公司推出了新一代手机。",
        "她买了两斤苹果和一串葡萄。",
        "新款手机的电池比旧款耐用。",
        "老师表扬了这个学生。",
        "这个学生受到了老师的表扬。",
        "这个学生表扬了老师。",
        "老师没有表扬这个学生。",
        "明天北京有大雨，气温十八度。",
        "北京明天会下大雨，最高十八度。",
        "明天北京晴，气温三十八度。",
        "出门别忘了带伞。",
    ),
    "en": (
        "I forgot my keys and cannot get into the house.",
        "I am locked out because I left my keys behind.",
        "I have my keys and I am already inside.",
        "The shop that cuts keys is closed today.",
        "The bank raised its interest rates.",
        "Interest rates at the bank went up.",
        "We had lunch on the bank of the river.",
        "The bank opens at nine on weekdays.",
        "The teacher praised the student.",
        "The student was praised by the teacher.",
        "The student praised the teacher.",
        "The teacher did not praise the student.",
        "Heavy rain in London tomorrow, eighteen degrees.",
        "London will see heavy rain tomorrow, up to eighteen degrees.",
        "Clear sky in London tomorrow, thirty-eight degrees.",
        "Do not forget your umbrella.",
    ),
}
FEW = 5  # the first of them: too few to whiten on


def text(language: str, count: int = 0) -> str:
    """Return the sentences of a language, one a line.

    Args:
        language: "zh" or "en".
        count: How many from the start; 0 for all.
    """
    return "\n".join(SENTENCES[language][: count or None])
