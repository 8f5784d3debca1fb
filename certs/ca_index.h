/* The CA's register: every certificate it ever issued, which of them are revoked, and the number of the last CRL.
 *
 *   tongban-ca-index/v1
 *   crl <number>
 *   <serial> <code> <name> <not before> <not after> <revoked at, or -> <reason, or ->
 *
 * Seconds since 1970, one space between fields, oldest first. Rewritten as a whole. One thread.
 */
#ifndef TB_CERTS_CA_INDEX_H
#define TB_CERTS_CA_INDEX_H

#include "certs/pki.h"

/* text, value of CRLReason (RFC 5280 s5.3.1) */
#define CA_INDEX_REASONS(X)                                                                                            \
    X(UNSPECIFIED, "unspecified", 0)                                                                                   \
    X(KEY_COMPROMISE, "key-compromise", 1)                                                                             \
    X(SUPERSEDED, "superseded", 4)                                                                                     \
    X(CESSATION, "cessation", 5)

enum ca_index_reason {
#define X(name, text, value) CA_INDEX_##name = value,
    CA_INDEX_REASONS(X)
#undef X
};

struct ca_index_entry {
    char serial[PKI_SERIAL_TEXT_SIZE];
    uint32_t code;
    char name[NODE_NAME_BYTES_MAX + 1];
    uint64_t not_before_s, not_after_s;
    uint64_t revoked_s;          /* 0 = not revoked */
    enum ca_index_reason reason; /* of a revoked one */
};

struct ca_index {
    uint64_t crl_number;
    struct ca_index_entry *entries;
    size_t count, capacity;
};

/* An absent file is an empty index. Errors name file and line. Zero-initialise @index; ca_index_close() frees. */
int ca_index_load(struct ca_index *index, const char *path, struct err *e) WARN_UNUSED;
int ca_index_store(const struct ca_index *index, const char *path, struct err *e) WARN_UNUSED;
void ca_index_close(struct ca_index *index);

/* Copies @entry. ERR_LIMIT over CA_ENTRIES_MAX. */
int ca_index_add(struct ca_index *index, const struct ca_index_entry *entry, struct err *e) WARN_UNUSED;
struct ca_index_entry *ca_index_find(struct ca_index *index, const char *serial); /* NULL if never issued */

const char *ca_index_reason_text(enum ca_index_reason reason);
int ca_index_reason_parse(const char *text, enum ca_index_reason *ret, struct err *e) WARN_UNUSED;

#endif
