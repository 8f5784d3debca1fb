/* What a receipt that opened says, in values and in words: the same for the page and for `tongban receipt verify`. Pure, any
 * thread.
 */
#ifndef TB_RECEIPT_RECEIPT_FACTS_H
#define TB_RECEIPT_RECEIPT_FACTS_H

#include "federation/ledger/receipt.h"
#include "federation/members.h"

#define RECEIPT_FACTS_LINES_MAX 8

/* A sentence in Chinese and in English. */
struct receipt_line {
    const char *zh, *en;
};

struct receipt_witness {
    const char *name; /* the member's, else the policy's */
    uint32_t code;    /* of the member; 0 = unknown */
    uint64_t time_s;
    bool is_own; /* it is the ledger's keeper itself: its word adds nothing */
};

/* Texts live in the arena, or belong to receipt, policy and members. NULL: the receipt does not say. */
struct receipt_facts {
    const char *origin;    /* of the ledger: the name of its key */
    const char *node_name; /* of the member whose ledger it is */
    uint32_t node_code;    /* 0 = unknown */
    uint64_t index, size;  /* entry number, and how many entries the checkpoint covers */
    const char *case_id;   /* hex; NULL: the entry is about no case */
    const char *act;       /* wire name of the event, or of the kind of leaf */
    const char *act_zh;
    struct receipt_line title;
    const char *number;    /* 办件编码 */
    const char *item_code; /* code of the service item */
    uint32_t service;      /* of every entry: first 4 bytes of SHA-256(item code); 0 = none */
    uint32_t lead_code;    /* deciding node that the entry names; 0 = none */
    const char *lead_name;
    const char *decision; /* "grant" or "deny" */
    const char *decision_zh;
    const char *reason_code;
    uint64_t author_ms; /* by the author's clock */
    uint64_t first_s;   /* earliest cosignature; 0 = none */
    uint64_t
        quorum_s; /* when the last cosignature that the quorum needs was there; 0 = it is not reached, or none is asked for */
    struct receipt_witness *witnesses; /* by time */
    size_t witness_count;
    size_t needed, of; /* fewest witnesses that reach the quorum, of how many; 0 of 0: the policy asks for none */
    bool is_final;
    struct receipt_line proven[RECEIPT_FACTS_LINES_MAX], not_proven[RECEIPT_FACTS_LINES_MAX];
    size_t proven_count, not_proven_count;
};

/* @members may be NULL: nodes are then named by their ledger's origin. ERR_VERIFY receipt.member-key (the member list has
 * another key for this ledger), receipt.author (the entry names another node than that of the ledger). */
int receipt_facts_of(const struct receipt *r, const struct policy *policy, const struct members *members,
                     struct arena *mem, struct receipt_facts *ret, struct err *e) WARN_UNUSED;

/* "2026-11-24 09:02:03", China Standard Time, in @mem; a time past the year 9999 as the number of its seconds. */
const char *receipt_facts_time(struct arena *mem, uint64_t seconds);

#endif
