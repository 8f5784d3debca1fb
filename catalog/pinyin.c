/* Pinyin (see pinyin.h). */
#include "catalog/pinyin.h"

#include <stdio.h>
#include <string.h>

#include "catalog/pinyin_table.inc"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

/* Words that the table of single characters reads wrongly: names of places as the Ministry of Civil Affairs gives them in
 * pinyin (《中华人民共和国行政区划简册》), other words as in 《现代汉语词典》. Only words that names of items, departments and divisions use;
 * the longest that fits wins, rows are in no order. */
static const struct {
    const char *word, *reading;
} words[] = {
    {"重庆", "chong qing"},     {"长沙", "chang sha"},  {"长春", "chang chun"}, {"长治", "chang zhi"},
    {"长宁", "chang ning"},     {"长寿", "chang shou"}, {"长兴", "chang xing"}, {"长安", "chang an"},
    {"长江", "chang jiang"},    {"长期", "chang qi"},   {"长途", "chang tu"},   {"厦门", "xia men"},
    {"六安", "lu an"},          {"六合", "lu he"},      {"乐清", "yue qing"},   {"乐亭", "lao ting"},
    {"乐陵", "lao ling"},       {"番禺", "pan yu"},     {"蚌埠", "beng bu"},    {"东阿", "dong e"},
    {"铅山", "yan shan"},       {"涡阳", "guo yang"},   {"泌阳", "bi yang"},    {"浚县", "xun xian"},
    {"单县", "shan xian"},      {"都匀", "du yun"},     {"成都", "cheng du"},   {"首都", "shou du"},
    {"都江堰", "du jiang yan"}, {"洪洞", "hong tong"},  {"会稽", "kuai ji"},    {"会计", "kuai ji"},
    {"银行", "yin hang"},       {"行业", "hang ye"},    {"调解", "tiao jie"},   {"调整", "tiao zheng"},
    {"还款", "huan kuan"},      {"偿还", "chang huan"}, {"归还", "gui huan"},   {"还清", "huan qing"},
    {"提前还", "ti qian huan"}, {"重新", "chong xin"},  {"重复", "chong fu"},   {"给付", "ji fu"},
    {"供给", "gong ji"},        {"给予", "ji yu"},      {"投降", "tou xiang"},  {"自传", "zi zhuan"},
    {"传记", "zhuan ji"},       {"对称", "dui chen"},   {"角色", "jue se"},     {"校对", "jiao dui"},
    {"校准", "jiao zhun"},      {"率领", "shuai ling"}, {"校验", "jiao yan"},   {"藏族", "zang zu"},
    {"西藏", "xi zang"},        {"出差", "chu chai"},   {"殷都", "yin du"},     {"尉犁", "yu li"},
    {"覃塘", "qin tang"},
};

#define FIRST_A 0x3400u
#define FIRST_MAIN 0x4e00u

const char *pinyin_of(uint32_t rune)
{
    if (rune >= FIRST_MAIN && rune - FIRST_MAIN < array_count(readings_main))
        return syllables[readings_main[rune - FIRST_MAIN]];
    if (rune >= FIRST_A && rune - FIRST_A < array_count(readings_a))
        return syllables[readings_a[rune - FIRST_A]];
    return "";
}

/* The longest word that @text begins with; -1 for none. */
static int find_word(const char *text)
{
    int best = -1;
    size_t best_size = 0;
    for (size_t i = 0; i < array_count(words); i++) {
        size_t size = strlen(words[i].word);
        if (size > best_size && strncmp(text, words[i].word, size) == 0) {
            best = (int)i;
            best_size = size;
        }
    }
    return best;
}

/* The syllables of a word's reading, ü as u. */
static size_t put_word(const char *reading, struct pinyin_unit *ret, size_t max)
{
    size_t count = 0;
    while (*reading != '\0' && count < max) {
        size_t size = strcspn(reading, " ");
        (void)snprintf(ret[count].text, sizeof ret[count].text, "%.*s", (int)size, reading);
        for (char *c = ret[count].text; *c != '\0'; c++)
            *c = *c == 'v' ? 'u' : *c;
        count++;
        reading += size + (reading[size] == ' ');
    }
    return count;
}

static void put_rune(uint32_t rune, struct pinyin_unit *ret)
{
    *ret = (struct pinyin_unit){""};
    rune = utf8_fold_width(rune);
    if (rune >= 'A' && rune <= 'Z')
        rune += 'a' - 'A';
    if ((rune >= 'a' && rune <= 'z') || (rune >= '0' && rune <= '9'))
        ret->text[0] = (char)rune;
    else
        (void)snprintf(ret->text, sizeof ret->text, "%s", pinyin_of(rune));
}

size_t pinyin_split(const char *text, struct pinyin_unit *ret, size_t max)
{
    size_t count = 0;
    size_t left = strlen(text);
    while (left > 0 && count < max) {
        uint32_t rune = 0;
        size_t size = utf8_decode(text, left, &rune);
        int word = rune >= FIRST_A ? find_word(text) : -1;
        if (size == 0)
            break;
        if (word >= 0) {
            count += put_word(words[word].reading, ret + count, max - count);
            size = strlen(words[word].word);
        } else {
            put_rune(rune, &ret[count++]);
        }
        text += size;
        left -= size;
    }
    return count;
}
