/* Watch over heads (see watch_heads.h). Failure modes: a view that does not verify is dropped; memory per ledger is fixed. */
#include "node/watch_heads.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/map.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"

#define VIEWS_KEPT 32u /* newest first; a fork shows itself at one of the next sizes or subtrees */
#define GOSSIP_ASK_MS 5000u

struct kept {
    struct view view; /* its note in `note` */
    struct buf note;
};

struct watched {
    uint32_t code;
    struct kept views[VIEWS_KEPT]; /* a ring: the next one replaces views[next] */
    size_t count, next;
    size_t told;       /* older views are told in turn */
    uint64_t size;     /* largest seen */
    struct buf newest; /* its note: the ring may have passed it */
};

struct watch_heads {
    struct watch_heads_config config;
    struct replication *replication;
    struct map ledgers; /* u32 -> struct watched */
    struct loop_timer *timer;
};

static struct watched *find(const struct watch_heads *w, uint32_t code)
{
    return map_get(&w->ledgers, &code, sizeof code);
}

static struct watched *make(struct watch_heads *w, uint32_t code)
{
    struct watched *l = find(w, code);
    if (l == NULL) {
        l = xcalloc(1, sizeof *l);
        l->code = code;
        (void)map_put(&w->ledgers, &code, sizeof code, l);
    }
    return l;
}

/* Without both ranges nobody can say from where on the ledger is disputed: the alarm is raised, and the gossip of the next
 * round brings views that have them. */
static void accuse(struct watch_heads *w, const struct watched *l, const struct view *a, const struct view *b,
                   uint64_t common)
{
    struct buf evidence = {0};
    if (!a->has_range || !b->has_range) {
        replication_alarm(w->replication, l->code, "ledger.equivocation",
                          "two signed roots for one size of its ledger");
        return;
    }
    evidence_format(a, b, &evidence);
    w->config.on_contradiction(w->config.ctx, l->code, buf_bytes(&evidence), common);
    buf_close(&evidence);
}

/* The same head again adds nothing, but for the range if it was not known. */
static bool take_again(struct watched *l, const struct view *v)
{
    for (size_t i = 0; i < l->count; i++) {
        struct view *kept = &l->views[i].view;
        if (kept->head.size != v->head.size || !merkle_hash_equal(&kept->head.root, &v->head.root))
            continue;
        if (kept->has_range || !v->has_range)
            return true;
        kept->range = v->range;
        kept->has_range = true;
        return true;
    }
    return false;
}

static void keep(struct watched *l, const struct view *v)
{
    struct kept *slot = &l->views[l->next];
    l->next = (l->next + 1) % VIEWS_KEPT;
    l->count = max_of(l->count, l->next == 0 ? VIEWS_KEPT : l->next);
    buf_reset(&slot->note);
    buf_put(&slot->note, v->note.data, v->note.size);
    slot->view = *v;
    slot->view.note = buf_bytes(&slot->note);
    if (v->head.size <= l->size)
        return;
    l->size = v->head.size;
    buf_reset(&l->newest);
    buf_put(&l->newest, v->note.data, v->note.size);
}

void watch_heads_seen(struct watch_heads *w, uint32_t code, const struct checkpoint *head, struct bytes note,
                      const struct crange *range)
{
    if (code == w->config.self || head->size == 0)
        return;
    struct watched *l = make(w, code);
    struct view v = {.head = *head, .note = note, .has_range = range != NULL};
    if (range != NULL)
        v.range = *range;
    else /* a tree of 2^n leaves is one subtree: its range is its root */
        v.has_range = crange_init_nodes(head->size, &head->root, 1, &v.range, NULL) == 0;
    for (size_t i = 0; i < l->count; i++) {
        uint64_t common;
        if (view_contradicts(&l->views[i].view, &v, &common) && !MUTANT(accuse_silent)) {
            accuse(w, l, &l->views[i].view, &v, common);
            break;
        }
    }
    if (!take_again(l, &v))
        keep(l, &v);
}

void watch_heads_unproven(struct watch_heads *w, uint32_t code, uint64_t old_size, const struct checkpoint *head,
                          struct bytes note, const struct merkle_proof *proof)
{
    struct watched *l = make(w, code);
    const struct view newer = {.head = *head, .note = note};
    uint64_t common;
    for (size_t i = 0; i < l->count; i++) {
        const struct view *old = &l->views[i].view;
        bool is_fork = old->head.size == old_size && view_extension_contradicts(old, head, proof, &common);
        if (!is_fork || MUTANT(accuse_silent))
            continue;
        struct buf evidence = {0};
        evidence_format_extension(old, &newer, proof, &evidence);
        w->config.on_contradiction(w->config.ctx, code, buf_bytes(&evidence), common);
        buf_close(&evidence);
        return;
    }
}

/* Whose ledger a note is of, by its first line; NULL for nobody's. */
static const struct member *author_of(const struct watch_heads *w, struct bytes note)
{
    const struct members *m = w->config.members;
    const uint8_t *end = note.size > 0 ? memchr(note.data, '\n', note.size) : NULL;
    size_t size = end == NULL ? 0 : (size_t)(end - note.data);
    for (size_t i = 0; size > 0 && i < m->count; i++)
        if (strlen(m->list[i].key.name) == size && memcmp(m->list[i].key.name, note.data, size) == 0)
            return &m->list[i];
    return NULL;
}

void watch_heads_gossip(struct watch_heads *w, const struct wire_gossip *gossip)
{
    for (size_t i = 0; i < gossip->view_count; i++) {
        const struct wire_view *in = &gossip->views[i];
        const struct member *author = author_of(w, in->checkpoint);
        struct checkpoint_opened opened;
        struct crange range;
        struct view view;
        if (author == NULL || checkpoint_open(in->checkpoint, &author->key, NULL, 0, &opened, NULL) != 0)
            continue;
        bool has_range =
            in->range_count > 0 && crange_init_nodes(opened.head.size, in->range, in->range_count, &range, NULL) == 0;
        if (view_open(in->checkpoint, &author->key, has_range ? &range : NULL, &view, NULL) != 0)
            continue;
        watch_heads_seen(w, author->code, &view.head, view.note, has_range ? &range : NULL);
    }
}

void watch_heads_load(struct watch_heads *w, const struct store_ledger_state *state,
                      const struct store_witness *witnesses, size_t witness_count)
{
    struct checkpoint_opened opened;
    struct crange range;
    for (size_t i = 0; i < state->replica_count; i++) {
        const struct store_replica *row = &state->replicas[i];
        const struct member *author = members_find(w->config.members, row->origin);
        if (author == NULL || checkpoint_open(row->note, &author->key, NULL, 0, &opened, NULL) != 0)
            continue;
        bool has_range = row->size == opened.head.size && crange_decode(row->frontier, &range, NULL) == 0;
        watch_heads_seen(w, author->code, &opened.head, row->note, has_range ? &range : NULL);
    }
    for (size_t i = 0; i < witness_count; i++) {
        const struct member *author = author_of(w, witnesses[i].note);
        if (author != NULL && checkpoint_open(witnesses[i].note, &author->key, NULL, 0, &opened, NULL) == 0)
            watch_heads_seen(w, author->code, &opened.head, witnesses[i].note, NULL);
    }
}

uint64_t watch_heads_size(const struct watch_heads *w, uint32_t code, struct bytes *ret_note)
{
    const struct watched *l = find(w, code);
    *ret_note = l == NULL ? bytes_of(NULL, 0) : buf_bytes(&l->newest);
    return l == NULL ? 0 : l->size;
}

/* ---- telling others ---- */

static void told(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    (void)ctx;
    (void)answer;
    (void)e; /* the next round says it again */
}

/* The newest view with a range, else the newest. */
static const struct view *best_view(const struct watched *l)
{
    const struct view *best = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const struct view *v = &l->views[i].view;
        if (best == NULL || (v->has_range && !best->has_range) ||
            (v->has_range == best->has_range && v->head.size > best->head.size))
            best = v;
    }
    return best;
}

/* Views on their way into messages for one peer. */
struct telling {
    struct watch_heads *w;
    uint32_t peer;
    struct wire_view views[WIRE_VIEWS_MAX];
    size_t count;
};

static void flush(struct telling *t)
{
    struct wire_msg m = {.type = WIRE_GOSSIP};
    m.u.gossip = (struct wire_gossip){.views = t->views, .view_count = t->count};
    if (t->count > 0)
        replication_ask(t->w->replication, t->peer, &m, GOSSIP_ASK_MS, told, t->w);
    t->count = 0;
}

static void add_view(struct telling *t, const struct view *v)
{
    t->views[t->count++] = (struct wire_view){.checkpoint = v->note,
                                              .range = v->has_range ? v->range.nodes : NULL,
                                              .range_count = v->has_range ? crange_count(&v->range) : 0};
    if (t->count == WIRE_VIEWS_MAX)
        flush(t);
}

static void tell(struct watch_heads *w, uint32_t peer)
{
    struct telling t = {.w = w, .peer = peer};
    size_t at = 0;
    void *value;
    while (map_next(&w->ledgers, &at, NULL, &value)) {
        const struct watched *l = value;
        const struct view *v = best_view(l);
        if (v == NULL || l->code == peer)
            continue;
        add_view(&t, v);
        const struct view *older = &l->views[l->told % l->count].view;
        if (older != v && older->has_range)
            add_view(&t, older);
    }
    flush(&t);
}

static void timer_cb(void *ctx)
{
    struct watch_heads *w = ctx;
    size_t at = 0;
    void *value;
    for (size_t i = 0; i < w->config.members->count; i++) {
        struct replication_peer peer;
        uint32_t code = w->config.members->list[i].code;
        if (replication_peer(w->replication, code, &peer) && peer.connected)
            tell(w, code);
    }
    while (map_next(&w->ledgers, &at, NULL, &value))
        ((struct watched *)value)->told++;
    loop_timer_set(w->timer, w->config.gossip_ms);
}

/* ---- life ---- */

struct watch_heads *watch_heads_create(const struct watch_heads_config *config)
{
    struct watch_heads *w = xcalloc(1, sizeof *w);
    w->config = *config;
    map_init(&w->ledgers, config->self);
    w->timer = loop_timer_create(config->loop, timer_cb, w);
    return w;
}

void watch_heads_set_replication(struct watch_heads *w, struct replication *replication)
{
    w->replication = replication;
}

void watch_heads_start(struct watch_heads *w)
{
    loop_timer_set(w->timer, w->config.gossip_ms);
}

void watch_heads_close(struct watch_heads *w)
{
    loop_timer_cancel(w->timer);
}

void watch_heads_destroy(struct watch_heads *w)
{
    if (w == NULL)
        return;
    size_t at = 0;
    void *value;
    while (map_next(&w->ledgers, &at, NULL, &value)) {
        struct watched *l = value;
        for (size_t i = 0; i < VIEWS_KEPT; i++)
            buf_close(&l->views[i].note);
        buf_close(&l->newest);
        free(l);
    }
    map_close(&w->ledgers);
    loop_timer_destroy(w->timer);
    free(w);
}
