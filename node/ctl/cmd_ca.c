/* ca init, issue, revoke, publish: the federation's office.
 *
 * Beside what certs/ca.h keeps in the CA's folder there stand members.note, the signed member list
 * (federation/members.h), and federation.pub, the key it is checked with. Order of writing in `ca issue`: the member list
 * is made and checked in memory first, then the certificate is issued and written, then the list; a crash in between
 * leaves a certificate of a node that is no member yet, and running it again repairs that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/ca.h"
#include "certs/keystore.h"
#include "federation/members.h"
#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/setup.h"

#define DAY_S (24u * 3600)
#define CA_DAYS 3650
#define NODE_DAYS 365
#define DAYS_MAX 36500
#define BACKDATE_S 300 /* clocks of the nodes may be a little behind the CA's */

static uint64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

/* The CA's folder, opened: the CA, the federation's signer, the member list as it is. */
struct office {
    struct ca *ca;
    struct crypto_signer *crypto;
    struct note_signer signer;
    struct members members; /* empty when there is no list yet */
};

static void close_office(struct office *o)
{
    members_close(&o->members);
    crypto_signer_destroy(o->crypto);
    ca_close(o->ca);
}

static int load_members(struct ctl *c, struct office *o, struct err *e)
{
    struct buf vkey = {0};
    struct err absent = {0};
    note_verifier_format(&o->signer.key, &vkey);
    int rc = members_load(setup_path(&c->mem, c->dir, "members.note"), buf_cstr(&vkey), &o->members, &absent);
    buf_close(&vkey);
    if (rc == ERR_NOT_FOUND) {
        (void)snprintf(o->members.federation, sizeof o->members.federation, "%s", ca_federation(o->ca));
        return 0;
    }
    if (rc != 0)
        *e = absent;
    return rc;
}

/* @ret: its CA may be open already. close_office() is the caller's, also after an error. */
static int open_office(struct ctl *c, struct office *ret, struct err *e)
{
    int rc = ret->ca == NULL ? ca_open(c->dir, &ret->ca, e) : 0;
    if (rc == 0)
        rc = keystore_load_signing_key(setup_path(&c->mem, c->dir, "federation.key"), &ret->crypto, e);
    if (rc == 0)
        rc = note_signer_init(ca_federation(ret->ca), NOTE_TYPE_ED25519, ret->crypto, &ret->signer, e);
    if (rc == 0)
        rc = load_members(c, ret, e);
    return rc;
}

/* The list with @member in it (or, when NULL, without @code), one version up, signed, appended to @out. */
static int encode_members(struct ctl *c, const struct office *o, uint32_t code, const struct member *member,
                          struct buf *out, struct err *e)
{
    struct members next = {.version = o->members.version + 1};
    memcpy(next.federation, o->members.federation, sizeof next.federation);
    next.list = arena_alloc(&c->mem, (o->members.count + 1) * sizeof *next.list);
    bool placed = member == NULL;
    for (size_t i = 0; i < o->members.count; i++) {
        const struct member *old = &o->members.list[i];
        if (!placed && code <= old->code) {
            next.list[next.count++] = *member;
            placed = true;
        }
        if (old->code != code)
            next.list[next.count++] = *old;
    }
    if (!placed)
        next.list[next.count++] = *member;
    return members_encode(&next, &o->signer, out, e);
}

/* ---- ca init ---- */

int cmd_ca_init(struct ctl *c, struct err *e)
{
    uint64_t days = CA_DAYS, now = now_s();
    const char *name = ctl_option(c, "--name"), *public_path = setup_path(&c->mem, c->dir, "federation.pub");
    struct stat st;
    bool is_first = stat(public_path, &st) != 0;
    struct office o = {0};
    struct buf vkey = {0};
    int rc = ctl_option_u64(c, "--days", 1, DAYS_MAX, &days, e);
    if (rc == 0)
        rc = ca_init(c->dir, name, now - BACKDATE_S, now + days * DAY_S, &o.ca, e);
    if (rc == 0)
        rc = open_office(c, &o, e);
    if (rc == 0) {
        note_verifier_format(&o.signer.key, &vkey);
        buf_put_string(&vkey, "\n");
        rc = file_write(public_path, buf_bytes(&vkey), 0644, false, e);
    }
    if (rc != 0 && o.ca != NULL) { /* a federation without its public key is none: the next try makes all of it */
        if (is_first)
            (void)remove(public_path);
        ca_abandon(o.ca);
        o.ca = NULL;
    }
    if (rc == 0) {
        buf_cstr(&vkey);
        vkey.data[vkey.size - 1] = '\0'; /* the newline */
        const struct output_pair pairs[] = {{"federation", name}, {"folder", c->dir}, {"key", (const char *)vkey.data}};
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    buf_close(&vkey);
    close_office(&o);
    return rc;
}

/* ---- ca issue ---- */

/* "510000.tongban.example/log/1": the name of a node's ledger and of the key that signs it. */
static int make_member(struct ctl *c, const struct office *o, const struct setup_request *r, struct member *ret,
                       struct err *e)
{
    const char *origin = arena_printf(&c->mem, "%u.%s/log/1", r->region, ca_federation(o->ca));
    const char *witness = arena_printf(&c->mem, "%u.%s/witness", r->region, ca_federation(o->ca));
    *ret = (struct member){.code = r->region, .name = r->name, .url = r->url};
    memcpy(ret->seal_key, r->seal_key, sizeof ret->seal_key);
    int rc = note_verifier_init(witness, NOTE_TYPE_COSIGNATURE, r->witness_key, &ret->witness, e);
    return rc == 0 ? note_verifier_init(origin, NOTE_TYPE_ED25519, r->ledger_key, &ret->key, e) : rc;
}

/* A node keeps its ledger key for life: another one would make its whole ledger unreadable for the others. Its witness
 * key and its seal key may change: replaced_keys(). */
static int check_known_member(const struct office *o, const struct member *member, struct err *e)
{
    const struct member *old = members_find(&o->members, member->code);
    if (old == NULL || memcmp(old->key.public_key, member->key.public_key, sizeof old->key.public_key) == 0)
        return 0;
    int rc = err_set(e, ERR_CONFLICT, "setup.ledger-key", "node %u is a member already, with another ledger key",
                     member->code);
    err_hint(e, "restore its ledger.key; if it is lost, dismiss the node with 'ca revoke --dismiss' first");
    return rc;
}

/* Which of the keys that may change are others than on the list that @o was opened with; NULL for a new member. */
static const char *replaced_keys(struct ctl *c, const struct office *o, const struct setup_request *r)
{
    const struct member *old = members_find(&o->members, r->region);
    if (old == NULL)
        return NULL;
    bool witness = memcmp(old->witness.public_key, r->witness_key, sizeof r->witness_key) != 0;
    bool seal = memcmp(old->seal_key, r->seal_key, sizeof r->seal_key) != 0;
    if (!witness && !seal)
        return NULL;
    return arena_printf(&c->mem, "%s%s%s; the old one is void as soon as 'tongban ca publish' has told the nodes",
                        witness ? "witness key" : "", witness && seal ? " and " : "", seal ? "seal key" : "");
}

static int issue(struct ctl *c, struct office *o, const struct setup_request *r, uint64_t days, struct buf *ret_pem,
                 char serial[PKI_SERIAL_TEXT_SIZE], struct err *e)
{
    uint64_t now = now_s();
    struct member member;
    struct buf list = {0};
    const struct ca_request request = {.code = r->region,
                                       .name = r->name,
                                       .hosts = r->hosts,
                                       .hosts_count = r->host_count,
                                       .not_before_s = now - BACKDATE_S,
                                       .not_after_s = now + days * DAY_S,
                                       .csr_pem = r->csr_pem};
    int rc = make_member(c, o, r, &member, e);
    if (rc == 0)
        rc = check_known_member(o, &member, e);
    if (rc == 0)
        rc = encode_members(c, o, member.code, &member, &list, e);
    if (rc == 0)
        rc = ca_issue(o->ca, &request, ret_pem, serial, e);
    if (rc == 0)
        rc = file_write(setup_path(&c->mem, ctl_option(c, "--node"), "tls.crt"), buf_bytes(ret_pem), 0644, false, e);
    if (rc == 0)
        rc = file_write(setup_path(&c->mem, c->dir, "members.note"), buf_bytes(&list), 0644, false, e);
    buf_close(&list);
    return rc;
}

int cmd_ca_issue(struct ctl *c, struct err *e)
{
    uint64_t days = NODE_DAYS;
    struct setup_request r = {0};
    struct office o = {0};
    struct buf pem = {0};
    struct pki_cert cert = {0};
    char serial[PKI_SERIAL_TEXT_SIZE] = "";
    int rc = ctl_option_u64(c, "--days", 1, DAYS_MAX, &days, e);
    if (rc == 0)
        rc = setup_request_load(setup_path(&c->mem, ctl_option(c, "--node"), "request.json"), &c->mem, &r, e);
    if (rc == 0)
        rc = open_office(c, &o, e);
    if (rc == 0)
        rc = issue(c, &o, &r, days, &pem, serial, e);
    if (rc == 0)
        rc = pki_cert_parse(buf_bytes(&pem), &cert, e);
    if (rc == 0) {
        char until[PKI_DATE_TEXT_SIZE];
        pki_format_date(cert.not_after_s, until);
        const struct output_pair pairs[] = {
            {"code", arena_printf(&c->mem, "%u", r.region)},
            {"name", r.name},
            {"federation", ca_federation(o.ca)},
            {"serial", serial},
            {"valid until", until},
            {"reached at", r.url},
            {"replaced", replaced_keys(c, &o, &r)},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    buf_close(&pem);
    close_office(&o);
    return rc;
}

/* ---- ca revoke ---- */

/* Serials to revoke, in c->mem: the list of the CA is borrowed and changes with each revocation. */
static const char **serials_of(struct ctl *c, const struct office *o, uint32_t code, size_t *ret_count)
{
    const struct ca_index *index = ca_list(o->ca);
    const char **serials = arena_alloc(&c->mem, (index->count + 1) * sizeof *serials);
    uint64_t now = now_s();
    *ret_count = 0;
    for (size_t i = 0; i < index->count; i++) {
        const struct ca_index_entry *entry = &index->entries[i];
        if (entry->code == code && entry->revoked_s == 0 && entry->not_after_s > now)
            serials[(*ret_count)++] = arena_strdup(&c->mem, entry->serial);
    }
    return serials;
}

static int dismiss(struct ctl *c, const struct office *o, uint32_t code, struct err *e)
{
    struct buf list = {0};
    int rc = members_find(&o->members, code) == NULL
                 ? err_set(e, ERR_NOT_FOUND, "setup.no-member", "node %u is not on the member list", code)
                 : encode_members(c, o, code, NULL, &list, e);
    if (rc == 0)
        rc = file_write(setup_path(&c->mem, c->dir, "members.note"), buf_bytes(&list), 0644, false, e);
    buf_close(&list);
    return rc;
}

static int revoke(struct ctl *c, struct office *o, uint32_t code, size_t *ret_count, struct err *e)
{
    enum ca_index_reason reason = CA_INDEX_UNSPECIFIED;
    const char *one = ctl_option(c, "--serial"), *reason_text = ctl_option(c, "--reason");
    int rc = reason_text != NULL ? ca_index_reason_parse(reason_text, &reason, e) : 0;
    size_t count = 1;
    const char **serials = one != NULL ? &one : serials_of(c, o, code, &count);
    bool is_dismissal = ctl_option(c, "--dismiss") != NULL;
    if (rc == 0 && count == 0 && !is_dismissal)
        rc = err_set(e, ERR_NOT_FOUND, "setup.no-certificate", "node %u has no valid certificate of this CA", code);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = ca_revoke(o->ca, serials[i], reason, now_s(), e);
    if (rc == 0 && is_dismissal)
        rc = dismiss(c, o, code, e);
    *ret_count = count;
    return rc;
}

int cmd_ca_revoke(struct ctl *c, struct err *e)
{
    uint64_t code = 0;
    size_t count = 0;
    struct office o = {0};
    bool by_serial = ctl_option(c, "--serial") != NULL, by_code = ctl_option(c, "--code") != NULL;
    if (by_serial == by_code)
        return err_set(e, ERR_INVALID, by_serial ? "ctl.option-conflict" : "ctl.missing-option",
                       "'ca revoke' needs one of --serial and --code");
    if (by_serial && ctl_option(c, "--dismiss") != NULL)
        return err_set(e, ERR_INVALID, "ctl.option-conflict", "--dismiss goes with --code, not with --serial");
    int rc = ctl_option_u64(c, "--code", PKI_CODE_MIN, PKI_CODE_MAX, &code, e);
    if (rc == 0)
        rc = open_office(c, &o, e);
    if (rc == 0)
        rc = revoke(c, &o, (uint32_t)code, &count, e);
    if (rc == 0) {
        const struct output_pair pairs[] = {
            {"revoked", arena_printf(&c->mem, "%zu", count)},
            {"dismissed", ctl_option(c, "--dismiss") != NULL ? ctl_option(c, "--code") : NULL},
            {"next", c->json ? NULL : "'tongban ca publish' tells the nodes"},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    close_office(&o);
    return rc;
}

/* ---- ca publish ---- */

static int copy(struct ctl *c, const char *from, const char *node_dir, const char *to, struct err *e)
{
    struct buf content = {0};
    int rc = file_read(setup_path(&c->mem, c->dir, from), CRL_FILE_BYTES_MAX, &content, e);
    if (rc == 0)
        rc = file_write(setup_path(&c->mem, node_dir, to), buf_bytes(&content), 0644, false, e);
    buf_close(&content);
    return rc;
}

/* Before anything is written, so that a mistyped name leaves no federation half updated. */
static int check_node_dirs(const struct ctl *c, struct err *e)
{
    for (size_t i = 0; i < c->arg_count; i++) {
        struct stat st;
        if (stat(c->args[i], &st) != 0)
            return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "setup.node-dir", errno,
                                 "nothing was written, there is no using the node folder '%.200s'", c->args[i]);
        if (!S_ISDIR(st.st_mode))
            return err_set(e, ERR_INVALID, "setup.node-dir", "nothing was written, '%.200s' is no folder", c->args[i]);
    }
    return 0;
}

int cmd_ca_publish(struct ctl *c, struct err *e)
{
    static const char *const files[][2] = {{"ca.pem", "ca.crt"},
                                           {"crl.pem", "crl.pem"},
                                           {"members.note", "members.note"},
                                           {"federation.pub", "federation.pub"}};
    struct office o = {0};
    int rc = check_node_dirs(c, e);
    if (rc == 0)
        rc = open_office(c, &o, e);
    if (rc == 0 && o.members.count == 0)
        rc = err_set(e, ERR_CONFLICT, "setup.no-member", "the federation has no members yet: 'ca issue' makes them");
    if (rc == 0)
        rc = ca_write_crl(o.ca, now_s(), CA_CRL_VALID_S, e);
    for (size_t i = 0; rc == 0 && i < c->arg_count; i++)
        for (size_t f = 0; rc == 0 && f < array_count(files); f++)
            rc = copy(c, files[f][0], c->args[i], files[f][1], e);
    if (rc == 0) {
        const struct output_pair pairs[] = {
            {"members", arena_printf(&c->mem, "%zu", o.members.count)},
            {"list version", arena_printf(&c->mem, "%llu", (unsigned long long)o.members.version)},
            {"nodes updated", arena_printf(&c->mem, "%zu", c->arg_count)},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    close_office(&o);
    return rc;
}
