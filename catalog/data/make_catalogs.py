#!/usr/bin/env python3
"""Writes the catalogs of the three example provinces from items.json.

    python3 catalog/data/make_catalogs.py            writes sichuan.json, guangdong.json, zhejiang.json beside this file
    python3 catalog/data/make_catalogs.py --check    writes nothing; exit code 1 when a file differs

The result depends on items.json and this file alone, so that a test can run --check.

What comes from where, also said in each item's source mark:
- name, subject, scenario, modes, stages, legal limits: items.json, whose rows name their source and how certain they are.
- departments: the provincial bodies under the ministry of the row. Their credit codes are not real: TEMP… bodies with
  right check characters (GB 32100-2015). Codes of items are built from them, a level and a basic code "00" + type +
  "KSTB" + number, which is synthetic too; real catalogs carry codes given out under GB/T 39554.1.
- type (事项类型) and materials: general knowledge, certainty "unverified".
- life events (生活事件): general knowledge, by words of the item's name (LIFE_EVENTS below); other names (ALIASES) likewise.
- reach (通办范围): 全国 where items.json shows 异地代收代办, which 国办发〔2020〕35号 opens at "任何一地" windows.
- remedies: the general limits of 行政复议法(2023) 20 and 行政诉讼法 46 for every item that is an exercise of power.
- 容缺受理: allowed where a material of MATERIALS may come later; 告知承诺: where a written promise stands in the flow's
  source (KSTB-060: "written promise", Bazhou police notice). Responsible body and duty: 行政许可法 and the ministry's row.
"""
import json
import sys

import generated
from generated import HERE

PROVINCES = {"sichuan": (510000, "四川省"), "guangdong": (440000, "广东省"), "zhejiang": (330000, "浙江省")}

# ministry -> (number in the synthetic credit code, class by GB 32100, provincial body); {} is the province
DEPARTMENTS = {
    "公安部": (1, "11", "{}公安厅"),
    "民政部": (2, "11", "{}民政厅"),
    "司法部": (3, "11", "{}司法厅"),
    "人力资源社会保障部": (4, "11", "{}人力资源和社会保障厅"),
    "自然资源部": (5, "11", "{}自然资源厅"),
    "生态环境部": (6, "11", "{}生态环境厅"),
    "住房城乡建设部": (7, "11", "{}住房和城乡建设厅"),
    "交通运输部": (8, "11", "{}交通运输厅"),
    "市场监管总局": (9, "11", "{}市场监督管理局"),
    "国家医保局": (10, "11", "{}医疗保障局"),
    "税务总局": (11, "11", "国家税务总局{}税务局"),
    "商务部": (12, "11", "{}商务厅"),
    "中国残联": (13, "13", "{}残疾人联合会"),
}

# 事项类型 by ministry, then by item where it differs. 01 许可 05 给付 07 确认 20 公共服务.
TYPES = {
    "公安部": "07", "民政部": "05", "司法部": "20", "人力资源社会保障部": "20", "自然资源部": "07",
    "生态环境部": "01", "住房城乡建设部": "20", "交通运输部": "20", "市场监管总局": "01", "国家医保局": "20",
    "税务总局": "20", "中国残联": "20",
}
TYPES_BY_ITEM = {
    "KSTB-057": "20", "KSTB-058": "20", "KSTB-066": "07", "KSTB-067": "07", "KSTB-083": "01", "KSTB-084": "01",
    "KSTB-085": "01", "KSTB-086": "01",
}

SUBJECTS = {
    "自然人": ["自然人"],
    "法人": ["企业法人", "事业法人", "社会组织法人"],
}

CERTAINTIES = {"name seen in text": "seen", "general knowledge": "unverified"}

BASIS_2020 = "国办发〔2020〕35号 国务院办公厅关于加快推进政务服务“跨省通办”的指导意见"
BASIS_2022 = "国办发〔2022〕34号 国务院办公厅关于扩大政务服务“跨省通办”范围进一步提升服务效能的意见"
BASIS = {"2020底前(第一批58项)": BASIS_2020, "2021底前(74项)": BASIS_2020, "2022-34号新增22项": BASIS_2022}

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def stage(name, side, at, days=None, unit="working", text=None):
    row = {"stage": name, "side": side, "at": at}
    if days is not None:
        row |= {"days": days, "unit": unit}
    if text is not None:
        row["text"] = text
    return row


# Limits for each side as the sources of items.json ("workflow") give them.
CHILD_STAGES = [
    stage("受理并录入推送", "receiving", "受理地乡镇(街道)", 3, text="材料收齐之日起3个工作日"),
    stage("初审", "deciding", "户籍地乡镇(街道)", 15, text="收到推送之日起15个工作日"),
    stage("审批", "deciding", "户籍地县级民政部门", 15, text="收到乡镇材料之日起15个工作日"),
    stage("告知申请人", "receiving", "受理地乡镇(街道)", 3, text="收到办理结果之日起3个工作日"),
    stage("核发", "deciding", "户籍地民政部门", text="按规定及时"),
]
HOUSEHOLD_STAGES = [
    stage("受理/准迁", "receiving", "迁入地公安机关",
          text="审核材料,同意后打印《准予迁入证明》,申请人自愿选择跨省通办,并告知迁出地派出所"),
    stage("迁出登记", "deciding", "迁出地派出所", 5,
          text="收到准迁信息后5个工作日内完成信息核查;联系申请人核实,打印《户口迁移证》,留存归档,联系迁入地"),
]
STAGES = {
    "KSTB-052": HOUSEHOLD_STAGES,
    "KSTB-053": HOUSEHOLD_STAGES,
    "KSTB-054": HOUSEHOLD_STAGES,
    "KSTB-060": [
        stage("受理", "receiving", "居住地公安机关异地受理点", text="核验材料,采集人像指纹,签书面承诺书"),
        stage("审核签发", "deciding", "常住户口所在地公安机关", text="受理信息传送至户籍地审核签发,再回传制证"),
    ],
    "KSTB-065": [
        stage("受理", "receiving", "任意地街道/乡镇窗口"),
        stage("审定发放", "deciding", "户籍地", 16, text="认定过程一般16个工作日"),
        stage("告知", "receiving", "受理窗口"),
    ],
    "KSTB-066": CHILD_STAGES,
    "KSTB-067": CHILD_STAGES,
    "KSTB-068": [
        stage("寄送照片", "receiving", "申请人", 3, "natural", "申请后3日内寄送照片(无锡市做法)"),
        stage("换发", "deciding", "户籍地残疾人联合会", text="户籍地制证并邮寄,邮费由申请人承担(无锡市做法)"),
    ],
}
SOURCES_OF_STAGES = {"KSTB-068": "办理流程:无锡市残疾人证换领说明"}


def material(code, name, form="either", necessity="required", source="applicant", **more):
    return {"code": code, "name": name, "form": form, "necessity": necessity, "source": source} | more | {
        "source_mark": {"text": "一般知识,未经核对;以户籍地(办理地)公布的材料清单为准", "certainty": "unverified"}}


ID_CARD = material("M01", "居民身份证", source="authority", originals=1, copies=1, sensitive=True, trust_level="A")
HOUSEHOLD = material("M02", "居民户口簿", source="authority", originals=1, copies=1, sensitive=True, trust_level="B")
BIRTH_CERTIFICATE = material("M01", "出生医学证明", source="authority", originals=1, copies=1, sensitive=True, trust_level="A")
MATERIALS = {
    "KSTB-006": [ID_CARD],
    "KSTB-010": [BIRTH_CERTIFICATE],
    "KSTB-013": [ID_CARD],
    "KSTB-027": [ID_CARD],
    "KSTB-053": [
        material("M01", "结婚证", source="authority", originals=1, copies=1, sensitive=True, trust_level="A"),
        HOUSEHOLD,
    ],
    "KSTB-061": [
        BIRTH_CERTIFICATE,
        material("M02", "父母居民身份证", source="authority", originals=1, copies=1, sensitive=True, trust_level="A"),
        material("M03", "出生登记申请表", originals=1),
    ],
    "KSTB-072": [BIRTH_CERTIFICATE],
    "KSTB-075": [
        BIRTH_CERTIFICATE,
        material("M02", "父母居民身份证", source="authority", originals=1, copies=1, sensitive=True, trust_level="A"),
    ],
    "KSTB-060": [
        HOUSEHOLD,
        material("M03", "异地申领居民身份证书面承诺书", form="paper", originals=1),
        material("M04", "居住地合法稳定就业、就学或居住证明", necessity="conditional", source="authority", copies=1,
                 when="受理地不能通过数据共享核验时", trust_level="B"),
    ],
    "KSTB-065": [
        ID_CARD, HOUSEHOLD,
        material("M03", "残疾人证", source="authority", copies=1, sensitive=True, trust_level="A"),
        material("M04", "残疾人两项补贴申请表", originals=1),
        material("M05", "低保或低收入家庭证明", necessity="conditional", source="authority", copies=1,
                 when="申请困难残疾人生活补贴且不能通过数据共享核验时", trust_level="B"),
        material("M06", "补贴发放银行账户复印件", necessity="deferrable", copies=1),
    ],
    "KSTB-066": [
        HOUSEHOLD,
        material("M03", "孤儿基本生活费申请表", originals=1),
        material("M04", "父母死亡证明,或人民法院宣告死亡(失踪)判决书", source="authority", originals=1, copies=1,
                 sensitive=True, trust_level="B"),
        material("M05", "监护人身份证明", source="authority", copies=1, sensitive=True, trust_level="A"),
        material("M06", "儿童近期照片", necessity="deferrable", sensitive=True),
    ],
    "KSTB-067": [
        HOUSEHOLD,
        material("M03", "事实无人抚养儿童基本生活补贴申请表", originals=1),
        material("M04", "父母重残、重病、服刑、失踪等情形的证明", necessity="conditional", source="authority", copies=1,
                 sensitive=True, when="受理地不能通过数据共享核验时", trust_level="B"),
        material("M05", "监护人身份证明", source="authority", copies=1, sensitive=True, trust_level="A"),
    ],
    "KSTB-068": [
        ID_CARD,
        material("M02", "原残疾人证", form="paper", source="authority", originals=1, sensitive=True),
        material("M03", "近期两寸免冠白底照片", form="paper", originals=2, sensitive=True),
    ],
}
RESULTS = {
    "KSTB-059": ("证照", "居民身份证"), "KSTB-060": ("证照", "居民身份证"), "KSTB-062": ("证照", "临时居民身份证"),
    "KSTB-065": ("批文", "残疾人两项补贴审定结果"), "KSTB-066": ("批文", "孤儿认定结果"),
    "KSTB-067": ("批文", "事实无人抚养儿童认定结果"), "KSTB-068": ("证照", "残疾人证"),
}

# 生活事件 by what stands in an item's name (general knowledge; the State Council's lists of 高效办成一件事 name such events).
LIFE_EVENTS = [
    ("出生", ("出生", "新生儿", "生育")), ("上学", ("学历", "学位", "学籍", "考试")),
    ("就业", ("就业", "失业", "职业资格", "职称", "档案")), ("参保", ("社会保险", "社会保障卡", "养老保险", "医保", "医疗")),
    ("结婚", ("婚姻", "结婚")), ("购房", ("不动产", "公积金")), ("迁居", ("户口", "户籍", "居住证")),
    ("办证件", ("身份证", "驾驶证", "护照", "通行证")), ("扶残助困", ("残疾", "孤儿", "困难", "低保", "临时救助", "抚养")),
    ("退休", ("养老", "退休")), ("开办企业", ("设立", "企业", "营业执照", "经营")), ("纳税", ("税",)),
    ("车辆", ("机动车", "车辆", "驾驶")), ("身后事", ("死亡", "殡葬", "遗属", "供养")),
]
ALIASES = {
    "KSTB-060": ["身份证首次办理"], "KSTB-065": ["残疾人补贴", "两补"], "KSTB-068": ["残疾证换证"],
}
REVIEW = "自知道该行政行为之日起60日内向有管辖权的行政复议机关申请(行政复议法 20)"
LITIGATION = "自知道或者应当知道作出行政行为之日起6个月内向有管辖权的人民法院起诉(行政诉讼法 46)"
PROMISES = {
    "KSTB-060": {
        "allowed": True, "text": "申请人书面承诺符合异地首次申领条件;承诺不实的,撤销办理结果并记录",
        "basis": "国办发〔2020〕42号", "materials": ["M04"],
    },
}
DUTY = "依法受理、审查、决定,将结果告知受理地;不符合条件的说明理由并告知救济途径"


def life_events(name):
    return [event for event, words in LIFE_EVENTS if any(word in name for word in words)]


def organisation_check(body):
    total = sum(int(c, 36) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2)))
    return "0123456789X"[(11 - total % 11) % 11]


def credit_code(kind, division, number):
    body = f"TEMP{number:04d}"
    code = f"{kind}{division}{body}{organisation_check(body)}"
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(code))
    return code + ALPHABET[(31 - total % 31) % 31]


def department(ministry, node, province):
    number, kind, name = DEPARTMENTS[ministry]
    nature = "授权组织" if ministry == "中国残联" else "法定机关"
    return {"name": name.format(province), "uscc": credit_code(kind, node, number), "nature": nature, "duty": [DUTY]}


def source_mark(row):
    parts = [row["source"]]
    if row["id"] in SOURCES_OF_STAGES:
        parts.append(SOURCES_OF_STAGES[row["id"]])
    if "note" in row:
        parts.append(row["note"])
    parts.append("编码、信用代码为示例(非真实编码);事项类型未经核对")
    return {"text": " | ".join(parts), "certainty": CERTAINTIES[row["certainty"]]}


def delivery(row):
    if row["id"] == "KSTB-068":
        return {"post": True, "postage": "applicant", "text": "邮费由申请人承担(无锡市做法)"}
    if "异地代收代办" in row["modes"]:
        return {"post": True, "online": True, "text": "国办发〔2020〕35号:由业务属地部门邮寄纸质结果或网络送达"}
    return None


def item(row, node, province):
    kind = TYPES_BY_ITEM.get(row["id"], TYPES[row["ministry"]])
    basic = f"00{kind}KSTB{row['id'][-3:]:0>4}"
    decider = department(row["ministry"], node, province)
    subjects = [s for word in row["subject"].split("/") for s in SUBJECTS[word]]
    result = {
        "code": f"{decider['uscc']}2{basic}", "basic_code": basic, "reference": row["id"], "name": row["name"],
        "type": kind, "level": 2, "division": node, "department": decider, "subject": subjects,
        "modes": row["modes"], "status": "在用", "version": 1, "source": source_mark(row),
    }
    if row["supporting"]:
        result["supporting"] = [DEPARTMENTS[m][2].format(province) for m in row["supporting"]]
    if row["batch"] in BASIS:
        result["legal_basis"] = [BASIS[row["batch"]]]
    if row["scenario"]:
        result["scenario"] = row["scenario"]
    if row["id"] in STAGES:
        result["limits"] = {"stages": STAGES[row["id"]]}
    if "legal_limit" in row:
        limit = dict(row["legal_limit"])
        result["legal_basis"] = [*result.get("legal_basis", []), limit.pop("basis")]
        result["limits"] = {"legal": limit} | result.get("limits", {})
    if row["id"] in MATERIALS:
        result["materials"] = MATERIALS[row["id"]]
    if row["id"] in RESULTS:
        result["result"] = dict(zip(("type", "name"), RESULTS[row["id"]]))
    if delivery(row):
        result["delivery"] = delivery(row)
    return result | elements(row, kind, result.get("materials", []))


def elements(row, kind, materials):
    """What a window, a portal or a deadline needs beyond the row itself; the head of this file says where it is from."""
    result = {"guidance": row["ministry"], "power": {"source": "法定本级"}, "channels": ["窗口", "网上"]}
    events = life_events(row["name"])
    if events:
        result["life_events"] = events
    if row["id"] in ALIASES:
        result["aliases"] = ALIASES[row["id"]]
    if "异地代收代办" in row["modes"]:
        result["reach"] = {"scope": "全国"}
        result["visits"] = {"count": 1, "reason": "法律法规要求到场,由任何一地窗口收件并核验身份(国办发〔2020〕35号)"}
    elif row["modes"] == ["全程网办"]:
        result["visits"] = {"count": 0}
    if any(m["necessity"] == "deferrable" for m in materials):
        result["deferral"] = {"allowed": True, "text": "主件齐全且符合法定形式的,次要材料可在承诺期限内补交"}
    if row["id"] in PROMISES:
        result["promise"] = PROMISES[row["id"]]
    if kind != "20":
        result["remedies"] = {"review": REVIEW, "litigation": LITIGATION}
        result["retention"] = "30年" if kind in ("01", "07") else "10年"
    if kind == "01":
        result["legal_review"] = True
    return result


def catalog(name):
    node, province = PROVINCES[name]
    rows = json.loads((HERE / "items.json").read_text(encoding="utf-8"))
    items = [item(row, node, province) for row in rows]
    head = {"format": "tongban-catalog/1", "node": node, "version": 1, "items": items}
    return json.dumps(head, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(generated.main("make_catalogs.py", {f"{name}.json": catalog(name) for name in PROVINCES}))
