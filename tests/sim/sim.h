/* Simulator: whole federations of the daemon's own engines in one process, one clock, one seed (README.md).
 *
 *   world.c   a run: options drawn from the seed, the faults, healing, the end      work.c   what people do at the nodes
 *   shell.c   loop, clock, chance, log, signatures, writer: what a machine gives    net.c    the network between them
 *   disk.c    a node's disk: atomic batches, crash between any two                  heap.c   a node's memory, gone in a crash
 *   check.c, check_case.c   the invariants                                          mutants.c, main.c   running it
 *
 * One thread. Everything of a run lives in `the_sim`; nothing in it depends on addresses or on the machine.
 */
#ifndef TB_SIM_SIM_H
#define TB_SIM_SIM_H

#include "federation/ledger/crange.h"
#include "federation/link.h"
#include "node/base/mutant.h"
#include "node/base/prng.h"
#include "node/engine.h"
#include "node/ledger.h"
#include "node/store/store.h"

#define SIM_NODES_MAX 9u
#define SIM_SLOTS_MAX (SIM_NODES_MAX + 1u) /* one more: the second copy of a forker */
#define SIM_NONE UINT32_MAX

struct sim_node;
struct disk;

/* ---- memory (heap.c) ---- */

struct sim_heap;
struct sim_heap *sim_heap_create(void);
void sim_heap_clear(struct sim_heap *h); /* everything in it is gone */
void sim_heap_destroy(struct sim_heap *h);
/* Allocations of this process go to @h (NULL: the ordinary heap) until the next call; returns what was before. */
struct sim_heap *sim_heap_use(struct sim_heap *h);
/* Memory of the run, freed at its end. Zeroed. */
void *sim_alloc(size_t size);
struct bytes sim_copy(struct bytes b);
void sim_alloc_reset(void); /* frees it */
/* Room for one more element of an array of the run: the slot, zeroed. */
void *sim_push(void **array, size_t *count, size_t *capacity, size_t element_size);

/* ---- disk (disk.c) ---- */

/* The moments of a write at which the machine may stop. */
enum disk_point {
    DISK_COMMIT_BEGIN, /* nothing is there */
    DISK_COMMIT_KEYS,  /* keys.db */
    DISK_COMMIT_MAIN,  /* and ledger.db */
    DISK_COMMIT_END,   /* and heads.db: durable, and nobody was told */
    DISK_SWAP_BEGIN,
    DISK_SWAP_END, /* there, and gone if the power fails */
    DISK_SYNC,     /* the head is to become durable */
    DISK_POINT_COUNT
};
enum disk_fault { DISK_OK, DISK_CRASH, DISK_IO, DISK_FULL };

struct disk *disk_create(struct sim_node *owner);
/* A copy as of now: @with_heads false leaves heads.db out (a backup). */
struct disk *disk_copy(const struct disk *d, struct sim_node *owner, bool with_heads);
/* Puts a backup back: heads.db stays as it is unless the copy has it. */
void disk_restore(struct disk *d, const struct disk *copy);
/* What was not synced is gone. */
void disk_power_failure(struct disk *d);

/* For the checkers. All borrowed until the next write. */
const struct store_entry *disk_entry(const struct disk *d, uint32_t origin, uint64_t index); /* NULL: not held */
size_t disk_entries(const struct disk *d, uint32_t origin, const struct store_entry **ret);
const struct store_replica *disk_replica(const struct disk *d, uint32_t origin);
const struct store_head *disk_head(const struct disk *d);
const struct store_witness *disk_witness(const struct disk *d, const char *origin);
size_t disk_evidence(const struct disk *d, const struct store_evidence **ret);
size_t disk_cases(const struct disk *d, const struct store_case **ret);
bool disk_is_erased(const struct disk *d, const uint8_t case_id[16]);
struct store_reader *disk_reader(struct disk *d);

/* ---- nodes ---- */

struct sim_counts {
    uint64_t batches, heads_checked, cosigned, finals, cases, effects, decisions, delivered, acked, crashes, restores,
        frozen, alarms, withheld, erased, messages, supervised, handovers, recovered, pulls_ahead;
};

struct loop; /* shell.c */

struct sim_node {
    unsigned slot;
    uint32_t code;
    bool used;
    bool alive;     /* the process runs */
    bool started;   /* it has asked the others and works */
    bool dead;      /* never started again */
    bool crash_now; /* the machine has stopped; whoever holds it on the stack returns first */
    bool full;      /* no space on its disk */
    unsigned epoch; /* counts starts: what belongs to an earlier one is void */
    struct sim_heap *heap;
    struct engine engine;
    struct config config;
    struct loop *loop;
    struct link *link;
    struct ledger_writer *writer; /* NULL = its store is not open */
    struct disk *disk;
    struct disk *backup; /* without heads.db */
    struct disk *image;  /* of everything, which nobody should put back */
    struct note_signer signer, witness;
    int64_t skew_ms;    /* of its wall clock */
    uint64_t boot_ms;   /* its monotonic clock began */
    struct prng chance; /* what crypto_random() gives it */
    uint64_t mutants;   /* set of enum mutant: its own faults */
    uint64_t job_ms_max;
    uint32_t batch_bytes; /* what it asks its peers for at once */
    /* faults of the node itself */
    bool is_forker, is_omitter, is_replayer, is_byzantine;
    bool heads_lost;    /* its heads.db went back once: what it cosigned before is forgotten */
    bool went_back;     /* an older copy was put back */
    uint32_t hide_from; /* omitter: set of slots */
    uint64_t hide_permille;
    bool hides;
};

struct sim_options {
    unsigned node_count;
    uint64_t fault_ms, heal_ms;
    uint32_t loss_permille, duplicate_permille, delay_ms_max, slow_permille;
    uint32_t crash_permille, disk_fault_permille, cut_permille, skew_permille, restore_permille;
    uint32_t work_ms;
    bool has_forker, has_rollback, has_omitter, has_replayer, has_clock_back, has_illegal, has_stuffer, has_dead;
};

/* ---- events ---- */

enum sim_event_kind {
    SIM_TURN,
    SIM_TIMER,
    SIM_JOB,
    SIM_SYNC,
    SIM_PACKET,
    SIM_LINK,
    SIM_START,
    SIM_WORLD,
    SIM_CALL_END
};

struct sim_event {
    uint64_t at_ms;
    uint64_t order; /* among those of one time */
    enum sim_event_kind kind;
    unsigned slot;
    unsigned epoch;
    void *ptr;
    uint64_t value;
};

struct sim {
    uint64_t seed;
    uint64_t now_ms;
    uint64_t wall_ms; /* at time 0 */
    struct prng prng;
    struct sim_options options;
    struct sim_node nodes[SIM_SLOTS_MAX];
    unsigned slot_count;
    struct members members;
    struct sim_node *current; /* whose code runs */
    struct sim_event *events; /* heap */
    size_t event_count, event_capacity;
    uint64_t event_number, step_count;
    uint64_t mutants;  /* of every node */
    bool trace;        /* print it */
    bool keeps_trace;  /* or keep its last lines for sim_print_trace() */
    bool calm;         /* no faults: healed, or for a while */
    bool is_ending;    /* healed for good */
    unsigned rolled;   /* calm until this slot has started; SIM_NONE = nobody */
    uint64_t group_ms; /* forker: when its friends change next */
    struct sim_counts counts;
    /* the first violation ends the run */
    bool failed;
    char checker[8];
    char failure[512];
};
extern struct sim the_sim;

uint64_t sim_below(uint64_t bound);
bool sim_chance(uint32_t permille);
void sim_post(enum sim_event_kind kind, uint64_t delay_ms, unsigned slot, void *ptr, uint64_t value);
struct sim_node *sim_by_code(uint32_t code); /* the first copy */
const char *sim_name(const struct sim_node *n);

/* Runs @work as @n: its memory, its clock. */
struct sim_scope {
    struct sim_node *node;
    struct sim_heap *heap;
};
struct sim_scope sim_enter(struct sim_node *n);
void sim_leave(struct sim_scope before);

void sim_trace(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* @checker: "L1" … "I10", and "D" durable before said, "E" evidence, "X" the program stopped itself. */
void sim_violation(const char *checker, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- shell.c ---- */

struct loop *sim_loop_create(struct sim_node *n);
void sim_loop_turn(struct sim_node *n);
void sim_loop_timer(struct sim_node *n, const struct sim_event *event);
void sim_writer_job(struct sim_node *n, void *writer);
void sim_writer_sync(struct sim_node *n, void *writer);
struct crypto_signer *sim_signer_create(uint32_t code, bool is_witness);

/* ---- net.c ---- */

void net_reset(void);
struct link *net_open(struct sim_node *n);
void net_down(struct sim_node *n); /* it has stopped: its connections break */
void net_event(const struct sim_event *event);
void net_cut(unsigned from, unsigned to, bool cut); /* one direction */
bool net_is_cut(unsigned from, unsigned to);
void net_heal(void);
/* Which copy of @code talks with slot @from. */
unsigned net_route(unsigned from, uint32_t code);
void net_split(uint32_t group); /* forker: slots in @group talk with the second copy */

/* ---- tamper.c ---- */

/* What an omitter makes of an answer to slot @to. */
struct bytes net_tamper(struct sim_node *n, unsigned to, struct bytes message);

/* ---- world.c ---- */

void world_crash(struct sim_node *n, const char *why);
void world_start(struct sim_node *n);
enum disk_fault world_disk_fault(struct sim_node *n, enum disk_point point);
void world_alarm(struct sim_node *n, int level, const char *subject, const char *id, const char *text);
/* True: no violation. @mutants: set of enum mutant that every node has. */
enum sim_trace { SIM_TRACE_NONE, SIM_TRACE_KEEP, SIM_TRACE_PRINT };
bool sim_run(uint64_t seed, uint64_t mutants, enum sim_trace trace);
void sim_print_trace(void); /* the last lines that were kept */

/* ---- mutants.c ---- */

/* Every mutant over up to @seeds_max seeds. Returns how many were not found as they should. */
unsigned mutants_run(uint64_t first_seed, uint64_t seeds_max, unsigned part, unsigned parts);

/* ---- work.c ---- */

void work_reset(void);
void work_step(void); /* somebody does something somewhere */
void work_heal(void); /* people finish: supervise frozen cases, acknowledge */
void work_end(void);  /* checks what was acknowledged */

/* ---- check.c ---- */

void check_reset(void);
void check_commit(struct sim_node *n, const struct store_batch *b);
void check_swap(struct sim_node *n, const struct store_head *head);
void check_witness(struct sim_node *n, const struct store_witness *w);
void check_signed(uint32_t code, bool is_witness, struct bytes message);
void check_message(struct sim_node *from, struct bytes message); /* leaves the node */
void check_started(struct sim_node *n);
void check_acked(struct sim_node *at, uint64_t first, uint32_t count); /* a command was said to be durable */
void check_peer_acked(struct sim_node *at, uint32_t peer, uint64_t size);
void check_alarm(struct sim_node *n, uint32_t about, const char *id);
bool check_is_final(const char **ret_what); /* everything has converged */
void check_end(void);
void check_hidden(struct sim_node *author, unsigned follower, uint64_t index);
void check_forked(struct sim_node *author);
void check_restored(struct sim_node *n);
bool check_is_head_lost(const struct sim_node *n); /* a power failure took back what it had signed */
uint64_t check_unseen(const struct sim_node *n);   /* signed own entries that no running node knows of */

/* ---- check_case.c ---- */

void check_case_reset(void);
void check_case_commit(struct sim_node *n, const struct store_batch *b);
void check_case_rows(struct sim_node *n);
void check_case_restored(const struct sim_node *n);
void check_case_end(void);

#endif
