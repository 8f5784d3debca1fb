/* The nodes of a demo peer (see demo_node.h). */
#include "node/ctl/demo_node.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/setup.h"

#define FEDERATION "demo-peer.tongban.example"
#define PATH_BYTES_MAX 4096
#define READY_MS 60000u
#define ENDING_MS 20000u /* longer than a daemon takes to end */
#define LOOK_MS 50u

/* ---- set-up ---- */

/* One of the set-up commands, as if typed; its own message goes to standard error. */
static int run(struct ctl *c, const char *const *words, struct err *e)
{
    char *argv[24] = {arena_strdup(&c->mem, "tongban")};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        xassert((size_t)argc < array_count(argv) - 1);
        argv[argc] = arena_strdup(&c->mem, words[argc - 1]);
    }
    FILE *nowhere = fopen("/dev/null", "we");
    if (nowhere == NULL)
        return err_set_errno(e, ERR_IO, "demo.setup", errno, "cannot open /dev/null");
    int status = ctl_main(argc, argv, nowhere, stderr);
    (void)fclose(nowhere); /* nothing in it is wanted */
    return status == 0 ? 0 : err_set(e, ERR_CONFLICT, "demo.setup", "'tongban %s %s' has failed", words[0], words[1]);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A loopback port that is free now. */
static int free_port(uint16_t *ret, struct err *e)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&address, sizeof address);
    if (rc == 0)
        rc = getsockname(fd, (struct sockaddr *)&address, &size);
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    if (rc != 0)
        return err_set_errno(e, ERR_IO, "demo.port", why, "no free port on loopback");
    *ret = ntohs(address.sin_port);
    return 0;
}

/* Folder, key and certificate of one of the two nodes. */
static int make_node(struct ctl *c, const char *dir, const char *region, const char *name, const char *catalog,
                     const char *ca_dir, struct err *e)
{
    uint16_t federation = 0, http = 0;
    if (!is_there(setup_path(&c->mem, dir, "node.json"))) {
        int rc = free_port(&federation, e);
        if (rc == 0)
            rc = free_port(&http, e);
        if (rc != 0)
            return rc;
        const char *words[] = {"node", "init", "--dir", dir, "--region", region, "--name", name, "--federation-listen",
                               arena_printf(&c->mem, "tls+tcp://127.0.0.1:%u", federation), "--http",
                               arena_printf(&c->mem, "127.0.0.1:%u", http),
                               /* the pairs behind may be left out */
                               NULL, NULL, NULL, NULL, NULL};
        size_t at = 12;
        if (ctl_option(c, "--data") != NULL) {
            words[at++] = "--data";
            words[at++] = ctl_option(c, "--data");
        }
        if (catalog != NULL) {
            words[at++] = "--catalog";
            words[at++] = catalog;
        }
        rc = run(c, words, e);
        if (rc != 0)
            return rc;
    }
    const char *issue[] = {"ca", "issue", "--dir", ca_dir, "--node", dir, NULL};
    return is_there(setup_path(&c->mem, dir, "tls.crt")) ? 0 : run(c, issue, e);
}

static const char *option_or(const struct ctl *c, const char *name, const char *otherwise)
{
    const char *given = ctl_option(c, name);
    return given != NULL ? given : otherwise;
}

/* The program's own folder. */
static const char *program_dir(struct ctl *c)
{
    char self[PATH_BYTES_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    return arena_strdup(&c->mem, self);
}

/* The sample catalog of Sichuan: beside the divisions, as installed or as built. NULL when there is none. */
static const char *default_catalog(struct ctl *c, const char *program)
{
    const char *folders[] = {ctl_option(c, "--data"), arena_printf(&c->mem, "%s/../share/tongban", program),
                             arena_printf(&c->mem, "%s/../../../catalog/data", program)};
    for (size_t i = 0; i < array_count(folders); i++)
        if (folders[i] != NULL && is_there(setup_path(&c->mem, folders[i], "sichuan.json")))
            return setup_path(&c->mem, folders[i], "sichuan.json");
    return NULL;
}

int demo_node_setup(struct ctl *c, struct demo_node *ret, struct err *e)
{
    struct arena *mem = &c->mem;
    const char *program = program_dir(c), *dir = c->dir;
    *ret = (struct demo_node){.ctl = c,
                              .peer_dir = setup_path(mem, dir, "peer"),
                              .own_dir = setup_path(mem, dir, "own"),
                              .ca_dir = setup_path(mem, dir, "ca"),
                              .log_path = setup_path(mem, dir, "peer.log"),
                              .program = setup_path(mem, program, "tongband")};
    if (!is_there(ret->program))
        return err_set(e, ERR_NOT_FOUND, "demo.program", "'%.200s' does not exist: tongband must stand beside tongban",
                       ret->program);
    const char *catalog = option_or(c, "--catalog", default_catalog(c, program));
    if (catalog == NULL)
        return err_set(e, ERR_NOT_FOUND, "demo.catalog",
                       "no sample catalog is beside the program: name one with --catalog");
    int rc = file_make_dir(dir, 0750, e);
    const char *init[] = {"ca", "init", "--dir", ret->ca_dir, "--name", FEDERATION, NULL};
    if (rc == 0 && !is_there(setup_path(mem, ret->ca_dir, "federation.pub")))
        rc = run(c, init, e);
    if (rc == 0)
        rc = make_node(c, ret->peer_dir, option_or(c, "--region", "510000"), option_or(c, "--name", "四川省(模拟)"),
                       catalog, ret->ca_dir, e);
    if (rc == 0)
        rc = make_node(c, ret->own_dir, option_or(c, "--own-region", "440000"),
                       option_or(c, "--own-name", "广东省(开发)"), ctl_option(c, "--own-catalog"), ret->ca_dir, e);
    const char *publish[] = {"ca", "publish", "--dir", ret->ca_dir, ret->peer_dir, ret->own_dir, NULL};
    return rc != 0 ? rc : run(c, publish, e);
}

/* ---- the daemon ---- */

/* In the child. Only async-signal-safe calls. */
static void become_daemon(const char *program, char *config, pid_t parent, int null_fd, int log_fd)
{
    char name[] = "tongband", option[] = "--config";
    char *argv[] = {name, option, config, NULL};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) /* the parent has died meanwhile */
        _exit(127);
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        _exit(127);
    (void)execv(program, argv);
    _exit(127);
}

/* Whether the process @pid (digits) is a daemon of the peer's folder, by its command line; not when it has ended, or its number is
 * another program's by now, or that of another node's daemon. */
static bool is_daemon(struct demo_node *n, const char *pid)
{
    char line[PATH_BYTES_MAX];
    const char *config = setup_path(&n->ctl->mem, n->peer_dir, "node.json");
    int fd = open(arena_printf(&n->ctl->mem, "/proc/%s/cmdline", pid), O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, line, sizeof line);
    if (fd >= 0)
        (void)close(fd);
    return size > 0 && memmem(line, (size_t)size, config, strlen(config) + 1) != NULL;
}

/* Whether no daemon has the peer's folder, or still has its ports: those it gives back last. The lock's file names its last owner. */
static bool is_free(struct demo_node *n)
{
    char pid[17];
    int fd = open(setup_path(&n->ctl->mem, n->peer_dir, "writer.lock"), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* none has run here */
    bool is_held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    (void)close(fd); /* gives the lock back */
    pid[size > 0 ? size : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return !is_held && (pid[0] == '\0' || !is_daemon(n, pid));
}

/* The daemon of a demo peer that was killed ends by itself, but a moment later. */
static int wait_for_predecessor(struct demo_node *n, struct err *e)
{
    uint64_t start = clock_mono_ms();
    for (bool is_told = false; !is_free(n); is_told = true) {
        if (clock_mono_ms() - start > ENDING_MS)
            return err_set(e, ERR_BUSY, "demo.running", "another demo peer, or its daemon, runs in '%.200s'",
                           n->peer_dir);
        if (!is_told)
            (void)fprintf(stderr, "the daemon that ran here before has not ended yet; waiting\n");
        cmd_pause(LOOK_MS);
    }
    return 0;
}

static int spawn(struct demo_node *n, struct err *e)
{
    char *config = arena_strdup(&n->ctl->mem, setup_path(&n->ctl->mem, n->peer_dir, "node.json"));
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log_fd = open(n->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    pid_t parent = getpid();
    (void)fflush(NULL); /* what is buffered must not be written twice */
    pid_t pid = null_fd < 0 || log_fd < 0 ? -1 : fork();
    if (pid == 0)
        become_daemon(n->program, config, parent, null_fd, log_fd);
    int why = errno;
    if (null_fd >= 0)
        (void)close(null_fd);
    if (log_fd >= 0)
        (void)close(log_fd);
    if (pid < 0)
        return err_set_errno(e, ERR_IO, "demo.start", why, "cannot start '%.200s' with its log in '%.200s'", n->program,
                             n->log_path);
    n->pid = pid;
    n->started_ms = clock_mono_ms();
    return 0;
}

bool demo_node_has_ended(struct demo_node *n)
{
    int status;
    if (n->pid == 0 || waitpid(n->pid, &status, WNOHANG) != n->pid)
        return false;
    n->pid = 0;
    return true;
}

int demo_node_start(struct demo_node *n, struct err *e)
{
    int rc = wait_for_predecessor(n, e);
    if (rc == 0)
        rc = spawn(n, e);
    while (rc == 0) {
        const struct client_request r = {.dir = n->peer_dir, .method = "GET", .path = "/healthz", .timeout_ms = 5000};
        struct client_reply reply = {0};
        struct err not_yet = {0};
        bool answers = client_ask(&r, &reply, &not_yet) == 0;
        client_reply_close(&reply);
        if (answers)
            return 0;
        if (demo_node_has_ended(n))
            rc =
                err_set(e, ERR_IO, "demo.start", "the peer's daemon has ended at its start: see '%.200s'", n->log_path);
        else if (clock_mono_ms() > n->started_ms + READY_MS)
            rc = err_set(e, ERR_TIMEOUT, "demo.start", "the peer's daemon does not answer: see '%.200s'", n->log_path);
        else
            cmd_pause(LOOK_MS);
    }
    demo_node_stop(n);
    return rc;
}

void demo_node_stop(struct demo_node *n)
{
    int status;
    if (n->pid == 0)
        return;
    (void)kill(n->pid, SIGTERM); /* our child that was not waited for: the number is still its own */
    while (waitpid(n->pid, &status, 0) < 0 && errno == EINTR) {
    }
    n->pid = 0;
}
