/* The command table: each command with its arguments, options, help and the function that does it (see ctl.h). It drives
 * the parser (ctl_parse.c), the help (ctl_help.c) and the tests; nothing but the table is here.
 */
#include "node/ctl/ctl.h"

#include <stddef.h>

#define OPTION_WAIT_PEERS {"--wait-peers", NULL, false, false, "return only when every participant has it on disk"}
#define OPTION_REASON_CODE {"--reason-code", "CODE", false, false, "the reason as a code: a-z 0-9 _ . -"}
#define OPTION_REASON                                                                                                  \
    {"--reason", "TEXT", false, false, "the reason in words, for the participants only"}, OPTION_REASON_CODE
#define OPTION_TOLD {"--reason", "TEXT", true, false, "the reason in words, told to the applicant"}, OPTION_REASON_CODE
#define OPTION_NOTE {"--note", "TEXT", false, false, "a remark, for the participants only"}
#define OPTION_LIMIT {"--limit", "N", false, false, "at most N rows"}
#define OPTION_END {NULL, NULL, false, false, NULL}

static const struct ctl_option no_options[] = {OPTION_END};
static const struct ctl_option list_items_options[] = {
    {"--node", "CODE", false, false, "only items of this node, such as 510000"},
    OPTION_LIMIT,
    {"--after", "TOKEN", false, false, "the next page: what the last one named"},
    OPTION_END,
};
static const struct ctl_option item_options[] = {
    {"--node", "CODE", false, false, "the node that publishes it, when several do"},
    {"--version", "N", false, false, "an older version of it, with --node"},
    OPTION_END};
#define OPTIONS_PERSONS                                                                                                \
    {"--name", "TEXT", false, false, "name of the applicant"},                                                         \
        {"--id", "NUMBER", false, false, "identity number of the applicant"},                                          \
        {"--id-type", "TYPE", false, false, "citizen_id (default), or another: 'tongban identity types' lists them"},  \
        {"--kind", "KIND", false, false, "person (default) or organisation"},                                          \
        {"--phone", "NUMBER", false, false, "telephone"},                                                              \
        {"--agent-name", "TEXT", false, false, "代办人: who acts for the applicant"},                                  \
        {"--agent-id", "NUMBER", false, false, "identity number of the agent"},                                        \
        {"--agent-id-type", "TYPE", false, false, "its kind (default citizen_id)"},                                    \
        {"--agent-phone", "NUMBER", false, false, "telephone of the agent"},                                           \
        {"--authorisation", "FILE", false, false, "授权委托书: its SHA-256 is taken from the file"},                   \
        {"--authorisation-scope", "TEXT", false, false, "what the agent may do"},                                      \
        {"--authorisation-until", "YYYY-MM-DD", false, false, "last day of the authorisation (default: not limited)"}, \
        {"--guardian-name", "TEXT", false, false, "监护人 of the applicant"},                                          \
        {"--guardian-id", "NUMBER", false, false, "identity number of the guardian"},                                  \
        {"--guardian-id-type", "TYPE", false, false, "its kind (default citizen_id)"},                                 \
        {"--guardian-phone", "NUMBER", false, false, "telephone of the guardian"},                                     \
        {"--relation", "WORD", false, false,                                                                           \
         "parent, grandparent, sibling, spouse, child, relative, civil_affairs or other"},                             \
        {"--guardian-consent", NULL, false, false, "the guardian agrees to the use of the data of a child under 14"}
static const struct ctl_option submit_options[] = {
    {"--item", "CODE", false, false, "service item of the deciding province"},
    OPTIONS_PERSONS,
    {"--node", "CODE", false, false, "deciding node, when it does not follow from the division"},
    {"--division", "CODE", false, false, "home division of the matter (default: from the identity number)"},
    {"--mode", "MODE", false, false, "online, collect or joint"},
    {"--form", "KEY=VALUE", false, true, "a field of the form"},
    {"--material", "CODE=FILE", false, true, "a material; its SHA-256 and size are taken from the file"},
    {"--no-forward", NULL, false, false, "take in only, forward later"},
    {"--promise", NULL, false, false, "the applicant signed the promise (告知承诺) that replaces a certificate"},
    {"--parent", "CASE", false, false, "the case (多地联办) that this one is a part of, 32 hex digits"},
    {"--json-file", "FILE", false, false, "the whole application as JSON, - for standard input (instead of the above)"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option status_options[] = {
    {"--health", NULL, false, false,
     "for supervisors: 'ok', or the reason and an exit status that is not 0 while nothing can be taken in"},
    OPTION_END,
};
static const struct ctl_option demo_peer_options[] = {
    {"--script", "FILE", false, false, "what it does with which case (default: by the applicant's name)"},
    {"--print-script", NULL, false, false, "print the script that is used by default, with its comments, and end"},
    {"--fault", "TEXT", false, true, "\"offline after SECONDS for SECONDS\", \"slow SECONDS\" or deny-all"},
    {"--region", "CODE", false, false, "division code of the simulated province (default 510000)"},
    {"--name", "TEXT", false, false, "its name"},
    {"--catalog", "FILE", false, false, "its catalog (default: the sample of Sichuan)"},
    {"--own-region", "CODE", false, false, "division code of your node (default 440000)"},
    {"--own-name", "TEXT", false, false, "its name"},
    {"--own-catalog", "FILE", false, false, "its catalog (default: none)"},
    {"--data", "DIR", false, false, "folder of divisions and calendars (default: as installed)"},
    OPTION_END,
};
#define OPTION_FORMAT {"--format", "FORM", false, false, "table (default), csv or json"}
static const struct ctl_option reconcile_options[] = {
    {"--peer", "CODE", false, false, "only with this node (default: with every member)"},
    OPTION_FORMAT,
    {"--wait", "SECONDS", false, false, "how long to wait for the end (default 600)"},
    OPTION_END,
};
static const struct ctl_option reconcile_show_options[] = {OPTION_FORMAT, OPTION_END};
static const struct ctl_option identity_options[] = {
    {"--type", "TYPE", false, false, "kind of number (default citizen_id)"}, OPTION_END};
static const struct ctl_option list_cases_options[] = {
    {"--status", "NAME", false, false, "only cases in this state, such as accepted"},
    {"--role", "ROLE", false, false, "only cases where this node is receiving or deciding"},
    {"--item", "CODE", false, false, "only cases of this item"},
    {"--overdue", NULL, false, false, "only cases past their deadline, the longest first; with --role only"},
    OPTION_LIMIT,
    {"--before", "N", false, false, "the next page: what the last one named"},
    OPTION_END,
};
static const struct ctl_option search_options[] = {
    {"--node", "CODE", false, false, "only items of this node"},
    {"--region", "CODE", false, false, "only items of this division, of what lies in it and of what it lies in"},
    {"--life-event", "TEXT", false, false, "only items of this life event (生活事件), such as 出生"},
    {"--limit", "N", false, false, "at most so many (default 20, at most 100)"},
    {"--after", "TOKEN", false, false, "the next page: what the last one named"},
    OPTION_END,
};
static const struct ctl_option route_options[] = {
    {"--division", "CODE", true, false, "division of the matter, such as 510104; an old one leads to its successor"},
    {"--date", "DATE", false, false, "on this day, such as 2026-11-24 (default: today)"},
    {"--level", "N", false, false, "only items of this level (行使层级), 1 to 6"},
    OPTION_END,
};
static const struct ctl_option list_bundles_options[] = {
    {"--node", "CODE", false, false, "only bundles of this node"},
    {"--text", "TEXT", false, false, "only those with this in name, code or life event, or in how these read (pinyin)"},
    {"--region", "CODE", false, false, "only those of this division, of what lies in it and of what it lies in"},
    {"--life-event", "TEXT", false, false, "only bundles of this life event (生活事件), such as 出生"},
    {"--date", "DATE", false, false, "the versions in force on this day (default: today)"},
    OPTION_LIMIT,
    {"--after", "TOKEN", false, false, "the next page: what the last one named"},
    OPTION_END,
};
static const struct ctl_option bundle_options[] = {
    {"--node", "CODE", false, false, "the node that publishes it, when several do"},
    {"--version", "N", false, false, "this version of it (default: the one in force)"},
    {"--date", "DATE", false, false, "the version in force on this day (default: today)"},
    OPTION_END,
};
#define OPTIONS_ANSWERS                                                                                                \
    {"--node", "CODE", false, false, "the node that publishes it, when several do"},                                   \
        {"--version", "N", false, false, "this version of it (default: the one in force)"},                            \
        {"--answer", "QUESTION=ANSWER", false, true, "the answer to one of its questions"},                            \
        {"--division", "CODE", false, false, "home division of the matter (default: from the identity number)"},       \
        {"--part-division", "PART=CODE", false, true, "the division of one part, when it is another"},                 \
        {"--promise", "PART", false, true, "its applicant signs the promise (告知承诺) that replaces a certificate"}
static const struct ctl_option plan_options[] = {OPTIONS_ANSWERS, OPTION_END};
static const struct ctl_option submit_bundle_options[] = {
    OPTIONS_ANSWERS,
    OPTIONS_PERSONS,
    {"--form", "KEY=VALUE", false, true, "a field of the form, of all parts"},
    {"--material", "CODE=FILE", false, true, "a shared material, or PART/CODE=FILE: one of a single part"},
    {"--json-file", "FILE", false, false,
     "the whole application as JSON, - for standard input (instead of the above, but --node)"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option import_bundles_options[] = {
    {"--publish", NULL, false, false, "publish when nothing is wrong (without: only the report)"}, OPTION_END};
static const struct ctl_option versions_options[] = {{"--node", "CODE", true, false, "the node that publishes it"},
                                                     OPTION_END};
static const struct ctl_option import_options[] = {
    {"--publish", NULL, false, false, "publish when nothing is wrong (without: only the report)"},
    {"--replace", NULL, false, false, "withdraw the items that are not in the file (without: they stay)"},
    OPTION_END,
};
static const struct ctl_option export_options[] = {{"--empty", NULL, false, false, "a template without items"},
                                                   OPTION_END};
static const struct ctl_option document_options[] = {
    {"--act", "EVENT", true, false,
     "submit, accept, correct, not_required, refuse, pause, extend, decide, revoke or deliver"},
    {"--purpose", "TEXT", true, false, "why it is read: goes to the node's log"},
    {"--wait", "SECONDS", false, false, "for the witnesses' signatures in the receipt's code (default: none)"},
    OPTION_END,
};
static const struct ctl_option calendar_show_options[] = {
    {"--node", "CODE", false, false, "as this node counts (default: the own one)"},
    {"--division", "CODE", false, false, "for one of its divisions"},
    OPTION_END,
};
static const struct ctl_option calendar_import_options[] = {
    {"--division", "CODE", false, false, "only for this division, such as one with holidays of its own"}, OPTION_END};
static const struct ctl_option step_options[] = {OPTION_REASON, OPTION_NOTE, OPTION_WAIT_PEERS, OPTION_END};
#define OPTION_OFFICIAL                                                                                                \
    {"--official", "NUMBER", false, false, "staff number of who acts: the participants see it, the ledger a pseudonym"}
#define OPTION_REMEDIES                                                                                                \
    {"--remedies", "TEXT", false, false, "how to appeal (复议、诉讼), instead of what the item or the law says"}
static const struct ctl_option accept_options[] = {
    {"--lacking", "CODE[=N]", false, true,
     "容缺受理: a material that may come later, in N working days (or all there are)"},
    {"--lacking-days", "N", false, false, "容缺受理: what is lacking must be there in N working days"},
    OPTION_OFFICIAL,
    OPTION_REASON,
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option correct_options[] = {OPTION_TOLD, OPTION_NOTE, OPTION_WAIT_PEERS, OPTION_END};
static const struct ctl_option refuse_options[] = {OPTION_TOLD, OPTION_REMEDIES,   OPTION_OFFICIAL,
                                                   OPTION_NOTE, OPTION_WAIT_PEERS, OPTION_END};
static const struct ctl_option pause_options[] = {
    {"--kind", "KIND", true, false,
     "hearing, tender, auction, inspection, testing, quarantine, appraisal, expert_review, or other (其他), which "
     "needs "
     "--reason and --basis"},
    {"--days", "N", false, false,
     "how long it is expected to take, told to the applicant; default: as the item declares it for this kind"},
    {"--unit", "UNIT", false, false, "working or natural; default: as the item declares it, else working"},
    {"--basis", "TEXT", false, false, "the law that stops the time, told to the applicant"},
    OPTION_OFFICIAL,
    OPTION_REASON,
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option extend_options[] = {
    {"--days", "N", true, false, "working days more: 10, or 15 where several authorities act together"},
    {"--official", "NUMBER", true, false, "staff number of the head who approved it"},
    {"--reason-code", "CODE", true, false, "the reason as a code: a-z 0-9 _ . -"},
    {"--reason", "TEXT", true, false, "the reason in words, told to the applicant"},
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option review_options[] = {
    {"--official", "NUMBER", true, false, "staff number of the reviewer, who may not decide as well"},
    {"--pass", NULL, false, false, "the decision may be made"},
    {"--return", NULL, false, false, "it may not, see the reason"},
    OPTION_REASON,
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option evaluate_options[] = {
    {"--grade", "N", true, false, "5 非常满意, 4 满意, 3 基本满意, 2 不满意, 1 非常不满意"},
    {"--side", "SIDE", false, false, "receiving (default, the window) or deciding (the authority)"},
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option follow_up_options[] = {
    {"--side", "SIDE", true, false, "receiving or deciding: the side that got the bad mark"},
    {"--note", "TEXT", true, false, "what was found and mended, for the participants only"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option part_options[] = {
    {"--part", "CASE", true, false, "the case of the part, 32 hex digits"}, OPTION_NOTE, OPTION_WAIT_PEERS, OPTION_END};
static const struct ctl_option part_done_options[] = {
    {"--part", "CASE", true, false, "the case of the part, 32 hex digits"},
    {"--grant", NULL, false, false, "it was granted"},
    {"--deny", NULL, false, false, "it was denied"},
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option decide_options[] = {
    {"--grant", NULL, false, false, "准予: grant the application"},
    {"--deny", NULL, false, false, "不予: deny it"},
    {"--keep-open", NULL, false, false, "decide only, close the case later"},
    {"--licence", "NAME=VALUE", false, true,
     "for the public list: category, number, valid_from, valid_to, certificate, content, document, document_number or "
     "legal_representative"},
    OPTION_OFFICIAL,
    OPTION_REASON,
    OPTION_REMEDIES,
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option archive_options[] = {OPTION_NOTE, OPTION_OFFICIAL, OPTION_WAIT_PEERS, OPTION_END};
static const struct ctl_option archive_export_options[] = {
    {"--purpose", "TEXT", true, false, "why everything in it is read; it goes to the log"}, OPTION_END};
static const struct ctl_option archive_verify_options[] = {
    {"--policy", "FILE", false, false,
     "judge its receipts by this policy (tongban policy), not by the one in the folder"},
    OPTION_END};
static const struct ctl_option publicity_options[] = {
    {"--format", "FORMAT", false, false, "csv (default: UTF-8 with a mark, for spreadsheet programs) or json"},
    {"--incomplete", NULL, false, false, "also those that lack something the list demands"},
    {"--keep", NULL, false, false, "write only: they stay due"},
    OPTION_END};
static const struct ctl_option deliver_options[] = {
    {"--channel", "CHANNEL", true, false, "window, post or electronic"}, OPTION_NOTE, OPTION_WAIT_PEERS, OPTION_END};
static const struct ctl_option post_options[] = {
    {"--carrier", "TEXT", true, false, "who carries it, such as EMS"},
    {"--tracking", "NUMBER", false, false, "the carrier's number of it; shown masked, for the participants only"},
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option notify_options[] = {
    {"--means", "MEANS", true, false, "phone, sms, window, online or letter"},
    {"--on", "DATE", false, false, "the day, such as 2026-11-28 (default: when it is written)"},
    {"--note", "TEXT", false, false, "what was told, for the participants only"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option fee_options[] = {
    {"--amount-fen", "N", true, false, "how much, in fen: 2000 is 20.00 yuan"},
    {"--note", "TEXT", false, false, "what for, or the number of the bill; never one of a card"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option note_options[] = {
    {"--note", "TEXT", true, false, "the remark, for the participants only"}, OPTION_WAIT_PEERS, OPTION_END};
#define OPTION_LEAD {"--lead", "CODE", true, false, "the node that decides the case from here on, such as 510000"}
static const struct ctl_option handover_options[] = {OPTION_LEAD, OPTION_REASON, OPTION_NOTE, OPTION_WAIT_PEERS,
                                                     OPTION_END};
static const struct ctl_option supervise_options[] = {
    OPTION_LEAD,
    {"--last-leaf", "N", false, false,
     "last entry of the old deciding node's ledger that counts (default: the last one of the case that counts here)"},
    OPTION_REASON,
    OPTION_NOTE,
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option event_options[] = {
    {"--json-file", "FILE", true, false, "one event, or {\"events\": [...]}, - for standard input"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option material_add_options[] = {
    {"--name", "TEXT", false, false, "name of the file for people (default: that of FILE)"},
    {"--code", "CODE", false, false, "which material of the item it is"},
    {"--type", "TYPE", false, false, "pdf, ofd, jpeg, png, tiff, doc, docx, xls or xlsx (default: by the name)"},
    {"--trust", "LEVEL", false, false, "A issued by an authority, B checked here, C uploaded (default), D promised"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option material_get_options[] = {
    {"--output", "FILE", true, false, "where to put it; must not exist"},
    {"--purpose", "TEXT", true, false, "why it is read: goes to the node's log"},
    OPTION_END,
};
static const struct ctl_option material_reuse_options[] = {
    {"--from", "CASE", true, false, "the case that has the file"},
    {"--consent", "TEXT", true, false, "who agreed and how; the participants see it"},
    OPTION_WAIT_PEERS,
    OPTION_END,
};
static const struct ctl_option payload_options[] = {
    {"--purpose", "TEXT", true, false, "why it is read: goes to the node's log"}, OPTION_END};
static const struct ctl_option show_case_options[] = {
    {"--last", "N", false, false, "only the last 0 to 1000 of its events (default: all)"}, OPTION_END};
static const struct ctl_option watch_options[] = {
    {"--until", "NAME", false, false, "stop at this state instead of the last one"}, OPTION_END};
static const struct ctl_option origin_options[] = {
    {"--origin", "CODE", false, false, "the last signed one held of this node (default: the own cosigned one)"},
    OPTION_END,
};
static const struct ctl_option tile_options[] = {
    {"--width", "N", false, false, "a partial tile: its first 1 to 255 hashes or entries (default 256: a full one)"},
    OPTION_END,
};
static const struct ctl_option evidence_options[] = {
    {"--raw", "CODE", false, false, "print the evidence against this node itself, to be kept"}, OPTION_END};
static const struct ctl_option entries_options[] = {
    {"--origin", "CODE", false, false, "ledger of this node (default: the own one)"},
    {"--from", "INDEX", false, false, "first entry (default 0)"},
    OPTION_LIMIT,
    OPTION_END,
};
#define OPTIONS_RECEIPT                                                                                                \
    {"--policy", "FILE", true, false, "whose word counts: tlog-policy, with the ledgers' and the witnesses' keys"},    \
        {"--members", "FILE", false, false, "member list (members.note), to name the nodes"},                          \
        {"--federation-key", "KEY", false, false, "with --members: the federation's key, or the file federation.pub"}
static const struct ctl_option receipt_verify_options[] = {
    OPTIONS_RECEIPT,
    {"--lenient", NULL, false, false,
     "judge the signatures alone: lines of unknown signers and the words on a page may be anything"},
    OPTION_END,
};
static const struct ctl_option receipt_convert_options[] = {
    {"--as", "FORM", true, false, "html (page to print), qr (text of the QR code), compact or text"},
    OPTIONS_RECEIPT,
    {"--number", "NUMBER", false, false, "html: the case number, when the receipt does not say it"},
    {"--item", "CODE", false, false, "html: the service item, when the receipt does not say it"},
    {"--item-name", "TEXT", false, false, "html: the name of that item"},
    OPTION_END,
};
static const struct ctl_option policy_options[] = {
    {"--members", "FILE", false, false, "from this member list (members.note), without a node"},
    {"--federation-key", "KEY", false, false, "with --members: the federation's key, or the file federation.pub"},
    {"--quorum", "K", false, false,
     "with --members: how many cosignatures are needed (default: a majority of the others, or more)"},
    OPTION_END,
};
static const struct ctl_option ca_init_options[] = {
    {"--name", "NAME", true, false, "name of the federation: lower-case letters, digits, dots"},
    {"--days", "N", false, false, "how long the CA's certificate is valid (default 3650)"},
    OPTION_END,
};
static const struct ctl_option ca_issue_options[] = {
    {"--node", "NODEDIR", true, false, "folder made by 'node init'"},
    {"--days", "N", false, false, "how long the certificate is valid (default 365)"},
    OPTION_END,
};
static const struct ctl_option ca_revoke_options[] = {
    {"--serial", "HEX", false, false, "one certificate"},
    {"--code", "CODE", false, false, "every valid certificate of a node"},
    {"--reason", "REASON", false, false, "unspecified (default), key-compromise, superseded or cessation"},
    {"--dismiss", NULL, false, false, "with --code: also take the node off the member list"},
    OPTION_END,
};
static const struct ctl_option node_init_options[] = {
    {"--region", "CODE", true, false, "division code of the node, such as 510000"},
    {"--name", "TEXT", true, false, "its name, such as 四川省"},
    {"--federation-listen", "URL", true, false, "where it listens for other nodes: tls+tcp://host:port"},
    {"--advertise", "URL", false, false, "where the others reach it (default: the same)"},
    {"--files-listen", "URL", false, false,
     "where it listens for files of cases: tls+tcp://host:port (default: nowhere)"},
    {"--files-port", "PORT", false, false,
     "where the others reach that, on the host of --advertise (default: its port)"},
    {"--http", "HOST:PORT", false, false, "local API on TCP too, on loopback only"},
    {"--catalog", "FILE", false, false, "its own service catalog"},
    {"--data", "DIR", false, false, "folder of divisions and calendars (default: as installed)"},
    OPTION_END,
};

static const struct ctl_option erase_options[] = {
    {"--basis", "BASIS", true, false,
     "purpose_achieved, retention_expired, consent_withdrawn, unlawful or other_law: 个人信息保护法第四十七条"},
    OPTION_END,
};
static const struct ctl_option hold_options[] = {
    {"--reason", "TEXT", true, false, "why: 查封, 复议, 诉讼, 审计 …; shown and logged, so no personal data"},
    OPTION_END};
static const struct ctl_option limit_options[] = {OPTION_LIMIT, OPTION_END};
static const struct ctl_option receipt_get_options[] = {
    {"--act", "EVENT", false, false, "submit (收件, default), accept (受理), decide (决定) or any other event"},
    {"--as", "FORM", false, false, "text (default), html (page to print), qr, svg (QR code) or compact"},
    {"--out", "FILE", false, false, "a new file (default: standard output)"},
    {"--wait", "SECONDS", false, false, "how long to wait for the witnesses, 0 to 60 (default 10)"},
    OPTION_END,
};
static const struct ctl_option backup_options[] = {
    {"--out", "FILE", true, false, "a new file, on the node's machine"},
    {"--keys", NULL, false, false, "copy keys.db (the keys of the cases) instead of ledger.db"},
    OPTION_END,
};

static const struct ctl_option restore_options[] = {
    {"--from", "FILE", true, false, "a backup made by 'tongban backup'"},
    {"--keys", NULL, false, false, "a backup of keys.db"},
    OPTION_END,
};

#define STEP(name, help)                                                                                               \
    {"case " name, "CASE", 1, 1, false, step_options, cmd_case_step, help, "tongban case " name " 0006b6c06b05aa01c9f2"}

#define STEP_WITH(name, options, help, example)                                                                        \
    {"case " name,                                                                                                     \
     "CASE",                                                                                                           \
     1,                                                                                                                \
     1,                                                                                                                \
     false,                                                                                                            \
     options,                                                                                                          \
     cmd_case_step,                                                                                                    \
     help,                                                                                                             \
     "tongban case " name " 0006b6c06b05aa01c9f2" example}

const struct ctl_command ctl_commands[] = {
    {"help", "[COMMAND]", 0, 2, false, no_options, cmd_help, "explain a command", "tongban help case submit"},
    {"version", "", 0, 0, false, no_options, cmd_version, "print the version", "tongban version"},
    {"status", "", 0, 0, false, status_options, cmd_status, "how the node is, or only whether it can take something in",
     "tongban status --health"},
    {"alarm list", "", 0, 0, false, no_options, cmd_alarm_list, "what needs somebody's eyes (告警), since the start",
     "tongban alarm list"},
    {"peer list", "", 0, 0, false, no_options, cmd_peer_list, "the other nodes and how far each has come",
     "tongban peer list"},
    {"catalog list", "", 0, 0, false, list_items_options, cmd_catalog_list, "service items of all nodes",
     "tongban catalog list --node 510000"},
    {"catalog search", "[TEXT]", 0, 1, false, search_options, cmd_catalog_search,
     "find service items by name, pinyin, initials (jmsfz), code, place or life event",
     "tongban catalog search 户口迁移 --region 510104"},
    {"catalog show", "CODE", 1, 1, false, item_options, cmd_catalog_show, "one service item, whole",
     "tongban catalog show 11510000TEMP00013D20007KSTB0052 --node 510000"},
    {"route explain", "ITEM", 1, 1, false, route_options, cmd_route_explain,
     "who decides an item (code or basic code) for a division, step by step",
     "tongban route explain 0007KSTB0066 --division 510125 --date 2026-11-24"},
    {"catalog versions", "CODE", 1, 1, false, versions_options, cmd_catalog_versions,
     "what was published of an item, newest first",
     "tongban catalog versions 11510000TEMP00013D20007KSTB0052 --node 510000"},
    {"catalog import", "FILE...", 1, 16, false, import_options, cmd_catalog_import,
     "report on the own catalog in a .json, .csv (several: one a table) or .xlsx file; --publish publishes it",
     "tongban catalog import 事项.csv 材料.csv --publish"},
    {"catalog export", "FILE", 1, 1, false, export_options, cmd_catalog_export,
     "the own catalog, or an empty template, as .json, .csv or .xlsx", "tongban catalog export template.xlsx --empty"},
    {"catalog status", "CODE STATUS", 2, 2, false, no_options, cmd_catalog_status,
     "set an own item's status: 在用, 暂停 or 取消", "tongban catalog status 11510000TEMP00013D20007KSTB0052 暂停"},
    {"bundle list", "", 0, 0, false, list_bundles_options, cmd_bundle_list, "bundles (一件事一次办) of all nodes",
     "tongban bundle list --text xinshenger --region 510104"},
    {"bundle show", "CODE", 1, 1, false, bundle_options, cmd_bundle_show, "one bundle, whole",
     "tongban bundle show BIRTH --node 510000"},
    {"bundle versions", "CODE", 1, 1, false, versions_options, cmd_bundle_versions,
     "what was published of a bundle, newest first", "tongban bundle versions BIRTH --node 510000"},
    {"bundle plan", "CODE", 1, 1, false, plan_options, cmd_bundle_plan,
     "what an applicant needs of a bundle: parts, who decides each, questions, materials",
     "tongban bundle plan BIRTH --answer insure=是 --division 510104"},
    {"bundle submit", "CODE", 1, 1, false, submit_bundle_options, cmd_bundle_submit,
     "take in one application for a whole bundle (一件事): a case with a part for each item",
     "tongban bundle submit BIRTH --answer insure=是 --answer card=否 --answer maternity=否 --name 张三 --id "
     "510104190507290029 --material S1=出生医学证明.pdf"},
    {"bundle import", "FILE", 1, 1, false, import_bundles_options, cmd_bundle_import,
     "report on a .json file of own bundles; --publish publishes them", "tongban bundle import 一件事.json --publish"},
    {"bundle withdraw", "CODE", 1, 1, false, no_options, cmd_bundle_withdraw,
     "take an own bundle back: cases made from it go on", "tongban bundle withdraw BIRTH"},
    {"case submit", "", 0, 0, false, submit_options, cmd_case_submit, "take in an application (收件) and forward it",
     "tongban case submit --item 11510000TEMP00013D20007KSTB0052 --name 张三 --id 510104190507290029"},
    {"demo-peer", "", 0, 0, false, demo_peer_options, cmd_demo_peer,
     "run a simulated province that accepts, asks for corrections, decides and denies by script, and a node for your "
     "platform beside it",
     "tongban demo-peer --dir /tmp/partner"},
    {"reconcile show", "[RUN]", 0, 1, false, reconcile_show_options, cmd_reconcile_show,
     "the last comparisons, or the report of one", "tongban reconcile show"},
    {"reconcile", "", 0, 0, false, reconcile_options, cmd_reconcile,
     "compare the shared cases with other nodes (对账), repair what can be repaired, report the rest",
     "tongban reconcile --peer 510000 --format csv"},
    {"publicity list", "", 0, 0, false, no_options, cmd_publicity_list,
     "licences that were granted and are not public yet (双公示)", "tongban publicity list"},
    {"publicity export", "FILE", 1, 1, false, publicity_options, cmd_publicity_export,
     "write them as the public list takes them, and mark them (双公示)", "tongban publicity export 双公示.csv"},
    {"identity types", "", 0, 0, false, no_options, cmd_identity_types,
     "kinds of identity number and where their forms come from", "tongban identity types"},
    {"identity check", "NUMBER", 1, 1, false, identity_options, cmd_identity_check,
     "whether a number has the form of its kind; - reads it from standard input",
     "tongban identity check H12345678 --type hk_macau_permit"},
    {"case list", "", 0, 0, false, list_cases_options, cmd_case_list, "cases that this node takes part in",
     "tongban case list --role deciding --status received"},
    {"case show", "CASE", 1, 1, false, show_case_options, cmd_case_show, "one case with its events",
     "tongban case show 0006b6c06b05aa01c9f2 --last 10"},
    {"case payload", "CASE NODE INDEX", 3, 3, false, payload_options, cmd_case_payload,
     "the content of one event with nothing masked",
     "tongban case payload 0006b6c06b05aa01c9f2 440000 12 --purpose 核对材料"},
    {"case watch", "CASE", 1, 1, false, watch_options, cmd_case_watch, "print each change until the case is closed",
     "tongban case watch 0006b6c06b05aa01c9f2"},
    STEP("receipt", "it has arrived here (签收)"),
    STEP_WITH("accept", accept_options, "take it up (受理), also with something lacking (容缺受理)", ""),
    STEP_WITH("correct", correct_options, "ask once for everything that is missing (补正告知)",
              " --reason-code material.missing --reason 缺少申请表签名页"),
    STEP("supplement", "the applicant's correction (补正)"),
    STEP_WITH("not-required", refuse_options, "no licence is needed (不受理)",
              " --reason-code not.required --reason 该事项依法不需要许可"),
    STEP_WITH("refuse", refuse_options, "not this body's power (不予受理)",
              " --reason-code not.competent --reason 请向住房管理部门申请"),
    STEP("process", "the department starts (办理)"),
    STEP_WITH("pause", pause_options, "time that does not count begins (特别程序)", " --kind hearing --days 20"),
    STEP("resume", "time counts again (特别程序结束)"),
    STEP_WITH("extend", extend_options, "extend the limit once (延期)",
              " --days 10 --official 1001 --reason-code complex --reason 案情复杂"),
    {"case review", "CASE", 1, 1, false, review_options, cmd_case_review,
     "legal review by a second official (法制审核)", "tongban case review 0006b6c06b05aa01c9f2 --official 1002 --pass"},
    STEP("supply", "hand in what was lacking (容缺补齐)"),
    STEP("fulfil", "nothing is lacking any more (容缺确认)"),
    STEP_WITH("breach", step_options, "the promise was false (承诺失信)",
              " --reason-code promise.false --reason 核查发现承诺不实"),
    STEP_WITH("part", part_options, "a part of this case is decided elsewhere (联办分件)",
              " --part 000f4240690a8d5b6f0d2a1b3c4d5e6f"),
    STEP_WITH("part-lapsed", part_options, "a part gives nothing, or nothing any more (分件失效)",
              " --part 000f4240690a8d5b6f0d2a1b3c4d5e6f"),
    {"case part-done", "CASE", 1, 1, false, part_done_options, cmd_case_part_done, "how a part ended (分件办结)",
     "tongban case part-done 0006b6c06b05aa01c9f2 --part 000f4240690a8d5b6f0d2a1b3c4d5e6f --grant"},
    {"case decide", "CASE", 1, 1, false, decide_options, cmd_case_decide, "decide (决定) and close (办结)",
     "tongban case decide 0006b6c06b05aa01c9f2 --grant"},
    STEP("close", "close a decided case (办结)"),
    {"case deliver", "CASE", 1, 1, false, deliver_options, cmd_case_step, "the applicant has the result (送达)",
     "tongban case deliver 0006b6c06b05aa01c9f2 --channel window"},
    STEP_WITH("evaluate", evaluate_options, "the applicant's mark for one side (评价)", " --grade 5 --side deciding"),
    STEP_WITH("follow-up", follow_up_options, "what came of a bad mark (差评整改)",
              " --side deciding --note 已电话回访并整改"),
    STEP("withdraw", "the applicant takes it back (撤回)"),
    STEP_WITH("revoke", refuse_options, "take back what was granted (撤销)",
              " --reason-code granted.wrongly --reason 以欺骗手段取得许可"),
    STEP("publish", "it stands on the public list of licences (双公示); 'publicity export' does so by itself"),
    STEP_WITH("archive", archive_options, "file it (归档)", " --note 'manifest sha256 …'"),
    {"case archive-export", "CASE FOLDER", 2, 2, false, archive_export_options, cmd_case_archive_export,
     "an ended case whole, as a folder that proves itself (归档信息包)",
     "tongban case archive-export 0006b6c06b05aa01c9f2 /srv/archive/0006b6c06b05aa01c9f2 --purpose 归档"},
    {"case archive-verify", "FOLDER", 1, 1, false, archive_verify_options, cmd_case_archive_verify,
     "judge such a folder, without a node", "tongban case archive-verify /srv/archive/0006b6c06b05aa01c9f2"},
    STEP_WITH("post-materials", post_options, "paper materials are on their way to the deciding node (材料寄出)",
              " --carrier EMS --tracking EA123456789CN"),
    STEP_WITH("post-result", post_options, "the paper result is on its way (结果寄出)",
              " --carrier EMS --tracking EA123456789CN"),
    STEP_WITH("notify", notify_options, "the applicant was told (通知申请人)", " --means phone --on 2026-11-28"),
    STEP_WITH("charge", fee_options, "a fee is asked for (缴费通知)", " --amount-fen 2000 --note 工本费"),
    STEP_WITH("pay", fee_options, "a fee was paid (缴费)", " --amount-fen 2000"),
    {"case note", "CASE", 1, 1, false, note_options, cmd_case_step, "add a remark (备注)",
     "tongban case note 0006b6c06b05aa01c9f2 --note 已电话联系"},
    {"case handover", "CASE", 1, 1, false, handover_options, cmd_case_pass_on, "another node decides it (转办)",
     "tongban case handover 0006b6c06b05aa01c9f2 --lead 330000 --reason-code not.competent"},
    {"case fetch", "CASE", 1, 1, false, no_options, cmd_case_fetch,
     "as the superior node, get a case from the nodes that take part in it",
     "tongban case fetch 0006b6c06b05aa01c9f2a4b19c0d3e57"},
    {"case supervise", "CASE", 1, 1, false, supervise_options, cmd_case_pass_on,
     "as the superior node, give a case another deciding node (督办)",
     "tongban case supervise 0006b6c06b05aa01c9f2a4b19c0d3e57 --lead 330000 --last-leaf 41"},
    {"case event", "CASE", 1, 1, false, event_options, cmd_case_event, "add any event, from JSON",
     "tongban case event 0006b6c06b05aa01c9f2 --json-file event.json"},
    {"material add", "CASE FILE", 2, 2, false, material_add_options, cmd_material_add,
     "add a file to a case (材料); a broken upload goes on where it stopped",
     "tongban material add 0006b6c06b05aa01c9f2 申请表.pdf --code M01 --trust B"},
    {"material list", "CASE", 1, 1, false, no_options, cmd_material_list, "files of a case and where they are",
     "tongban material list 0006b6c06b05aa01c9f2"},
    {"material get", "CASE FILEID", 2, 2, false, material_get_options, cmd_material_get,
     "fetch a file of a case; a broken download goes on where it stopped",
     "tongban material get 0006b6c06b05aa01c9f2 5d0f91c2 --output 申请表.pdf --purpose 核对材料"},
    {"material reuse", "CASE FILEID", 2, 2, false, material_reuse_options, cmd_material_reuse,
     "use a file of another case here, with consent (同意)",
     "tongban material reuse 0006b6c06b05aa01c9f2 5d0f91c2 --from 0006b6c06b05aa01aaaa --consent 申请人当面同意"},
    {"material upload", "UPLOAD", 1, 1, false, no_options, cmd_material_upload, "how far an unfinished upload has come",
     "tongban material upload 3f1c5d0f91c2aa01c9f20006b6c06b05"},
    {"material drop", "UPLOAD", 1, 1, false, no_options, cmd_material_drop, "give up an unfinished upload",
     "tongban material drop 3f1c5d0f91c2aa01c9f20006b6c06b05"},
    {"case erase", "CASE", 1, 1, false, erase_options, cmd_case_erase,
     "destroy the content of an ended case, here and at all participants (删除)",
     "tongban case erase 0006b6c06b05aa01c9f2 --basis retention_expired"},
    {"case erasure", "CASE", 1, 1, false, no_options, cmd_case_erasure, "where the erasure of a case stands",
     "tongban case erasure 0006b6c06b05aa01c9f2"},
    {"case hold", "CASE", 1, 1, false, hold_options, cmd_case_hold, "keep a case from being erased here (暂停删除)",
     "tongban case hold 0006b6c06b05aa01c9f2 --reason 行政复议"},
    {"case unhold", "CASE", 1, 1, false, no_options, cmd_case_unhold,
     "end a hold; an erasure that waited for it is done", "tongban case unhold 0006b6c06b05aa01c9f2"},
    {"erasure list", "", 0, 0, false, limit_options, cmd_erasure_list,
     "erasures that some participant has not done yet", "tongban erasure list"},
    {"ledger show", "", 0, 0, false, no_options, cmd_ledger_show, "size and root of the own ledger",
     "tongban ledger show"},
    {"ledger entries", "", 0, 0, false, entries_options, cmd_ledger_entries, "entries of a ledger",
     "tongban ledger entries --origin 510000 --from 100 --limit 20"},
    {"ledger verify", "", 0, 0, false, no_options, cmd_ledger_verify,
     "recompute every tree, signature and case from the stored bytes", "tongban ledger verify"},
    {"ledger checkpoint", "", 0, 0, false, origin_options, cmd_ledger_checkpoint,
     "the newest cosigned checkpoint, or the last signed one of a node", "tongban ledger checkpoint --origin 510000"},
    {"ledger tile", "LEVEL NUMBER", 2, 2, false, tile_options, cmd_ledger_tile,
     "a tile of the own ledger (C2SP tlog-tiles): hashes of a level, or 'entries'",
     "tongban ledger tile entries 0 --width 12 > entries.bin"},
    {"ledger witnesses", "", 0, 0, false, no_options, cmd_ledger_witnesses, "who cosigns the own ledger (共签)",
     "tongban ledger witnesses"},
    {"ledger evidence", "", 0, 0, false, evidence_options, cmd_ledger_evidence,
     "nodes that signed two histories, and the proof (证据)", "tongban ledger evidence --raw 510000 > evidence.bin"},
    {"receipt get", "CASE", 1, 1, false, receipt_get_options, cmd_receipt_get,
     "the receipt of an act, for the applicant (凭证)",
     "tongban receipt get 0006b6c06b05aa01c9f2 --act accept --as html --out receipt.html"},
    {"receipt verify", "FILE", 1, 1, false, receipt_verify_options, cmd_receipt_verify,
     "judge a receipt without a node: 0 proven, 1 not, 2 usage",
     "tongban receipt verify receipt.html --policy policy.txt"},
    {"receipt convert", "FILE", 1, 1, false, receipt_convert_options, cmd_receipt_convert,
     "print a receipt in another form", "tongban receipt convert receipt.tlog-proof --policy policy.txt --as html"},
    {"policy", "", 0, 0, false, policy_options, cmd_policy,
     "print the policy by which receipts are judged: the node's, or one made from a member list",
     "tongban policy --members members.note --federation-key federation.pub"},
    {"case document", "CASE", 1, 1, false, document_options, cmd_case_document,
     "print the document (文书) of an act as an HTML page for A4",
     "tongban case document 0006b6c06b05aa01c9f2 --act accept --purpose 打印受理通知书 > accept.html"},
    {"calendar show", "YEAR", 1, 1, false, calendar_show_options, cmd_calendar_show,
     "working days and days off of a year, as deadlines are counted", "tongban calendar show 2026 --node 510000"},
    {"calendar import", "FILE", 1, 1, false, calendar_import_options, cmd_calendar_import,
     "publish the days off of this node; open deadlines are counted again everywhere",
     "tongban calendar import holidays-2027.json"},
    {"backup", "", 0, 0, false, backup_options, cmd_backup, "copy the node's database while it works",
     "tongban backup --out /var/backups/tongban/ledger-2026-11-24.db"},
    {"restore", "", 0, 0, true, restore_options, cmd_restore,
     "put a backup in the place of the node's database; tongband must not run",
     "tongban restore --dir /var/lib/tongban --from /var/backups/tongban/ledger-2026-11-24.db"},
    {"node init", "", 0, 0, true, node_init_options, cmd_node_init, "make the folder of a new node",
     "tongban node init --dir /var/lib/tongban --region 510000 --name 四川省 --federation-listen "
     "tls+tcp://0.0.0.0:7510 "
     "--advertise tls+tcp://node.example:7510"},
    {"ca init", "", 0, 0, true, ca_init_options, cmd_ca_init,
     "make a federation: its certificate authority and member list",
     "tongban ca init --dir /etc/tongban-ca --name tongban.example"},
    {"ca issue", "", 0, 0, true, ca_issue_options, cmd_ca_issue, "certify a node and enter it in the member list",
     "tongban ca issue --dir /etc/tongban-ca --node /var/lib/tongban"},
    {"ca revoke", "", 0, 0, true, ca_revoke_options, cmd_ca_revoke, "take back certificates",
     "tongban ca revoke --dir /etc/tongban-ca --code 510000 --reason key-compromise"},
    {"ca publish", "NODEDIR...", 1, CTL_ARGS_MAX, true, no_options, cmd_ca_publish,
     "copy CA certificate, revocation list and member list to nodes",
     "tongban ca publish --dir /etc/tongban-ca /var/lib/tongban"},
    {NULL, NULL, 0, 0, false, NULL, NULL, NULL, NULL},
};
