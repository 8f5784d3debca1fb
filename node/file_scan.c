/* The scanner's child process on the loop (see file_scan.h).
 *
 * Happy path: spawn -> feed … feed -> end: the pipe closes -> the process exits -> all handles are closed -> cb.
 * Failure modes: it reads no further (EPIPE): what is still fed is dropped, its exit status counts all the same; no end in time:
 * SIGKILL, to all that it has started, too: a script must not leave its scanner behind.
 */
#include "node/file_scan.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "node/base/xassert.h"

struct file_scan {
    uv_process_t process;
    uv_pipe_t input;
    uv_timer_t timer;
    uv_timer_t later; /* tells of a feed that nobody wants */
    uv_write_t write;
    unsigned open_handles;
    bool input_closed, has_ended;
    void (*fed)(void *ctx);
    file_scan_cb cb;
    void *ctx;
    enum app_scan result;
    char why[160];
};

static void tell_fed(struct file_scan *s)
{
    void (*fed)(void *ctx) = s->fed;
    s->fed = NULL;
    if (fed != NULL)
        fed(s->ctx);
}

static void closed_cb(uv_handle_t *handle)
{
    struct file_scan *s = handle->data;
    if (--s->open_handles > 0)
        return;
    tell_fed(s);
    s->cb(s->ctx, s->result, s->why);
    free(s);
}

static void close_input(struct file_scan *s)
{
    if (!s->input_closed)
        uv_close((uv_handle_t *)&s->input, closed_cb);
    s->input_closed = true;
}

static void finish(struct file_scan *s)
{
    xassert(!s->has_ended);
    s->has_ended = true;
    close_input(s);
    uv_close((uv_handle_t *)&s->timer, closed_cb);
    uv_close((uv_handle_t *)&s->later, closed_cb);
}

static void exit_cb(uv_process_t *process, int64_t status, int number)
{
    struct file_scan *s = process->data;
    if (s->why[0] != '\0') {
        s->result = APP_SCAN_UNKNOWN; /* killed by us */
    } else if (number != 0) {
        (void)snprintf(s->why, sizeof s->why, "the scanner was ended by signal %d", number);
    } else if (status == 0 || status == 1) {
        s->result = status == 0 ? APP_SCAN_CLEAN : APP_SCAN_INFECTED;
    } else {
        (void)snprintf(s->why, sizeof s->why, "the scanner ended with status %lld", (long long)status);
    }
    uv_close((uv_handle_t *)&s->process, closed_cb);
    finish(s);
}

/* It leads a process group of its own. */
static void kill_all(const struct file_scan *s)
{
    (void)uv_kill(-uv_process_get_pid(&s->process), SIGKILL); /* ended meanwhile: told by exit_cb() */
}

static void timeout_cb(uv_timer_t *timer)
{
    struct file_scan *s = timer->data;
    if (s->has_ended)
        return;
    (void)snprintf(s->why, sizeof s->why, "the scanner did not end in time");
    kill_all(s);
}

static void failed_cb(uv_timer_t *timer)
{
    finish(timer->data);
}

static void init_handle(struct file_scan *s, uv_handle_t *handle)
{
    handle->data = s;
    s->open_handles++;
}

struct file_scan *file_scan_start(struct loop *loop, const char *const *argv, uint32_t timeout_ms, file_scan_cb cb,
                                  void *ctx)
{
    char *args[FILE_SCAN_ARGS_MAX + 1] = {NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    struct file_scan *s = xcalloc(1, sizeof *s);
    s->cb = cb;
    s->ctx = ctx;
    s->result = APP_SCAN_UNKNOWN;
    for (size_t i = 0; argv[i] != NULL; i++) {
        xassert(i < FILE_SCAN_ARGS_MAX);
        args[i] = (char *)(uintptr_t)argv[i]; /* libuv does not change them */
    }
    int rc = uv_pipe_init(loop_uv(loop), &s->input, 0);
    xassert(rc == 0);
    init_handle(s, (uv_handle_t *)&s->input);
    (void)uv_timer_init(loop_uv(loop), &s->timer);
    init_handle(s, (uv_handle_t *)&s->timer);
    (void)uv_timer_init(loop_uv(loop), &s->later);
    init_handle(s, (uv_handle_t *)&s->later);
    stdio[0].data.stream = (uv_stream_t *)&s->input;
    uv_process_options_t options = {.exit_cb = exit_cb,
                                    .file = args[0],
                                    .args = args,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    rc = uv_spawn(loop_uv(loop), &s->process, &options);
    init_handle(s, (uv_handle_t *)&s->process);
    if (rc != 0) {
        (void)snprintf(s->why, sizeof s->why, "the scanner '%.80s' cannot be started: %s", args[0], uv_strerror(rc));
        uv_close((uv_handle_t *)&s->process, closed_cb);
        (void)uv_timer_start(&s->later, failed_cb, 0, 0);
    } else {
        (void)uv_timer_start(&s->timer, timeout_cb, timeout_ms, 0);
    }
    return s;
}

static void write_cb(uv_write_t *request, int status)
{
    struct file_scan *s = request->data;
    if (status < 0)
        close_input(s);
    tell_fed(s);
}

static void nobody_cb(uv_timer_t *timer)
{
    tell_fed(timer->data);
}

void file_scan_feed(struct file_scan *s, const uint8_t *data, size_t size, void (*fed)(void *ctx))
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
    xassert(s->fed == NULL);
    s->fed = fed;
    s->write.data = s;
    if (s->has_ended)
        return; /* told when the handles are closed */
    if (s->input_closed || uv_write(&s->write, (uv_stream_t *)&s->input, &buf, 1, write_cb) != 0)
        (void)uv_timer_start(&s->later, nobody_cb, 0, 0);
}

void file_scan_end(struct file_scan *s)
{
    close_input(s);
}

void file_scan_kill(struct file_scan *s)
{
    if (s->has_ended || s->why[0] != '\0')
        return;
    (void)snprintf(s->why, sizeof s->why, "the node is stopping");
    kill_all(s);
}
