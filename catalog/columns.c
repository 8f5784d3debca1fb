/* Titles and words (see columns.h). A test holds every path against the item's own tables. */
#include "catalog/columns.h"

#include <string.h>
#include <strings.h>

#include "catalog/item.h"
#include "node/base/xassert.h"

/* Titles are the elements' names in the 实施清单 (GB/T 39554.2 as used by provincial catalog tools). */
static const struct column items[] = {
    {"code", "事项编码"},
    {"basic_code", "基本编码"},
    {"local_code", "地方实施编码"},
    {"local_basic_code", "地方基本编码"},
    {"handling_code", "业务办理项编码"},
    {"reference", "清单编号"},
    {"name", "事项名称"},
    {"aliases", "别名"},
    {"life_events", "生活事件"},
    {"type", "事项类型"},
    {"handling", "办件类型"},
    {"level", "行使层级"},
    {"division", "行政区划"},
    {"department.name", "实施主体"},
    {"department.uscc", "统一社会信用代码"},
    {"department.uscc_waived", "信用代码校验豁免"},
    {"department.nature", "实施主体性质"},
    {"department.entrusted_by", "委托部门"},
    {"department.duty", "责任清单"},
    {"power.source", "权力来源"},
    {"power.list", "权力清单"},
    {"guidance", "中央业务指导部门"},
    {"supporting", "联办机构"},
    {"legal_basis", "设定依据"},
    {"subject", "服务对象"},
    {"modes", "通办模式"},
    {"channels", "办理形式"},
    {"reach.scope", "通办范围"},
    {"reach.text", "通办区域"},
    {"visits.count", "到办事现场次数"},
    {"visits.reason", "必须现场办理原因"},
    {"scenario", "办理情形"},
    {"conditions", "受理条件"},
    {"quota", "数量限制"},
    {"intermediary", "中介服务"},
    {"bookable", "预约办理"},
    {"in_hall", "进驻大厅"},
    {"self_service", "自助终端"},
    {"limits.legal.n", "法定办结时限"},
    {"limits.legal.unit", "法定办结时限单位"},
    {"limits.legal.text", "法定办结时限说明"},
    {"limits.promised.n", "承诺办结时限"},
    {"limits.promised.unit", "承诺办结时限单位"},
    {"limits.promised.text", "承诺办结时限说明"},
    {"legal_review", "法制审核"},
    {"deferral.allowed", "容缺受理"},
    {"deferral.basis", "容缺依据"},
    {"deferral.limit.n", "容缺补正时限"},
    {"deferral.limit.unit", "容缺补正时限单位"},
    {"deferral.limit.text", "容缺补正时限说明"},
    {"deferral.text", "容缺说明"},
    {"promise.allowed", "告知承诺"},
    {"promise.basis", "告知承诺依据"},
    {"promise.materials", "告知承诺替代材料"},
    {"promise.text", "承诺内容"},
    {"result.type", "审批结果类型"},
    {"result.name", "审批结果名称"},
    {"result.sample", "审批结果样本"},
    {"fee.charged", "是否收费"},
    {"fee.basis", "收费依据"},
    {"fee.online", "网上支付"},
    {"delivery.pickup", "窗口领取"},
    {"delivery.post", "办件结果邮寄"},
    {"delivery.online", "网络送达"},
    {"delivery.takes_post", "申报材料邮寄"},
    {"delivery.postage", "邮费承担"},
    {"delivery.text", "送达说明"},
    {"contact.phone", "咨询电话"},
    {"contact.address", "办理地点"},
    {"contact.hours", "办理时间"},
    {"contact.complaint", "监督投诉"},
    {"remedies.review", "行政复议"},
    {"remedies.litigation", "行政诉讼"},
    {"retention", "保管期限"},
    {"status", "事项状态"},
    {"valid_from", "计划生效日期"},
    {"valid_to", "计划取消日期"},
    {"version", "事项版本"},
    {"source.text", "来源"},
    {"source.certainty", "来源可信度"},
};
static const struct column materials[] = {
    {COLUMN_ITEM_PATH, "事项编码"},
    {"code", "材料编码"},
    {"name", "材料名称"},
    {"kind", "材料类型"},
    {"form", "材料形式"},
    {"necessity", "材料必要性"},
    {"when", "非必要时办理情形"},
    {"source", "来源渠道"},
    {"source_text", "来源渠道说明"},
    {"licence", "电子证照"},
    {"trust_level", "可信等级"},
    {"originals", "原件份数"},
    {"copies", "复印件份数"},
    {"specification", "纸质规格"},
    {"in_person", "需本人现场填写"},
    {"later.n", "容缺后补时限"},
    {"later.unit", "容缺后补时限单位"},
    {"later.text", "容缺后补说明"},
    {"blank_form", "空白表格"},
    {"sample", "示例样表"},
    {"fill_in", "填报须知"},
    {"standard", "受理标准"},
    {"basis", "要求提供材料的依据"},
    {"sensitive", "敏感个人信息"},
    {"source_mark.text", "来源"},
    {"source_mark.certainty", "来源可信度"},
};
static const struct column stages[] = {
    {COLUMN_ITEM_PATH, "事项编码"}, {"stage", "环节名称"}, {"side", "承担方"},   {"at", "办理机构"},
    {"office", "办理处室"},         {"phone", "联系电话"}, {"days", "办理时限"}, {"unit", "办理时限单位"},
    {"special", "有特别程序"},      {"text", "说明"},
};
static const struct column specials[] = {
    {COLUMN_ITEM_PATH, "事项编码"}, {"kind", "特别程序"}, {"days", "时限"}, {"unit", "时限单位"}, {"text", "说明"},
};
static const struct column charges[] = {
    {COLUMN_ITEM_PATH, "事项编码"}, {"name", "收费项目名称"},  {"standard", "收费标准"},
    {"basis", "收费依据"},          {"reducible", "允许减免"}, {"reduction_basis", "减免依据"},
};
static const struct column questions[] = {
    {COLUMN_ITEM_PATH, "事项编码"},
    {"question", "问题"},
    {"answer", "解答"},
};

const struct column_sheet column_sheets[] = {
    {"items", "事项", NULL, items, array_count(items)},
    {"materials", "材料", "materials", materials, array_count(materials)},
    {"stages", "环节", "limits.stages", stages, array_count(stages)},
    {"special_procedures", "特别程序", "special_procedures", specials, array_count(specials)},
    {"charges", "收费项目", "fee.items", charges, array_count(charges)},
    {"faq", "常见问题", "faq", questions, array_count(questions)},
};
const size_t column_sheet_count = array_count(column_sheets);

/* The first row of a word is the one that is written. */
static const struct {
    const char *key, *text, *word;
} words[] = {
    {"type", "行政许可", "01"},
    {"type", "行政处罚", "02"},
    {"type", "行政强制", "03"},
    {"type", "行政征收", "04"},
    {"type", "行政给付", "05"},
    {"type", "行政检查", "06"},
    {"type", "行政确认", "07"},
    {"type", "行政奖励", "08"},
    {"type", "行政裁决", "09"},
    {"type", "其他行政权力", "10"},
    {"type", "公共服务", "20"},
    {"level", "国家级", "1"},
    {"level", "省级", "2"},
    {"level", "市级", "3"},
    {"level", "县级", "4"},
    {"level", "镇级", "5"},
    {"level", "村级", "6"},
    {"level", "国家", "1"},
    {"level", "省", "2"},
    {"level", "市", "3"},
    {"level", "县", "4"},
    {"level", "镇", "5"},
    {"level", "村", "6"},
    {"unit", "工作日", "working"},
    {"unit", "自然日", "natural"},
    {"unit", "日历日", "natural"},
    {"unit", "天", "natural"},
    {"side", "收件方", "receiving"},
    {"side", "办理方", "deciding"},
    {"side", "受理地", "receiving"},
    {"side", "办理地", "deciding"},
    {"form", "纸质", "paper"},
    {"form", "电子", "electronic"},
    {"form", "纸质或电子", "either"},
    {"form", "均可", "either"},
    {"necessity", "必要", "required"},
    {"necessity", "非必要", "conditional"},
    {"necessity", "可容缺", "deferrable"},
    {"necessity", "容缺后补", "deferrable"},
    {"source", "申请人自备", "applicant"},
    {"source", "政府部门核发", "authority"},
    {"source", "其他", "other"},
    {"postage", "申请人承担", "applicant"},
    {"postage", "行政机关承担", "authority"},
    {"certainty", "官方公布", "official"},
    {"certainty", "文献所见", "seen"},
    {"certainty", "未核实", "unverified"},
};

const struct column_sheet *column_sheet_find(const char *name_or_title)
{
    for (size_t i = 0; i < column_sheet_count; i++)
        if (strcasecmp(column_sheets[i].name, name_or_title) == 0 || strcmp(column_sheets[i].title, name_or_title) == 0)
            return &column_sheets[i];
    return NULL;
}

size_t column_find(const struct column_sheet *s, const char *heading)
{
    size_t size = strlen(heading);
    while (size > 0 && (heading[size - 1] == '*' || heading[size - 1] == ' '))
        size--;
    size_t i = 0;
    for (; i < s->count; i++) {
        const struct column *c = &s->columns[i];
        if ((strlen(c->title) == size && memcmp(c->title, heading, size) == 0) ||
            (strlen(c->path) == size && memcmp(c->path, heading, size) == 0))
            break;
    }
    return i;
}

size_t column_of_path(const struct column_sheet *s, const char *path)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->columns[i].path, path) != 0)
        i++;
    return i;
}

static const struct shape_field *field_of(const struct shape *shape, const char *path)
{
    for (;;) {
        size_t size = strcspn(path, ".");
        const struct shape_field *field = NULL;
        for (size_t i = 0; i < shape->field_count && field == NULL; i++)
            if (strlen(shape->fields[i].key) == size && memcmp(shape->fields[i].key, path, size) == 0)
                field = &shape->fields[i];
        if (field == NULL || path[size] == '\0')
            return field;
        if (field->inner == NULL)
            return NULL;
        shape = field->inner;
        path += size + 1;
    }
}

const struct shape_field *column_field(const struct column_sheet *s, const char *path)
{
    if (s->list == NULL)
        return field_of(&catalog_item_shape, path);
    const struct shape_field *list = field_of(&catalog_item_shape, s->list);
    xassert(list != NULL && list->inner != NULL);
    return field_of(list->inner, path);
}

const char *column_word(const char *key, const char *text)
{
    for (size_t i = 0; i < array_count(words); i++)
        if (strcmp(words[i].key, key) == 0 && strcmp(words[i].text, text) == 0)
            return words[i].word;
    return text;
}

const char *column_text(const char *key, const char *word)
{
    for (size_t i = 0; i < array_count(words); i++)
        if (strcmp(words[i].key, key) == 0 && strcmp(words[i].word, word) == 0)
            return words[i].text;
    return word;
}

static void put_word(struct buf *b, const char *text, const char *word)
{
    buf_printf(b, "%s%s", b->size == 0 ? "" : ", ", text);
    if (strcmp(text, word) != 0)
        buf_printf(b, " (%s)", word);
}

void column_put_words(const struct shape_field *f, struct buf *ret)
{
    if (f->kind == SHAPE_BOOL) {
        put_word(ret, "是", "true");
        put_word(ret, "否", "false");
    }
    for (size_t i = 0; f->kind == SHAPE_WORD && f->words[i] != NULL; i++)
        put_word(ret, column_text(f->key, f->words[i]), f->words[i]);
    for (size_t i = 0; f->kind == SHAPE_INTEGER && i < array_count(words); i++)
        if (strcmp(words[i].key, f->key) == 0 && column_text(f->key, words[i].word) == words[i].text)
            put_word(ret, words[i].text, words[i].word);
}
