/* A node's memory. Each node allocates from a range of addresses of its own, so that a crash forgets all of it at once, whatever
 * was half done, and so that a seed costs no time in malloc(). The linker puts these functions before the C library's
 * (--wrap); what libraries allocate for themselves is not theirs and stays outside.
 *
 * Sizes go in classes of powers of two and one half; freed blocks are reused by class. Under AddressSanitizer blocks come from
 * its own allocator, so that it sees every overrun, and are kept in a list. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/sim/sim.h"

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#else
#define SIM_ASAN 0
#endif

#define HEAP_BYTES ((size_t)128 << 20)
#define CLASS_COUNT 64u

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *p);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);

/* Before each block, 16 bytes. */
struct block {
    size_t size; /* usable */
    uint32_t class;
    uint32_t place; /* with ASan: in heap.list */
};

struct sim_heap {
    uint8_t *base;
    size_t used;
    void *free_list[CLASS_COUNT];
    struct block **list; /* ASan */
    size_t list_count, list_capacity;
};

static struct sim_heap *heap_now;
static uint8_t *range_begin, *range_end;
static uint8_t *heap_pool[SIM_SLOTS_MAX];
static unsigned heap_pool_count;

struct run_chunk {
    struct run_chunk *next;
    size_t used, size;
};
static struct run_chunk *run_chunks;

static size_t class_size(unsigned class)
{
    size_t size = (size_t)32 << (class / 2);
    return class % 2 == 0 ? size : size + size / 2;
}

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (class_size(class) < size)
        class ++;
    xassert(class < CLASS_COUNT);
    return class;
}

struct sim_heap *sim_heap_create(void)
{
    if (range_begin == NULL) {
        void *range = mmap(NULL, HEAP_BYTES * SIM_SLOTS_MAX, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        xassert(range != MAP_FAILED);
        range_begin = range;
        range_end = range_begin + HEAP_BYTES * SIM_SLOTS_MAX;
        for (unsigned i = 0; i < SIM_SLOTS_MAX; i++)
            heap_pool[heap_pool_count++] = range_begin + i * HEAP_BYTES;
    }
    struct sim_heap *h = __real_calloc(1, sizeof *h);
    xassert(h != NULL && heap_pool_count > 0);
    h->base = heap_pool[--heap_pool_count];
    return h;
}

void sim_heap_clear(struct sim_heap *h)
{
    for (size_t i = 0; i < h->list_count; i++)
        __real_free(h->list[i]);
    h->list_count = 0;
    h->used = 0;
    memset(h->free_list, 0, sizeof h->free_list);
}

void sim_heap_destroy(struct sim_heap *h)
{
    sim_heap_clear(h);
    heap_pool[heap_pool_count++] = h->base;
    __real_free(h->list);
    __real_free(h);
}

struct sim_heap *sim_heap_use(struct sim_heap *h)
{
    struct sim_heap *before = heap_now;
    heap_now = h;
    return before;
}

static void *take_listed(struct sim_heap *h, size_t size)
{
    struct block *b = __real_malloc(sizeof *b + size);
    xassert(b != NULL);
    if (h->list_count == h->list_capacity) {
        h->list_capacity = h->list_capacity == 0 ? 1024 : h->list_capacity * 2;
        h->list = __real_realloc(h->list, h->list_capacity * sizeof(struct block *));
        xassert(h->list != NULL);
    }
    *b = (struct block){.size = size, .place = (uint32_t)h->list_count};
    h->list[h->list_count++] = b;
    return b + 1;
}

static void *take(struct sim_heap *h, size_t size)
{
    if (SIM_ASAN)
        return take_listed(h, size);
    unsigned class = class_of(size);
    if (h->free_list[class] != NULL) {
        void *p = h->free_list[class];
        memcpy(&h->free_list[class], p, sizeof(void *));
        return p;
    }
    struct block *b = (struct block *)(void *)(h->base + h->used);
    h->used += sizeof *b + class_size(class);
    xassert(h->used <= HEAP_BYTES);
    *b = (struct block){.size = class_size(class), .class = class};
    return b + 1;
}

/* The heap that @p is of, NULL for the ordinary one. With ASan only the heap in use is asked: nodes free what is their own. */
static struct block *block_of(void *p)
{
    if (SIM_ASAN) {
        if (heap_now == NULL || p == NULL)
            return NULL;
        struct block *b = (struct block *)p - 1;
        for (size_t i = heap_now->list_count; i-- > 0;)
            if (heap_now->list[i] == b)
                return b;
        return NULL;
    }
    uint8_t *at = p;
    return at >= range_begin && at < range_end ? (struct block *)p - 1 : NULL;
}

void *__wrap_malloc(size_t size)
{
    return heap_now == NULL ? __real_malloc(size) : take(heap_now, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (heap_now == NULL)
        return __real_calloc(count, size);
    xassert(size == 0 || count <= HEAP_BYTES / size);
    return memset(take(heap_now, count * size), 0, count * size);
}

void __wrap_free(void *p)
{
    struct block *b = block_of(p);
    if (b == NULL) {
        __real_free(p);
    } else if (SIM_ASAN) {
        struct block *last = heap_now->list[--heap_now->list_count];
        heap_now->list[b->place] = last;
        last->place = b->place;
        __real_free(b);
    } else {
        xassert(heap_now != NULL &&
                (size_t)((uint8_t *)p - heap_now->base) < HEAP_BYTES); /* nobody frees another node's */
        memcpy(p, &heap_now->free_list[b->class], sizeof(void *));
        heap_now->free_list[b->class] = p;
    }
}

void *__wrap_realloc(void *old, size_t size)
{
    struct block *b = block_of(old);
    if (b == NULL && (old != NULL || heap_now == NULL))
        return __real_realloc(old, size);
    if (old == NULL)
        return take(heap_now, size);
    if (size <= b->size)
        return old;
    void *bigger = memcpy(take(heap_now, size), old, b->size);
    __wrap_free(old);
    return bigger;
}

char *__wrap_strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    return memcpy(__wrap_malloc(size), s, size);
}

/* ---- memory of the run ---- */

#define CHUNK_BYTES ((size_t)1 << 20)

void *sim_alloc(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (run_chunks == NULL || run_chunks->used + size > run_chunks->size) {
        size_t capacity = max_of(CHUNK_BYTES, size);
        struct run_chunk *c = __real_malloc(sizeof *c + capacity);
        xassert(c != NULL);
        *c = (struct run_chunk){.next = run_chunks, .size = capacity};
        run_chunks = c;
    }
    void *p = (uint8_t *)(run_chunks + 1) + run_chunks->used;
    run_chunks->used += size;
    return memset(p, 0, size);
}

struct bytes sim_copy(struct bytes b)
{
    if (b.size == 0)
        return bytes_of(NULL, 0);
    return bytes_of(memcpy(sim_alloc(b.size), b.data, b.size), b.size);
}

void sim_alloc_reset(void)
{
    while (run_chunks != NULL && run_chunks->next != NULL) {
        struct run_chunk *next = run_chunks->next;
        __real_free(run_chunks);
        run_chunks = next;
    }
    if (run_chunks != NULL)
        run_chunks->used = 0;
}

void *sim_push(void **array, size_t *count, size_t *capacity, size_t element_size)
{
    if (*count == *capacity) {
        size_t bigger = max_of((size_t)8, *capacity * 2);
        void *copy = sim_alloc(bigger * element_size);
        if (*count > 0)
            memcpy(copy, *array, *count * element_size);
        *array = copy;
        *capacity = bigger;
    }
    void *slot = (uint8_t *)*array + (*count)++ * element_size;
    return memset(slot, 0, element_size);
}
