/* Receipts in all four forms: whatever is read becomes a proof text that has the same short form again, and a verdict. */
#include "federation/ledger/receipt.h"
#include "node/base/xassert.h"
#include "node/receipt/receipt_file.h"
#include "node/receipt/receipt_page.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The policy of the corpus. */
static const char policy_text[] =
    "log 110000.tongban.example/log/1+4c40cbd1+Adu1ZkJDUerbfmHFxHog8Q3PvE2ooG0J68XLFr/nxC4c\n"
    "witness a 110000.tongban.example/witness+23554072+BAmzaDOmeqK7aflgCXvXR6DSRq3HX3O21CIJQ5b8GkHM\n"
    "witness b 120000.tongban.example/witness+ab9532a9+BDgXg1VA5JcriPnyUcWvk1lVIGtMq0zt4TyKAOVgoZ6I\n"
    "witness c 130000.tongban.example/witness+149fc2f1+BHNp3hHP0OklTOuakS2zB/RxVz+2Hil77yT4smN2siCN\n"
    "witness d 140000.tongban.example/witness+1e233e73+BAM0M2nNceEaHCZU+6lwvyBPg9UPZZV5jduOVDO8cjsX\n"
    "group g 3 a b c d\n"
    "quorum g\n";

/* A proof text that opens has a short form, which stands for the same entry under the same checkpoint. */
static void check_compact(struct bytes text, const struct policy *policy, struct arena *mem,
                          const struct receipt *receipt)
{
    struct receipt *again = arena_alloc(mem, sizeof *again);
    struct buf compact = {0}, back = {0};
    if (receipt_to_compact(text, policy, 0, &compact, NULL) == 0) {
        int rc = receipt_from_compact(buf_bytes(&compact), policy, &back, NULL);
        xassert(rc == 0);
        rc = receipt_open(buf_bytes(&back), policy, mem, again, NULL);
        xassert(rc == 0 && again->is_final == receipt->is_final);
        xassert(merkle_hash_equal(&again->leaf_hash, &receipt->leaf_hash));
        xassert(bytes_equal(again->opened.body, receipt->opened.body));
    }
    buf_close(&compact);
    buf_close(&back);
}

/* A text that is as it was given out gives itself; a page is judged to its end. */
static void check_exact(struct bytes file, enum receipt_form form, struct bytes text, const struct policy *policy)
{
    struct buf exact = {0};
    if (receipt_file_check_exact(file, form, text, policy, NULL) == 0) {
        int rc = receipt_to_exact(text, policy, &exact, NULL);
        xassert(rc == 0 && bytes_equal(text, buf_bytes(&exact)));
    }
    int rc = form == RECEIPT_FORM_PAGE ? receipt_page_check(file, text, policy, NULL, NULL) : 0;
    xassert(rc <= 0);
    buf_close(&exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena kept = ARENA_INIT;
    static struct policy policy;
    if (policy.log_count == 0) {
        int rc = policy_parse(bytes_of(policy_text, sizeof policy_text - 1), &kept, &policy, NULL);
        xassert(rc == 0);
    }
    struct arena mem = ARENA_INIT;
    struct receipt *receipt = arena_alloc(&mem, sizeof *receipt);
    struct buf text = {0};
    enum receipt_form form;
    if (receipt_file_read(bytes_of(data, size), &policy, &text, &form, NULL) == 0 &&
        receipt_open(buf_bytes(&text), &policy, &mem, receipt, NULL) == 0) {
        check_compact(buf_bytes(&text), &policy, &mem, receipt);
        check_exact(bytes_of(data, size), form, buf_bytes(&text), &policy);
    }
    struct receipt_page page;
    int rc = receipt_page_parse_data(bytes_of(data, size), &policy, &mem, &page, NULL);
    xassert(rc <= 0);
    buf_close(&text);
    arena_close(&mem);
    return 0;
}
