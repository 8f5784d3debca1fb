/* A run: what the seed chose, the queue of events, births and deaths of nodes, faults, and at the end the healing.
 *
 * Two phases (as TigerBeetle's simulator has them): first faults of all kinds while people work; whatever happens then, the
 * safety invariants hold. Then everything heals and nobody disturbs any more: the federation has to converge within a bounded
 * time, or the liveness invariant (L7) is broken. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/load.h"
#include "node/app_internal.h"
#include "node/cases/rules.h"
#include "tests/sim/sim.h"

#define TICK_MS 400u
#define FINAL_EVERY_MS 1000u
#define STEPS_MAX 3000000u /* a run has some thousands */

struct sim the_sim;

static const uint32_t codes[SIM_NODES_MAX] = {
    RULES_NODE_NATIONAL, 120000, 310000, 330000, 370000, 440000, 510000, 520000, 650000};

/* ---- chance, trace, violations ---- */

uint64_t sim_below(uint64_t bound)
{
    return bound == 0 ? 0 : prng_below(&the_sim.prng, bound);
}

bool sim_chance(uint32_t permille)
{
    return permille > 0 && prng_below(&the_sim.prng, 1000) < permille;
}

const char *sim_name(const struct sim_node *n)
{
    static char text[4][16];
    static unsigned next;
    char *out = text[next++ % 4];
    if (n == NULL)
        return "-";
    (void)snprintf(out, sizeof text[0], "%u%s", n->code, n->slot >= the_sim.options.node_count ? "'" : "");
    return out;
}

#define KEPT_LINES 80u

static struct {
    char lines[KEPT_LINES][240];
    size_t count;
} kept;

void sim_trace(const char *fmt, ...)
{
    char *line = kept.lines[kept.count % KEPT_LINES];
    va_list args;
    if (!the_sim.trace && !the_sim.keeps_trace)
        return;
    int head = snprintf(line, sizeof kept.lines[0], "%8llu ms  ", (unsigned long long)the_sim.now_ms);
    va_start(args, fmt);
    (void)vsnprintf(line + head, sizeof kept.lines[0] - (size_t)head, fmt, args);
    va_end(args);
    if (the_sim.trace)
        (void)puts(line);
    else
        kept.count++;
}

void sim_print_trace(void)
{
    size_t first = kept.count > KEPT_LINES ? kept.count - KEPT_LINES : 0;
    if (first > 0)
        (void)printf("     … %zu lines before\n", first);
    for (size_t i = first; i < kept.count; i++)
        (void)puts(kept.lines[i % KEPT_LINES]);
    kept.count = 0;
}

void sim_violation(const char *checker, const char *fmt, ...)
{
    va_list args;
    if (the_sim.failed)
        return;
    the_sim.failed = true;
    (void)snprintf(the_sim.checker, sizeof the_sim.checker, "%s", checker);
    va_start(args, fmt);
    (void)vsnprintf(the_sim.failure, sizeof the_sim.failure, fmt, args);
    va_end(args);
    sim_trace("VIOLATION %s: %s", checker, the_sim.failure);
}

/* ---- events ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void sim_post(enum sim_event_kind kind, uint64_t delay_ms, unsigned slot, void *ptr, uint64_t value)
{
    struct sim *s = &the_sim;
    struct sim_heap *heap = sim_heap_use(NULL);
    (void)sim_push((void **)&s->events, &s->event_count, &s->event_capacity, sizeof *s->events);
    (void)sim_heap_use(heap);
    struct sim_event e = {.at_ms = s->now_ms + delay_ms,
                          .order = s->event_number++,
                          .kind = kind,
                          .slot = slot,
                          .epoch = s->nodes[slot].epoch,
                          .ptr = ptr,
                          .value = value};
    size_t at = s->event_count - 1;
    while (at > 0 && is_before(&e, &s->events[(at - 1) / 2])) {
        s->events[at] = s->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->events[at] = e;
}

static struct sim_event take_event(void)
{
    struct sim *s = &the_sim;
    struct sim_event first = s->events[0], last = s->events[--s->event_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->event_count)
            break;
        if (child + 1 < s->event_count && is_before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!is_before(&s->events[child], &last))
            break;
        s->events[at] = s->events[child];
        at = child;
    }
    if (s->event_count > 0)
        s->events[at] = last;
    return first;
}

struct sim_scope sim_enter(struct sim_node *n)
{
    struct sim_scope before = {.node = the_sim.current, .heap = sim_heap_use(n->heap)};
    the_sim.current = n;
    return before;
}

void sim_leave(struct sim_scope before)
{
    the_sim.current = before.node;
    (void)sim_heap_use(before.heap);
}

struct sim_node *sim_by_code(uint32_t code)
{
    for (unsigned i = 0; i < the_sim.options.node_count; i++)
        if (the_sim.nodes[i].code == code)
            return &the_sim.nodes[i];
    return NULL;
}

/* ---- births and deaths ---- */

static void on_asked(void *ctx)
{
    struct sim_node *n = ctx;
    sim_trace("%s works: %llu own entries", sim_name(n), (unsigned long long)ledger_size(n->engine.ledger));
    check_started(n);
    n->started = true;
    engine_start(&n->engine);
}

static struct catalog *make_catalog(uint32_t code)
{
    static const char form[] =
        "{\"format\":\"tongban-catalog/1\",\"node\":%u,\"version\":1,\"items\":[{\"code\":\"SIM%06u\","
        "\"basic_code\":\"0020KSTB0001\",\"name\":\"学历公证\",\"type\":\"20\",\"level\":2,\"division\":%u,"
        "\"department\":{\"name\":\"厅\"},\"subject\":[\"自然人\"],\"modes\":[],"
        "\"status\":\"在用\",\"version\":1,\"source\":{\"text\":\"-\",\"certainty\":\"seen\"},\"legal_basis\":[\"-\"]}]"
        "}";
    char text[1024];
    struct catalog *c = NULL;
    struct err e = {0};
    int size = snprintf(text, sizeof text, form, code, code, code);
    if (catalog_load_text(bytes_of(text, (size_t)size), "catalog", &(struct load_expect){.node = code}, &c, NULL, &e) !=
        0)
        sim_violation("X", "the simulator's catalog: %s", e.message);
    return c;
}

void world_crash(struct sim_node *n, const char *why)
{
    if (!n->alive)
        return;
    sim_trace("%s stops: %s", sim_name(n), why);
    the_sim.counts.crashes++;
    if (n->crash_now)
        disk_power_failure(n->disk);
    n->writer = NULL;
    n->alive = n->started = n->crash_now = false;
    n->epoch++;
    n->engine = (struct engine){0};
    sim_heap_clear(n->heap);
    net_down(n);
    if (!n->dead)
        sim_post(SIM_START, the_sim.calm ? 100 : 20 + sim_below(sim_chance(200) ? 15000 : 1500), n->slot, NULL, 0);
}

void world_start(struct sim_node *n)
{
    struct err e = {0};
    if (n->alive || n->dead)
        return;
    struct sim_scope scope = sim_enter(n);
    n->epoch++;
    n->alive = true;
    n->boot_ms = the_sim.now_ms;
    sim_trace("%s starts", sim_name(n));
    n->loop = sim_loop_create(n);
    struct engine_parts parts = {.config = &n->config,
                                 .members = &the_sim.members,
                                 .catalog = n->code == RULES_NODE_NATIONAL ? NULL : make_catalog(n->code),
                                 .signer = &n->signer,
                                 .witness = &n->witness,
                                 .loop = n->loop,
                                 .batch_bytes = n->batch_bytes,
                                 .on_asked = on_asked,
                                 .ctx = n};
    int rc = engine_open(&n->engine, &parts, &e);
    if (rc == 0) {
        n->link = net_open(n);
        engine_set_link(&n->engine, n->link);
        if (!engine_ask(&n->engine))
            on_asked(n);
    }
    sim_leave(scope);
    if (rc == ERR_CORRUPT || rc == ERR_CONFLICT)
        sim_violation("L6", "%s does not open its own store: %s", sim_name(n), e.message);
    if (rc != 0)
        world_crash(n, e.message);
}

enum disk_fault world_disk_fault(struct sim_node *n, enum disk_point point)
{
    static const char *const names[DISK_POINT_COUNT] = {
        "before a commit",      "after the keys of a commit", "inside a commit",     "after a commit",
        "before a head's swap", "after a head's swap",        "before a head's sync"};
    const struct sim_options *o = &the_sim.options;
    if (the_sim.calm)
        return DISK_OK;
    if (n->full && (point == DISK_COMMIT_BEGIN || point == DISK_SWAP_BEGIN))
        return DISK_FULL;
    if (sim_chance(o->crash_permille)) {
        sim_trace("%s: the machine stops %s", sim_name(n), names[point]);
        n->crash_now = true;
        return DISK_CRASH;
    }
    if (sim_chance(o->disk_fault_permille)) {
        sim_trace("%s: the disk refuses %s", sim_name(n), names[point]);
        return DISK_IO;
    }
    return DISK_OK;
}

void world_alarm(struct sim_node *n, int level, const char *subject, const char *id, const char *text)
{
    (void)text;
    (void)level;
    if (n == NULL)
        return;
    the_sim.counts.alarms++;
    check_alarm(n, subject == NULL ? 0 : (uint32_t)strtoul(subject, NULL, 10), id);
}

/* ---- options ---- */

static uint32_t draw(uint32_t often_permille, uint32_t max)
{
    return sim_chance(often_permille) ? 1 + (uint32_t)sim_below(max) : 0;
}

/* Swarm: each fault is there or not, so that now and then one is alone with its consequences. */
static void draw_options(struct sim_options *o)
{
    o->node_count = 3 + (unsigned)sim_below(sim_chance(250) ? 7 : 3);
    o->fault_ms = 8000 + sim_below(sim_chance(100) ? 60000 : 14000);
    o->heal_ms = 240000;
    o->work_ms = 60 + (uint32_t)sim_below(500);
    o->loss_permille = draw(500, 150);
    o->duplicate_permille = draw(500, 100);
    o->delay_ms_max = 2 + (uint32_t)sim_below(sim_chance(300) ? 400 : 40);
    o->slow_permille = draw(300, 30);
    o->crash_permille = draw(500, 12);
    o->disk_fault_permille = draw(300, 10);
    o->cut_permille = draw(600, 250);
    o->skew_permille = draw(400, 60);
    o->restore_permille = draw(300, 60);
    o->has_forker = o->node_count >= 4 && sim_chance(180);
    o->has_rollback = !o->has_forker && sim_chance(220);
    o->has_omitter = sim_chance(200);
    o->has_replayer = sim_chance(150);
    o->has_clock_back = sim_chance(150);
    o->has_illegal = sim_chance(200);
    o->has_stuffer = o->node_count >= 6 && sim_chance(200);
    o->has_dead = o->node_count >= 5 && sim_chance(100);
}

static void make_node(unsigned slot, uint32_t code)
{
    struct sim_node *n = &the_sim.nodes[slot];
    bool has_national = the_sim.members.list[0].code == RULES_NODE_NATIONAL;
    *n = (struct sim_node){.slot = slot, .code = code, .used = true};
    n->heap = sim_heap_create();
    n->disk = disk_create(n);
    n->job_ms_max = 1 + sim_below(sim_chance(150) ? 400 : 20);
    prng_init(&n->chance, the_sim.seed * 64 + slot);
    config_defaults(&n->config);
    n->config.dir = "/sim";
    n->config.region = code;
    n->config.name = "节点";
    n->config.listen = n->config.data = "";
    n->config.reconcile_hour = APP_RECONCILE_NEVER;
    n->config.erase_alarm_s = 604800;
    n->config.heads_busy_s = 1 + (uint32_t)sim_below(4);
    n->config.heads_idle_s = 5 + (uint32_t)sim_below(6);
    n->config.heads_stale_s = 60;
    n->config.witness_round_ms = 500 + (uint32_t)sim_below(2500);
    static const uint32_t batch_bytes[] = {0, 0, 300, 1000, 4000}; /* a backlog in many pieces, too; 0: the default */
    n->batch_bytes = batch_bytes[sim_below(array_count(batch_bytes))];
    if (has_national && code != RULES_NODE_NATIONAL) {
        n->config.mirrors[0] = RULES_NODE_NATIONAL;
        n->config.mirror_count = 1;
    }
}

static void make_keys(struct sim_node *n, struct member *m)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%u.sim/log/1", n->code);
    int rc = note_signer_init(name, NOTE_TYPE_ED25519, sim_signer_create(n->code, false), &n->signer, NULL);
    (void)snprintf(name, sizeof name, "%u.sim/witness", n->code);
    if (rc == 0)
        rc = note_signer_init(name, NOTE_TYPE_COSIGNATURE, sim_signer_create(n->code, true), &n->witness, NULL);
    xassert(rc == 0);
    *m = (struct member){.code = n->code, .name = "节点", .url = "", .key = n->signer.key, .witness = n->witness.key};
    put_be32(m->seal_key, n->code);
}

static void make_world(void)
{
    struct sim *s = &the_sim;
    unsigned count = s->options.node_count;
    unsigned first = sim_chance(700) ? 0 : 1; /* with the national node, which may supervise */
    if (first + count > SIM_NODES_MAX)
        first = 0;
    s->members.list = sim_alloc(count * sizeof *s->members.list);
    s->members.count = count;
    s->members.version = 1;
    (void)snprintf(s->members.federation, sizeof s->members.federation, "sim");
    s->slot_count = count;
    s->members.list[0].code = codes[first];
    for (unsigned i = 0; i < count; i++) {
        make_node(i, codes[first + i]);
        make_keys(&s->nodes[i], &s->members.list[i]);
    }
}

static struct sim_node *any_province(void)
{
    unsigned first = the_sim.nodes[0].code == RULES_NODE_NATIONAL;
    return &the_sim.nodes[first + sim_below(the_sim.options.node_count - first)];
}

static void make_byzantine(void)
{
    const struct sim_options *o = &the_sim.options;
    struct sim_node *n = any_province();
    if (o->has_omitter) {
        n->is_omitter = n->is_byzantine = n->hides = true;
        n->hide_permille = 50 + sim_below(400);
        n->hide_from = (uint32_t)prng_next(&the_sim.prng);
    }
    n = sim_chance(500) ? n : any_province();
    if (o->has_replayer)
        n->is_replayer = n->is_byzantine = true;
    if (o->has_clock_back)
        n->mutants |= UINT64_C(1) << MUTANT_clock_back;
    if (o->has_illegal)
        any_province()->mutants |= UINT64_C(1) << MUTANT_command_unchecked;
    if (o->has_stuffer) {
        n = any_province();
        n->is_byzantine = true;
        n->mutants |= UINT64_C(1) << MUTANT_cosign_unproven | UINT64_C(1) << MUTANT_cosign_any_old;
    }
}

/* ---- faults ---- */

/* From now on there are two of it, with one key, and each has its friends. */
static void choose_friends(const struct sim_node *n)
{
    uint32_t group = 0;
    unsigned count = the_sim.options.node_count;
    for (unsigned i = 0; i < count; i++)
        if (i != n->slot && (sim_chance(500) || group == 0))
            group |= 1u << i;
    group &= ~(1u << (n->slot == 0 ? count - 1 : 0)); /* somebody stays with the first */
    net_split(group);
    the_sim.group_ms = the_sim.now_ms + 5000 + sim_below(20000);
    sim_trace("the second %s talks with the set %x", sim_name(n), group);
    for (unsigned i = 0; i < the_sim.slot_count; i++)
        for (unsigned k = 0; k < the_sim.slot_count; k++)
            if (i != k && (the_sim.nodes[i].code == n->code || the_sim.nodes[k].code == n->code))
                sim_post(SIM_LINK, sim_below(100), i, NULL, k);
}

static void fork_node(void)
{
    struct sim_node *n = any_province(), *copy = &the_sim.nodes[the_sim.slot_count];
    if (!n->alive || !n->started || n->went_back || disk_head(n->disk)->size < 3)
        return;
    make_node(the_sim.slot_count, n->code);
    copy->signer = n->signer;
    copy->witness = n->witness;
    copy->disk = disk_copy(n->disk, copy, true);
    n->is_forker = n->is_byzantine = copy->is_forker = copy->is_byzantine = true;
    n->mutants |= UINT64_C(1) << MUTANT_behind_ignored; /* what others hold of the other one stops neither */
    copy->mutants = n->mutants;
    the_sim.slot_count++;
    check_forked(n);
    sim_trace("%s is there twice, from entry %llu on", sim_name(n), (unsigned long long)disk_head(n->disk)->size);
    the_sim.options.has_forker = false;
    world_start(copy);
    choose_friends(n);
}

static void cut_something(void)
{
    unsigned count = the_sim.slot_count;
    unsigned a = (unsigned)sim_below(count), b = (unsigned)sim_below(count);
    uint32_t group = (uint32_t)prng_next(&the_sim.prng);
    switch (sim_below(4)) {
    case 0: /* one line, one direction */
        if (a != b)
            net_cut(a, b, !net_is_cut(a, b));
        break;
    case 1: /* one node alone */
        for (unsigned i = 0; i < count; i++)
            if (i != a) {
                net_cut(a, i, true);
                net_cut(i, a, true);
            }
        break;
    case 2: /* two halves */
        for (unsigned i = 0; i < count; i++)
            for (unsigned k = 0; k < count; k++)
                if (i != k)
                    net_cut(i, k, (group >> i & 1) != (group >> k & 1));
        break;
    default:
        net_heal();
    }
}

/* An older copy of the ledger comes back from the shelf, while the machine is off. */
static void restore(struct sim_node *n)
{
    if (n->is_forker || n->backup == NULL || n->heads_lost || check_is_head_lost(n))
        return; /* in the last two cases not even heads.db knows what was signed */
    world_crash(n, "its disk is replaced by a backup");
    disk_restore(n->disk, n->backup);
    n->went_back = true;
    check_restored(n);
    the_sim.counts.restores++;
    const struct store_entry *rows;
    sim_trace("%s is back at %zu own entries; it had signed %llu", sim_name(n), disk_entries(n->disk, n->code, &rows),
              (unsigned long long)disk_head(n->disk)->size);
}

/* A whole older disk, heads.db too: the machine itself cannot know that it is old. The others do, and are asked before anything is
 * signed; that only helps when they are there and what was signed last has reached them, so the network is calm meanwhile. */
static void roll_back(struct sim_node *n)
{
    if (n->image == NULL || the_sim.slot_count > the_sim.options.node_count || check_unseen(n) > 0)
        return;
    for (unsigned i = 0; i < the_sim.slot_count; i++)
        if (!the_sim.nodes[i].started || the_sim.nodes[i].full)
            return;
    net_heal();
    the_sim.calm = true;
    the_sim.rolled = n->slot;
    world_crash(n, "its whole disk is replaced by an old image");
    disk_restore(n->disk, n->image);
    n->went_back = n->heads_lost = true;
    check_restored(n);
    the_sim.counts.restores++;
}

/* The faults go on when it writes again. (What it was told is in its memory only: if it stops once more before its entries are back,
 * and those who know are cut off then, nothing can keep it from signing another history.) */
static void end_roll_back(void)
{
    const struct sim_node *n = &the_sim.nodes[the_sim.rolled];
    if (!n->started || ledger_check_writable(n->engine.ledger, NULL) != 0)
        return;
    the_sim.rolled = SIM_NONE;
    the_sim.calm = the_sim.is_ending;
}

static void tick(void)
{
    const struct sim_options *o = &the_sim.options;
    struct sim_node *n = &the_sim.nodes[sim_below(the_sim.slot_count)];
    if (the_sim.slot_count > o->node_count && the_sim.now_ms >= the_sim.group_ms)
        choose_friends(sim_by_code(the_sim.nodes[o->node_count].code));
    if (sim_chance(o->cut_permille))
        cut_something();
    if (sim_chance(o->skew_permille))
        n->skew_ms = (int64_t)sim_below(sim_chance(300) ? 86400000 : 20000) - (sim_chance(500) ? 20000 : 0);
    if (n->alive && sim_chance(o->crash_permille * 3)) {
        n->crash_now = true;
        world_crash(n, "power");
    }
    if (o->disk_fault_permille > 0 && sim_chance(20)) {
        n->full = true;
        sim_trace("%s: no space left", sim_name(n));
    } else if (n->full && sim_chance(300)) {
        n->full = false;
    }
    if (o->restore_permille > 0 && (n->backup == NULL || sim_chance(100)))
        n->backup = disk_copy(n->disk, n, false);
    else if (sim_chance(o->restore_permille))
        restore(n);
    if (o->has_rollback && (n->image == NULL || sim_chance(50)))
        n->image = disk_copy(n->disk, n, true);
    else if (o->has_rollback && sim_chance(150))
        roll_back(n);
    if (o->has_forker && the_sim.now_ms > o->fault_ms / 4)
        fork_node();
    if (o->has_dead && !n->is_forker && the_sim.now_ms > o->fault_ms * 3 / 4) {
        the_sim.options.has_dead = false;
        n->dead = true;
        world_crash(n, "for good");
    }
}

static void heal(void)
{
    sim_trace("everything heals");
    the_sim.calm = the_sim.is_ending = true;
    net_heal();
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        struct sim_node *n = &the_sim.nodes[i];
        n->full = false;
        n->job_ms_max = min_of(n->job_ms_max, (uint64_t)20);
        if (!n->alive && !n->dead)
            sim_post(SIM_START, 100, i, NULL, 0);
    }
}

/* ---- the run ---- */

static void node_event(struct sim_node *n, const struct sim_event *event)
{
    if (!n->alive || event->epoch != n->epoch)
        return;
    struct sim_scope scope = sim_enter(n);
    if (event->kind == SIM_TURN)
        sim_loop_turn(n);
    else if (event->kind == SIM_TIMER)
        sim_loop_timer(n, event);
    else if (event->kind == SIM_JOB)
        sim_writer_job(n, event->ptr);
    else
        sim_writer_sync(n, event->ptr);
    sim_leave(scope);
    if (n->crash_now)
        world_crash(n, "crash");
}

static void handle(const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_TURN:
    case SIM_TIMER:
    case SIM_JOB:
    case SIM_SYNC:
        node_event(&the_sim.nodes[event->slot], event);
        break;
    case SIM_PACKET:
    case SIM_LINK:
    case SIM_CALL_END:
        net_event(event);
        break;
    case SIM_START:
        world_start(&the_sim.nodes[event->slot]);
        break;
    case SIM_WORLD:
        if (event->value == 0 && !the_sim.is_ending) {
            if (the_sim.rolled != SIM_NONE)
                end_roll_back();
            if (!the_sim.calm)
                tick();
            sim_post(SIM_WORLD, TICK_MS, 0, NULL, 0);
        } else if (event->value == 1 && !the_sim.is_ending) {
            work_step();
            sim_post(SIM_WORLD, 1 + sim_below(2 * the_sim.options.work_ms), 0, NULL, 1);
        }
        break;
    }
}

static void run_until(uint64_t until_ms)
{
    struct sim *s = &the_sim;
    while (!s->failed && s->event_count > 0 && s->events[0].at_ms <= until_ms) {
        struct sim_event event = take_event();
        s->now_ms = event.at_ms;
        s->step_count++;
        handle(&event);
        if (s->step_count > STEPS_MAX)
            sim_violation("X", "%llu steps and no end: somebody does something again and again",
                          (unsigned long long)s->step_count);
    }
    s->now_ms = max_of(s->now_ms, until_ms);
}

/* The federation has to come to rest. */
static void converge(void)
{
    const char *what = "";
    uint64_t end_ms = the_sim.now_ms + the_sim.options.heal_ms;
    bool done = false;
    while (!the_sim.failed && !done && the_sim.now_ms < end_ms) {
        run_until(the_sim.now_ms + FINAL_EVERY_MS);
        work_heal();
        if (the_sim.slot_count > the_sim.options.node_count && the_sim.now_ms >= the_sim.group_ms)
            choose_friends(sim_by_code(the_sim.nodes[the_sim.options.node_count].code));
        done = check_is_final(&what);
    }
    if (!the_sim.failed && !done)
        sim_violation("L7", "not converged %llu s after everything healed: %s",
                      (unsigned long long)(the_sim.options.heal_ms / 1000), what);
}

static void end_world(void)
{
    for (unsigned i = 0; i < SIM_SLOTS_MAX; i++)
        if (the_sim.nodes[i].heap != NULL) {
            sim_heap_destroy(the_sim.nodes[i].heap);
            the_sim.nodes[i].heap = NULL;
        }
    the_sim.events = NULL;
    the_sim.event_count = the_sim.event_capacity = 0;
    sim_alloc_reset();
}

bool sim_run(uint64_t seed, uint64_t mutants, enum sim_trace trace)
{
    the_sim = (struct sim){.seed = seed,
                           .mutants = mutants,
                           .trace = trace == SIM_TRACE_PRINT,
                           .keeps_trace = trace == SIM_TRACE_KEEP,
                           .wall_ms = 1764000000000u,
                           .rolled = SIM_NONE};
    prng_init(&the_sim.prng, seed);
    draw_options(&the_sim.options);
    net_reset();
    work_reset();
    make_world();
    check_reset();
    make_byzantine();
    for (unsigned i = 0; i < the_sim.slot_count; i++)
        sim_post(SIM_START, sim_below(500), i, NULL, 0);
    sim_post(SIM_WORLD, 1500, 0, NULL, 0);
    sim_post(SIM_WORLD, 800, 0, NULL, 1);
    run_until(the_sim.options.fault_ms);
    if (!the_sim.failed) {
        heal();
        converge();
    }
    if (!the_sim.failed)
        check_end();
    bool ok = !the_sim.failed;
    end_world();
    return ok;
}
