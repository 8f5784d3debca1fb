/* Config: what `DIR/node.json` says, and the files that stand beside it.
 *
 *   {"region":510000, "name":"四川省",
 *    "federation":{"listen":"tls+tcp://0.0.0.0:7510","advertise":"tls+tcp://sc.example:7510"},
 *    "http":"127.0.0.1:8510", "catalog":"/etc/tongban/sichuan.json", "data":"/usr/share/tongban", "log":"info",
 *    "witness_http":"0.0.0.0:8520", "mirrors":[440000, 330000],
 *    "ledger":{"policy":"policy.txt", "heads_busy_s":10, "heads_idle_s":60, "heads_stale_s":180,
 *              "witness_round_ms":1000, "start_ask_ms":2000, "erase_alarm_s":86400},
 *    "reconcile":{"hour":3},
 *    "identity":{"uscc_check":"warn", "uscc_org_check":"warn", "unknown_division":"warn"},
 *    "files":{"listen":"tls+tcp://0.0.0.0:7511", "advertise_port":7511, "types":"pdf ofd jpeg png tiff",
 *             "scanner":["/usr/bin/clamdscan","--no-summary","-"], "scanner_s":300}}
 *
 * Only region, name, federation.listen and data must be there. Defaults: no TCP door ("http", "witness_http"), no catalog, no
 * mirrors, no policy; the numbers of "ledger" are those above. Limits: up to 3 mirrors, none twice, not this node; heads_busy_s
 * 1 to 60 and at most heads_idle_s, which is 1 to 3600 and less than heads_stale_s, up to 86400; witness_round_ms 10 to 60000;
 * start_ask_ms 0 (do not wait) to 60000; erase_alarm_s 1 to 2678400; reconcile.hour 0 to 23, or 24: never; each of "identity" is refuse, warn or ignore. Keys (tls.key, ledger.key, witness.key, seal.key) always stand in DIR.
 *
 * "files": without "listen" files stay on this node; "advertise_port" 0 is the port of "listen"; "types" empty: those of
 * node/files/file_type.c that are taken by default; of one case at most "case_files" (1 to 500, 256) and "case_mib" (8192) MiB; "scanner": up to 15 words, the first a whole path; scanner_s 1 to 3600. It reads a file on its standard input and ends with 0: clean, 1: infected, anything else: unknown. It sees what
 * is uploaded here, and what other nodes send before it is given out; one that is configured later also what is there already.
 *
 * One table of keys drives the parser (node/config.c); an unknown key, a wrong type or a bad value is an error that names
 * file, key and value. Relative paths are relative to DIR. Read once at start.
 */
#ifndef TB_NODE_CONFIG_H
#define TB_NODE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/arena.h"
#include "node/base/err.h"

#define CONFIG_MIRRORS_MAX 3u
#define CONFIG_SCANNER_ARGS_MAX 15u

struct config {
    struct arena arena;       /* owns every text */
    const char *dir;          /* folder of node.json */
    uint32_t region;          /* own node code */
    const char *name;         /* "四川省" */
    const char *listen;       /* tls+tcp://host:port */
    const char *advertise;    /* as in the member list; "" = listen */
    const char *http;         /* host:port on loopback; "" = unix socket only */
    const char *catalog;      /* own catalog file; "" = publishes nothing */
    const char *data;         /* folder with divisions*.tsv, holidays.json */
    const char *log;          /* level */
    const char *policy;       /* tlog-policy file: further logs that are cosigned here, external witnesses; "" = none */
    const char *witness_http; /* host:port of the C2SP witness for anybody's logs, plain HTTP; "" = none */
    uint32_t heads_busy_s, heads_idle_s, heads_stale_s; /* heads leaves: while busy, idle; a peer's are overdue */
    uint32_t witness_round_ms; /* between rounds of cosigning while somebody may want a receipt */
    uint32_t start_ask_ms;     /* how long a start waits for other nodes to say what they hold of the own ledger */
    uint32_t reconcile_hour;   /* of the day in China; 24 = not by itself */
    const char *uscc_check, *uscc_org_check,
        *unknown_division;  /* what such a fault of a number does: refuse, warn, ignore */
    uint32_t erase_alarm_s; /* after this an erasure that a participant has not acknowledged is an alarm */
    uint32_t mirrors[CONFIG_MIRRORS_MAX]; /* nodes that keep every entry of this one's cases, sealed */
    size_t mirror_count;
    uint32_t case_files;        /* files that one case may have */
    uint32_t case_mib;          /* and MiB that they may have together */
    const char *material_types; /* names of node/files/file_type.h, separated by spaces; "" = those taken by default */
    const char *scanner[CONFIG_SCANNER_ARGS_MAX + 1]; /* command over files, NULL at the end; [0] NULL = none */
    uint32_t scanner_s;                               /* how long it may take */
    const char *files_listen;                         /* tls+tcp://host:port for files; "" = none are given or taken */
    uint32_t files_port; /* where the others reach that, on the host of `advertise`; 0 = the port of files_listen */
    bool adopt_head;     /* from the command line: sign on without heads.db (ledger.h) */
    /* derived paths in dir */
    const char *socket_path, *token_path, *members_path, *federation_path, *ca_path, *crl_path, *cert_path, *key_path,
        *ledger_key_path, *witness_key_path, *seal_key_path;
};

/* @path: of node.json. */
int config_load(const char *path, struct config *ret, struct err *e) WARN_UNUSED;
void config_close(struct config *c);

/* What a file says that has nothing but what must be there; that is 0 here, and so are the derived paths. For nodes without a file (tests).
 * Owns nothing. */
void config_defaults(struct config *ret);

#endif
