/* policy: the tlog-policy file by which anybody judges receipts: the node's own, or made from the member list alone.
 *
 * Happy path without --members: the node's answer, as it is. With it: member list, verified under the federation's key -> one log and one witness per member -> a group of all
 * witnesses with its quorum -> text on standard output. Failure modes: no list that the key has signed, or nobody who could
 * witness for another. Own process; with --members no node and no network.
 */
#include <string.h>

#include "federation/ledger/policy.h"
#include "federation/members.h"
#include "node/base/file.h"
#include "node/ctl/cmd.h"

/* --federation-key is a verifier key, or a file that holds one (federation.pub). */
static int load_members(struct ctl *c, struct members *ret, struct err *e)
{
    const char *text = ctl_option(c, "--federation-key");
    struct note_verifier key;
    struct buf file = {0};
    if (note_verifier_parse(bytes_of_string(text), &key, NULL) == 0)
        return members_load(ctl_option(c, "--members"), text, ret, e);
    int rc = file_read(text, PEM_FILE_BYTES_MAX, &file, e);
    if (rc != 0) {
        err_hint(e, "--federation-key takes a verifier key, name+8 hex digits+base64, or a file with one");
        return rc;
    }
    const char *vkey = arena_strndup(&c->mem, (const char *)file.data, file.size);
    vkey = arena_strndup(&c->mem, vkey, strcspn(vkey, "\r\n"));
    buf_close(&file);
    return members_load(ctl_option(c, "--members"), vkey, ret, e);
}

/* One group of every member's witness, because a policy has one quorum for all ledgers. An honest node does not cosign its
 * own ledger, so that @needed are of the others; that a dishonest one's does not count, no policy can say. */
static void make_policy(struct arena *mem, const struct members *m, size_t needed, struct policy *ret)
{
    struct policy_log *logs = arena_alloc(mem, m->count * sizeof *logs);
    struct policy_witness *witnesses = arena_alloc(mem, m->count * sizeof *witnesses);
    uint32_t *numbers = arena_alloc(mem, m->count * sizeof *numbers);
    struct policy_group *group = arena_alloc(mem, sizeof *group);
    for (size_t i = 0; i < m->count; i++) {
        const struct member *one = &m->list[i];
        logs[i] = (struct policy_log){.key = one->key, .url = ""};
        witnesses[i] =
            (struct policy_witness){.name = arena_printf(mem, "%u", one->code), .key = one->witness, .url = ""};
        numbers[i] = (uint32_t)i;
    }
    *group =
        (struct policy_group){.name = "all-members", .needed = needed, .members = numbers, .member_count = m->count};
    *ret = (struct policy){.logs = logs,
                           .log_count = m->count,
                           .witnesses = witnesses,
                           .witness_count = m->count,
                           .groups = group,
                           .group_count = 1,
                           .has_quorum = true,
                           .quorum = POLICY_WITNESSES_MAX};
}

static int print_policy(struct ctl *c, const struct members *m, struct err *e)
{
    struct policy policy;
    struct buf text = {0};
    if (m->count < 2) {
        int rc = err_set(e, ERR_CONFLICT, "setup.no-member",
                         "the federation has %zu members: nobody could witness another's ledger", m->count);
        err_hint(e, "'tongban ca issue' makes members");
        return rc;
    }
    size_t others = m->count - 1, safe = policy_safe_quorum(others);
    uint64_t needed = safe;
    int rc = ctl_option_u64(c, "--quorum", 1, others, &needed, e);
    if (rc != 0)
        return rc;
    buf_printf(&text,
               "# %s, member list version %llu: %llu of the %zu members other than the ledger's own must cosign.\n"
               "# A group cannot leave out the ledger's own node: whoever counts should not count its cosignature.\n",
               m->federation, (unsigned long long)m->version, (unsigned long long)needed, others);
    if (needed < safe)
        buf_printf(&text, "# With fewer than %zu, two different histories could each find enough witnesses.\n", safe);
    make_policy(&c->mem, m, (size_t)needed, &policy);
    policy_format(&policy, &text);
    (void)fwrite(text.data, 1, text.size, c->out); /* ctl_main() asks ferror() */
    buf_close(&text);
    return 0;
}

/* What the node's receipts satisfy. */
static int ask_node(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/policy", &reply, e);
    if (rc == 0 && c->json) {
        const struct output_pair pair = {"policy", buf_cstr(&reply.text)};
        output_pairs_json(&pair, 1, c->out);
    } else if (rc == 0) {
        (void)fwrite(reply.text.data, 1, reply.text.size, c->out);
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_policy(struct ctl *c, struct err *e)
{
    struct members m = {.arena = ARENA_INIT};
    bool has_members = ctl_option(c, "--members") != NULL, has_key = ctl_option(c, "--federation-key") != NULL;
    if (!has_members && !has_key && ctl_option(c, "--quorum") == NULL)
        return ask_node(c, e);
    if (!has_members || !has_key)
        return err_set(e, ERR_INVALID, "ctl.missing-option",
                       "'policy' without a node needs --members and "
                       "--federation-key");
    int rc = load_members(c, &m, e);
    if (rc == 0)
        rc = print_policy(c, &m, e);
    members_close(&m);
    return rc;
}
