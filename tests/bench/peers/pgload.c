/* pgload CONNINFO_A CONNINFO_B CLIENTS SECS BATCH PROBES
   CLIENTS threads, each on its own connection, insert events at A (BATCH rows per transaction) for SECS,
   then waits until B holds them all. With PROBES > 0: single inserts instead, each polled for at B. */
#include <libpq-fe.h>
#include <pthread.h>
#include "load.h"
static const char *ca, *cb;
static int clients, batch;
static double secs, t0;
static uint64_t base;
struct th {
    pthread_t t;
    int k;
    uint64_t n;
    float *lat;
    size_t nl, cap;
};
static PGconn *conn(const char *ci)
{
    PGconn *c = PQconnectdb(ci);
    if (PQstatus(c) != CONNECTION_OK) {
        fprintf(stderr, "connect: %s\n", PQerrorMessage(c));
        exit(1);
    }
    return c;
}
static void prep(PGconn *c)
{
    PGresult *r = PQprepare(c, "i", "insert into event(id,case_id,doc) values($1,$2,$3)", 3, 0);
    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
        fprintf(stderr, "%s\n", PQerrorMessage(c));
        exit(1);
    }
    PQclear(r);
}
static int64_t num(PGconn *c, const char *q)
{
    PGresult *r = PQexec(c, q);
    if (PQresultStatus(r) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s\n", PQerrorMessage(c));
        exit(1);
    }
    int64_t v = PQntuples(r) ? atoll(PQgetvalue(r, 0, 0)) : -1;
    PQclear(r);
    return v;
}
static void one(PGconn *c, uint64_t id, int pipe)
{
    char ib[24], cbuf[24], doc[EVENT_LEN + 1];
    const char *v[3] = {ib, cbuf, doc};
    sprintf(ib, "%llu", (unsigned long long)id);
    sprintf(cbuf, "C%08llu", (unsigned long long)(id / 5));
    event(doc, id);
    if (pipe) {
        if (!PQsendQueryPrepared(c, "i", 3, v, 0, 0, 0)) {
            fprintf(stderr, "%s\n", PQerrorMessage(c));
            exit(1);
        }
        return;
    }
    PGresult *r = PQexecPrepared(c, "i", 3, v, 0, 0, 0);
    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
        fprintf(stderr, "%s\n", PQerrorMessage(c));
        exit(1);
    }
    PQclear(r);
}
static void *run(void *p)
{
    struct th *t = p;
    PGconn *c = conn(ca);
    prep(c);
    if (batch > 1)
        PQenterPipelineMode(c);
    while (now() < t0)
        nap(0.001);
    for (uint64_t i = 0; now() - t0 < secs;) {
        double s = now();
        for (int b = 0; b < batch; b++, i++)
            one(c, base + i * clients + t->k, batch > 1);
        if (batch > 1) {
            PQpipelineSync(c);
            for (PGresult *r;;) {
                r = PQgetResult(c);
                if (!r)
                    continue; /* a null ends each query's results */
                ExecStatusType st = PQresultStatus(r);
                PQclear(r);
                if (st == PGRES_PIPELINE_SYNC)
                    break;
                if (st != PGRES_COMMAND_OK) {
                    fprintf(stderr, "%s\n", PQerrorMessage(c));
                    exit(1);
                }
            }
        }
        t->n += batch;
        if (t->nl == t->cap)
            t->lat = realloc(t->lat, (t->cap = t->cap ? t->cap * 2 : 4096) * sizeof *t->lat);
        t->lat[t->nl++] = (now() - s) * 1e6;
    }
    PQfinish(c);
    return 0;
}
int main(int ac, char **av)
{
    if (ac < 7)
        return 2;
    ca = av[1];
    cb = av[2];
    clients = atoi(av[3]);
    secs = atof(av[4]);
    batch = atoi(av[5]);
    int probes = atoi(av[6]);
    PGconn *a = conn(ca), *b = conn(cb);
    base = num(a, "select coalesce(max(id),0)+1 from event");
    if (probes) {
        float *l = malloc(probes * sizeof *l);
        prep(a);
        char q[80];
        for (int i = 0; i < probes; i++) {
            double s = now();
            one(a, base + i, 0);
            sprintf(q, "select 1 from event where id=%llu", (unsigned long long)(base + i));
            while (num(b, q) != 1)
                nap(0.0001);
            l[i] = (now() - s) * 1e6;
            nap(0.002);
        }
        printf("events %d\n", probes);
        percentiles("e2e_", l, probes);
        return 0;
    }
    struct th *t = calloc(clients, sizeof *t);
    t0 = now() + 0.2;
    for (int k = 0; k < clients; k++) {
        t[k].k = k;
        pthread_create(&t[k].t, 0, run, &t[k]);
    }
    uint64_t n = 0;
    size_t nl = 0;
    for (int k = 0; k < clients; k++) {
        pthread_join(t[k].t, 0);
        n += t[k].n;
        nl += t[k].nl;
    }
    double t1 = now();
    int64_t want = num(a, "select count(*) from event");
    char q[80];
    sprintf(q, "select count(*) from event");
    double give_up = now() + 60;
    while (num(b, q) < want) {
        if (now() > give_up) {
            printf("behind %lld\n", (long long)(want - num(b, q)));
            return 1;
        }
        nap(0.02);
    }
    double t2 = now();
    float *l = malloc(nl * sizeof *l);
    size_t j = 0;
    for (int k = 0; k < clients; k++) {
        memcpy(l + j, t[k].lat, t[k].nl * sizeof *l);
        j += t[k].nl;
    }
    printf("events %llu\nrate_at_a %.0f\nrate_at_b %.0f\nlag_at_end_s %.2f\n", (unsigned long long)n, n / (t1 - t0),
           n / (t2 - t0), t2 - t1);
    percentiles("", l, nl);
    return 0;
}
