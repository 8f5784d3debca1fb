/* The tables of a simulated disk: shared by disk.c, which writes them, and disk_read.c. */
#ifndef TB_SIM_DISK_H
#define TB_SIM_DISK_H

#include "node/store/store.h"

#define DISK_TABLE(type)                                                                                               \
    struct {                                                                                                           \
        type *rows;                                                                                                    \
        size_t count, capacity;                                                                                        \
    }

struct book { /* entries of one ledger, ascending by index */
    uint32_t origin;
    struct store_entry *rows;
    size_t count, capacity;
};

struct stream { /* own leaves addressed to one recipient, ascending */
    uint32_t recipient;
    struct store_addressed *rows;
    size_t count, capacity;
};

struct disk {
    struct sim_node *owner;
    /* ledger.db and keys.db */
    DISK_TABLE(struct book) books;
    DISK_TABLE(struct stream) streams;
    DISK_TABLE(struct store_tile) tiles;
    DISK_TABLE(struct store_replica) replicas;
    DISK_TABLE(struct store_ack) acks;
    DISK_TABLE(struct store_case) cases;
    DISK_TABLE(struct store_item) items;
    DISK_TABLE(struct store_bundle) bundles;
    DISK_TABLE(struct store_request) requests;
    DISK_TABLE(struct store_counter) counters;
    DISK_TABLE(struct store_key) keys;
    DISK_TABLE(struct store_note) notes;
    DISK_TABLE(struct store_erasure) erasures;
    DISK_TABLE(struct store_hold) holds;
    DISK_TABLE(struct store_evidence) evidences;
    DISK_TABLE(struct store_cover) covers;
    DISK_TABLE(struct store_proof) proofs;
    DISK_TABLE(struct store_pull) pulls;
    DISK_TABLE(struct store_fork) forks;
    DISK_TABLE(struct store_due) dues;
    DISK_TABLE(struct store_publicity) publicities;
    /* heads.db */
    struct store_head head, head_synced; /* as swapped in; as a power failure leaves it */
    bool head_unsynced;
    DISK_TABLE(struct store_witness) witnesses;
    bool has_heads; /* a copy: heads.db is in it */
};

uint64_t disk_size(const struct disk *d); /* own leaves */

#endif
