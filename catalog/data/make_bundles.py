#!/usr/bin/env python3
"""Writes the bundles (一件事) of the three example provinces.

    python3 catalog/data/make_bundles.py            writes bundles-sichuan.json, … beside this file
    python3 catalog/data/make_bundles.py --check    writes nothing; exit code 1 when a file differs

The names of the life events are those of national lists of 高效办成一件事 (general knowledge, not compared with the text). Which
items a bundle is made of is an example: put together from the items of the example catalogs, so each source mark says 示例.
Questions and shared materials likewise. Items are named by their basic code, so that routing finds the province.
"""
import json
import sys

import generated

LIST_2024 = "国发〔2024〕3号及2024年度新增“高效办成一件事”重点事项清单(名称为一般知识,未经核对)"
LIST_JOINT = "国办发〔2020〕35号 多地联办;跨省迁居不在重点事项清单内,名称为示例"
EXAMPLE = " | 事项组合、条件、共用材料为示例"


def question(code, text, *answers):
    return {"code": code, "text": text, "answers": list(answers)}


def member(code, item, text, when=(), after=()):
    return {"code": code, "item": item, "text": text} | ({"when": list(when)} if when else {}) | (
        {"after": list(after)} if after else {})


def shared(code, name, *serves):
    return {"code": code, "name": name, "serves": list(serves)}


def bundle(code, name, life_event, lead, members, questions, materials, conditions=None, source=LIST_2024):
    return {"code": code, "name": name, "life_event": life_event, "lead": lead, "members": members,
            "questions": questions, "materials": materials, "status": "在用", "version": 1,
            "source": {"text": source + EXAMPLE, "certainty": "unverified"}} | (
        {"conditions": conditions} if conditions else {})


BUNDLES = {
    "sichuan": [bundle(
        "BIRTH", "新生儿出生一件事", "出生", "四川省卫生健康委员会",
        [member("HU", "0007KSTB0061", "户口登记"),
         member("YB", "0020KSTB0072", "城乡居民基本医疗保险参保", when=["insure=是"], after=["HU"]),
         member("SB", "0020KSTB0010", "社会保障卡", when=["card=是"], after=["HU"]),
         member("SY", "0020KSTB0075", "生育保险待遇", when=["maternity=是"])],
        [question("insure", "是否为新生儿参加城乡居民基本医疗保险?", "是", "否"),
         question("card", "是否申领社会保障卡?", "是", "否"),
         question("maternity", "父母一方是否参加生育保险?", "是", "否")],
        [shared("S1", "出生医学证明", "HU/M01", "YB/M01", "SB/M01", "SY/M01"),
         shared("S2", "父母居民身份证", "HU/M02", "SY/M02")],
        "父母一方户口在办理地")],
    "guangdong": [bundle(
        "DISABLED", "残疾人服务一件事", "扶残助困", "广东省残疾人联合会",
        [member("ZH", "0020KSTB0068", "残疾人证换领"),
         member("BT", "0005KSTB0065", "困难残疾人生活补贴和重度残疾人护理补贴", when=["allowance=是"])],
        [question("allowance", "是否申请残疾人两项补贴?", "是", "否")],
        [shared("S1", "居民身份证", "ZH/M01", "BT/M01"), shared("S2", "残疾人证", "ZH/M02", "BT/M03")])],
    "zhejiang": [
        bundle(
            "RETIRE", "职工退休一件事", "退休", "浙江省人力资源和社会保障厅",
            [member("YL", "0020KSTB0006", "外省养老保险关系转入", when=["elsewhere=是"]),
             member("GJ", "0020KSTB0027", "提取住房公积金", when=["fund=是"]),
             member("RZ", "0020KSTB0013", "待遇资格认证")],
            [question("elsewhere", "是否在外省参加过企业职工基本养老保险?", "是", "否"),
             question("fund", "是否缴存住房公积金?", "是", "否")],
            [shared("S1", "居民身份证", "YL/M01", "GJ/M01", "RZ/M01")]),
        bundle(
            "MOVE", "跨省迁居一件事", "迁居", "浙江省公安厅",
            [member("OUT", "0007KSTB0053", "迁出地:夫妻投靠户口迁移"),
             member("IN", "0007KSTB0053", "迁入地:夫妻投靠户口迁移", after=["OUT"]),
             member("YB", "0020KSTB0070", "迁出地:基本医疗保险关系转移", when=["insured=是"])],
            [question("insured", "是否转移基本医疗保险关系?", "是", "否")],
            [shared("S1", "居民户口簿", "OUT/M02", "IN/M02"), shared("S2", "结婚证", "OUT/M01", "IN/M01")],
            "已在迁入地取得合法稳定住所", LIST_JOINT)],
}
NODES = {"sichuan": 510000, "guangdong": 440000, "zhejiang": 330000}


def text_of(stem):
    whole = {"format": "tongban-bundles/1", "node": NODES[stem], "bundles": BUNDLES[stem]}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(generated.main("make_bundles.py", {f"bundles-{stem}.json": text_of(stem) for stem in BUNDLES}))
