/* Unified social credit code (see uscc.h). */
#include "node/base/uscc.h"

#include <stdbool.h>
#include <string.h>

#include "node/base/xassert.h"

static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY"; /* GB 32100-2015: 31 characters */

/* Value in the alphabet above, -1 for a stranger. */
static int value_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

int uscc_form_fault(const char *code)
{
    for (int i = 0; i < USCC_SIZE; i++) {
        int value = value_of(code[i]);
        bool is_division = i >= 2 && i <= 7;
        if (value < 0 || (is_division && value > 9))
            return i;
    }
    return -1;
}

char uscc_check_char(const char *code)
{
    xassert(uscc_form_fault(code) < 0);
    int sum = 0;
    int weight = 1; /* 3^i mod 31 */
    for (int i = 0; i < 17; i++) {
        sum += value_of(code[i]) * weight;
        weight = weight * 3 % 31;
    }
    return alphabet[(31 - sum % 31) % 31];
}

char uscc_org_check_char(const char *code)
{
    static const int weights[8] = {3, 7, 9, 10, 5, 8, 4, 2};
    xassert(uscc_form_fault(code) < 0);
    int sum = 0;
    for (int i = 0; i < 8; i++) {
        char c = code[8 + i];
        int value = c <= '9' ? c - '0' : c - 'A' + 10; /* GB 11714 counts all 36 */
        sum += value * weights[i];
    }
    return "0123456789X"[(11 - sum % 11) % 11];
}
