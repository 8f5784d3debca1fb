/* Unified social credit code (统一社会信用代码, GB 32100-2015): its form and its two check characters. Pure arithmetic,
 * used by the catalog (departments, item codes) and by the identity checks of node/cases.
 *
 *   91440300TEMP0003XW    9 registering authority · 1 class · 440300 division · TEMP0003X organisation code with its
 *                         own check (GB 11714) · W check of the whole
 *
 * Some codes in real use fail a check character, so that what a wrong one means is the caller's decision. */
#ifndef TB_BASE_USCC_H
#define TB_BASE_USCC_H

#define USCC_SIZE 18

/* Index of the first character that may not stand there, -1 when the form is right: 0-9A-Z without I O S V Z, digits
 * for the division. Reads USCC_SIZE characters of @code. */
int uscc_form_fault(const char *code);

/* The check characters that the other characters ask for. The form of @code must be right. */
char uscc_check_char(const char *code);     /* belongs at index 17 */
char uscc_org_check_char(const char *code); /* belongs at index 16 */

#endif
