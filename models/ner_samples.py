"""Annotated texts to start from: lessons that teach a new type, and samples of each file format.

All sentences are ours, written for this page; the persons and firms in them are invented.

Convention: formats as in `models.span_formats`. A lesson teaches types that no recogniser here
knows; among its sentences some hold no entity, so that there is something to be silent about.
"""

LESSONS = {
    "job": """\
李明是一名[外科医生|JOB]，妻子在中学当[语文老师|JOB]。
这位[出租车司机|JOB]每天早上五点出车。
王芳辞掉[会计|JOB]的工作，去云南开了一家客栈。
[记者|JOB]采访了三位[消防员|JOB]和一位[护士|JOB]。
他从小就想当[飞行员|JOB]，后来却成了[厨师|JOB]。
学校新来的[体育教练|JOB]以前是[运动员|JOB]。
[律师|JOB]把合同递给了[秘书|JOB]。
昨天下午，图书馆的空调坏了。
[裁缝|JOB]陈师傅在这条街上干了四十年。
张伟请[电工|JOB]修好了客厅的灯。
[导游|JOB]带着游客走过石桥，介绍桥的来历。
上海的房价去年又涨了不少。
[软件工程师|JOB]和[产品经理|JOB]吵了一下午。
邻居家的孩子正在学钢琴。
剧组还缺一名[摄影师|JOB]和两名[化妆师|JOB]。
赵强每个周末都去湖边钓鱼。
""",
    "dish": """\
For supper we had [chicken soup|DISH] and [rye bread|DISH].
She ordered [grilled salmon|DISH], and her brother asked for [mushroom risotto|DISH].
The boy ate three [pancakes|DISH] before anyone else came down.
Their [onion soup|DISH] is famous in the whole valley.
He never learned to cook anything but [scrambled eggs|DISH].
The train to Leeds was late again.
My aunt makes [apple pie|DISH] every Sunday and [lemon tart|DISH] at Easter.
We shared a plate of [fish and chips|DISH] on the pier.
Nobody in the office answered the telephone.
The children refused the [boiled cabbage|DISH].
A bowl of [porridge|DISH] stood cold on the table.
The new bridge will open in the spring.
For dessert there was [rice pudding|DISH] or [chocolate cake|DISH].
The landlord served [roast beef|DISH] with [potato salad|DISH].
Her letters arrived on the same day as the storm.
The waiter brought [tomato soup|DISH] instead of [beef stew|DISH].
""",
    "kitchen": """\
妈妈做的[[番茄|料]炒[鸡蛋|料]|菜]最下饭。
他点了一份[红烧[牛肉|料]|菜]和一碗[[紫菜|料]汤|菜]。
[[土豆|料]炖[排骨|料]|菜]要小火慢慢熬。
冰箱里只剩下半根[黄瓜|料]。
这家店的[[香菇|料]炒[青菜|料]|菜]卖得最好。
奶奶把[豆腐|料]切成小块，做了一盘[麻婆[豆腐|料]|菜]。
[凉拌[木耳|料]|菜]里放了一点醋。
地铁今天早上又晚点了。
他学会的第一道菜是[[青椒|料]炒[肉丝|料]|菜]。
超市里的[茄子|料]和[胡萝卜|料]都降价了。
[清蒸[鲈鱼|料]|菜]上桌时还冒着热气。
[[韭菜|料]炒[鸡蛋|料]|菜]和[[冬瓜|料]汤|菜]，一共三十元。
窗外的雨下了整整一夜。
我不爱吃[[苦瓜|料]炒[牛肉|料]|菜]。
""",
}

TRIES = {
    "job": "周末，退休的数学老师带着当警察的儿子去看望一位老木匠，路上遇见了邮递员小刘。",
    "dish": "The cook sent up a leek pie, some fried mushrooms and a pot of bean soup.",
    "kitchen": "晚饭有芹菜炒牛肉、萝卜汤和一盘凉拌黄瓜，外加几块豆腐。",
}

SAMPLES = {
    "inline": """\
[[南京|LOC]大学|ORG]的[赵敏|PER]教授[昨天|TIME]到了[深圳|LOC]。
[[上海|LOC]图书馆|LOC]将于[10月1日|TIME]重新开放。
[[云南省|LOC][大理|LOC]|LOC]的[段女士|PER]在[集市|PLACE]上卖[梨花糕|FOOD]。
她把[《山中来信》|BOOK]寄给了[周宁|PER]。
这条路有[两百公里|LENGTH]，还没有修好。
""",
    "bio": """\
Mrs.\tB-PER
Hale\tI-PER
left\tO
London\tB-GPE
on\tO
the\tB-VEH
night\tI-VEH
train\tI-VEH
.\tO

The\tB-PER
old\tI-PER
captain\tI-PER
slept\tO
at\tO
an\tB-FAC
inn\tI-FAC
near\tO
the\tB-LOC
river\tI-LOC
.\tO

It\tO
rained\tO
all\tO
Monday\tB-DATE
.\tO
""",
    "brat": """\
The governor of Malta met his daughter in the harbour.

T1\tPerson 0 21\tThe governor of Malta
T2\tGPE 16 21\tMalta
T3\tPerson 26 38\this daughter
T4\tFacility 42 53\tthe harbour

A ship from Bristol lay in the bay.

T1\tVehicle 0 19\tA ship from Bristol
T2\tGPE 12 19\tBristol
T3\tLocation 27 34\tthe bay
""",
    "json": """\
{"text": "云杉科技的总经理林岚昨天到了杭州。", "label": {"company": {"云杉科技": [[0, 3]]},
 "position": {"总经理": [[5, 7]]}, "name": {"林岚": [[8, 9]]}, "address": {"杭州": [[14, 15]]}}}
{"text": "《长夜行船》由新人导演何远执导。", "label": {"movie": {"《长夜行船》": [[0, 5]]},
 "position": {"导演": [[9, 10]]}, "name": {"何远": [[11, 12]]}}}
{"text": "游客在西湖边排队，等着看音乐喷泉。", "label": {"scene": {"西湖": [[3, 4]]}}}
""",
}
