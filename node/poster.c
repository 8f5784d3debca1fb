/* Poster (see poster.h). Failure modes: no connection, no answer in time, too long an answer: the callback is told. At the close
 * the thread lets go of its transfers and ends; nobody waits for a server.
 */
#include "node/poster.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/list.h"
#include "node/base/signals.h"
#include "node/base/xassert.h"
#include "node/loop.h"

struct job {
    struct list link;      /* in queue or running */
    struct loop_item done; /* then on its way to the loop */
    char *url;
    struct buf body, reply;
    uint32_t timeout_ms;
    CURL *curl;
    struct curl_slist *headers;
    unsigned status;
    struct err error;
    poster_cb cb;
    void *ctx;
};

struct poster {
    struct loop *loop;
    CURLM *multi;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of the two below */
    struct list queue;    /* struct job: not begun */
    bool closing;
    struct list running; /* the thread's */
};

static size_t take_cb(char *data, size_t size, size_t count, void *ctx)
{
    struct job *j = ctx;
    buf_put(&j->reply, data, size * count);
    return j->reply.failed ? 0 : size * count; /* 0 makes libcurl stop with an error */
}

static void begin(struct poster *p, struct job *j)
{
    CURL *curl = j->curl = curl_easy_init();
    xassert(curl != NULL);
    j->headers = curl_slist_append(NULL, "Expect:");
    struct curl_slist *more = curl_slist_append(j->headers, "Content-Type: text/plain; charset=utf-8");
    xassert(more != NULL);
    (void)curl_easy_setopt(curl, CURLOPT_URL, j->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)j->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_cb);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, j);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, j->headers);
    (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)j->body.data);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)j->body.size);
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, (char *)j);
    list_append(&p->running, &j->link);
    CURLMcode rc = curl_multi_add_handle(p->multi, curl);
    xassert(rc == CURLM_OK);
}

/* On the loop thread. */
static void tell(struct loop_item *item)
{
    struct job *j = container_of(item, struct job, done);
    j->cb(j->ctx, j->status, buf_bytes(&j->reply), &j->error);
    free(j->url);
    buf_close(&j->body);
    buf_close(&j->reply);
    free(j);
}

static void end(struct poster *p, struct job *j)
{
    list_remove(&j->link);
    if (j->curl != NULL) {
        (void)curl_multi_remove_handle(p->multi, j->curl);
        curl_easy_cleanup(j->curl);
        curl_slist_free_all(j->headers);
    }
    j->done.run = tell;
    loop_post(p->loop, &j->done);
}

static void fail(struct poster *p, struct job *j, CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        (void)err_set(&j->error, ERR_TIMEOUT, "poster.timeout", "no answer within %u ms", j->timeout_ms);
    else if (code == CURLE_WRITE_ERROR)
        (void)err_set(&j->error, ERR_LIMIT, "poster.size", "an answer of more than %u bytes", NOTE_BYTES_MAX);
    else
        (void)err_set(&j->error, ERR_IO, "poster.connection", "%s", curl_easy_strerror(code));
    buf_reset(&j->reply);
    end(p, j);
}

static void take_finished(struct poster *p)
{
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(p->multi, &left)) != NULL;) {
        struct job *j = NULL;
        long status = 0;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&j);
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK || status <= 0) {
            fail(p, j, code);
            continue;
        }
        j->status = (unsigned)status;
        j->error = (struct err){0};
        end(p, j);
    }
}

/* Takes what was queued; false when the poster closes. */
static bool take_queued(struct poster *p)
{
    pthread_mutex_lock(&p->lock);
    bool closing = p->closing;
    for (struct list *next; !closing && (next = list_pop_first(&p->queue)) != NULL;)
        begin(p, container_of(next, struct job, link));
    pthread_mutex_unlock(&p->lock);
    return !closing;
}

static void *thread_main(void *ctx)
{
    struct poster *p = ctx;
    while (take_queued(p)) {
        int running = 0;
        (void)curl_multi_perform(p->multi, &running);
        take_finished(p);
        (void)curl_multi_poll(p->multi, NULL, 0, 1000, NULL); /* poster_post() and poster_close() wake it */
    }
    list_for_each_safe (at, &p->running)
        end(p, container_of(at, struct job, link));
    return NULL;
}

struct poster *poster_create(struct loop *loop)
{
    struct poster *p = xcalloc(1, sizeof *p);
    p->loop = loop;
    list_init(&p->queue);
    list_init(&p->running);
    int rc = pthread_mutex_init(&p->lock, NULL);
    xassert(rc == 0);
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    xassert(code == CURLE_OK);
    p->multi = curl_multi_init();
    xassert(p->multi != NULL);
    return p;
}

void poster_post(struct poster *p, const char *url, struct bytes body, uint32_t timeout_ms, poster_cb cb, void *ctx)
{
    struct job *j = xcalloc(1, sizeof *j);
    /* closed before it was answered: what it will be told unless there is an answer */
    (void)err_set(&j->error, ERR_CLOSED, "poster.closed", "the node is stopping");
    j->url = xstrdup(url);
    j->timeout_ms = timeout_ms;
    j->cb = cb;
    j->ctx = ctx;
    list_init(&j->link);
    list_init(&j->done.link);
    buf_put(&j->body, body.data, body.size);
    buf_init(&j->reply, NOTE_BYTES_MAX);
    if (p->closing) {
        end(p, j);
        return;
    }
    pthread_mutex_lock(&p->lock);
    list_append(&p->queue, &j->link);
    pthread_mutex_unlock(&p->lock);
    if (!p->has_thread) {
        int rc = signals_thread(&p->thread, thread_main, p);
        xassert(rc == 0);
        p->has_thread = true;
    }
    (void)curl_multi_wakeup(p->multi);
}

void poster_close(struct poster *p)
{
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_mutex_unlock(&p->lock);
    if (p->has_thread) {
        (void)curl_multi_wakeup(p->multi);
        (void)pthread_join(p->thread, NULL);
        p->has_thread = false;
    }
    list_for_each_safe (at, &p->queue)
        end(p, container_of(at, struct job, link));
}

void poster_destroy(struct poster *p)
{
    if (p == NULL)
        return;
    xassert(p->closing && list_is_empty(&p->queue));
    (void)curl_multi_cleanup(p->multi);
    curl_global_cleanup();
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
