/* Every limit on what comes from outside, in one place. A size is compared with its limit before memory is taken for
 * it, and the refusal names both. Changing a value marked (wire) or (disk) changes what nodes accept from each other:
 * note it in CHANGELOG.md.
 */
#ifndef TB_BASE_LIMITS_H
#define TB_BASE_LIMITS_H

/* ledger (wire, disk) */
#define LEAF_BYTES_MAX 65535u     /* C2SP tlog-tiles: be16 length of an entry */
#define LEAF_PARENTS_MAX 8u       /* FORMATS.md, "Leaf" */
#define LEAF_RECIPIENTS_MAX 16u   /* FORMATS.md, "Leaf" */
#define LEAF_ATTRS_MAX 64u        /* attributes of one leaf */
#define LEAF_ATTR_BYTES_MAX 4096u /* one attribute's value */
#define LEAF_SIGNATURE_BYTES_MAX 4096u
#define PAYLOAD_BYTES_MAX (256u << 10) /* one event's payload, sealed or not, with its blinding prefix */
#define NOTE_BYTES_MAX (64u << 10)     /* signed note with all its signatures */
#define NOTE_SIGNATURES_MAX 64u
#define PROOF_BYTES_MAX (160u << 10) /* offline proof: a leaf in base64, 63 hashes, a note */
#define ORIGIN_NAME_BYTES_MAX 200u   /* log origin = key name */

/* between nodes (wire) */
#define BATCH_LEAVES_MAX 4096u            /* span of one batch in the author's tree */
#define BATCH_BYTES_MAX (1u << 20)        /* entries and payloads of one batch; one entry over it travels alone */
#define WIRE_MESSAGE_BYTES_MAX (2u << 20) /* NNG_OPT_RECVMAXSZ of the federation sockets */
#define WIRE_BATCH_ITEMS_MAX (BATCH_LEAVES_MAX * 2 + 64) /* entries and hashes of one batch */
#define LEDGER_SIZE_MAX (((uint64_t)1 << 40) - 1)        /* leaves of one ledger: the store keeps an index in 40 bits */
#define WIRE_LEVEL_MAX 40u                               /* level of a subtree hash: a ledger has < 2^40 leaves */
#define WIRE_SUITES_MAX 16u                              /* cipher and signature suites a hello offers */
#define WIRE_NAME_BYTES_MAX 64u                          /* suite, software version, error id */
#define WIRE_TEXT_BYTES_MAX 320u                         /* message of an error */
#define WITNESS_BODY_BYTES_MAX (NOTE_BYTES_MAX + 63u * 45u + 64u) /* add-checkpoint: 63 proof lines and a note */
#define WIRE_VIEWS_MAX 24u                                        /* checkpoints in one gossip */
#define WIRE_CASES_MAX 256u                                       /* cases in one request for keys */
#define WIRE_CASE_ENTRIES_MAX 1024u                               /* entries in one answer about a case */
#define WIRE_RANGES_MAX 64u                                       /* ranges of case ids in one reconciliation request */
#define WIRE_ROWS_MAX 4096u                                       /* cases in one answer to it */
#define WIRE_HELD_MAX 16384u      /* entries in one answer about cases: those of two largest cases */
#define LINK_PEER_REQUESTS_MAX 8u /* requests open towards one peer, and from one of its connections */
#define LINK_PEER_PIPES_MAX 8u    /* accepted connections of one peer */
#define LINK_SERVE_MAX 512u       /* requests of all peers being received or answered */
#define MEMBERS_MAX 4096u         /* provinces, cities, counties in one federation */
#define MEMBERS_FILE_BYTES_MAX (2u << 20)

/* cases */
/* Per author, whose events come in order everywhere: every node leaves out the same ones, whatever arrives first (fold). */
#define CASE_EVENTS_PER_NODE_MAX 500u    /* events of one node in one case that count: its first ones */
#define CASE_EVENTS_PER_REQUEST_MAX 100u /* appended together, or not at all */
#define CASE_NODES_MAX 16u               /* nodes that write on one case */
#define CASE_EVENTS_MAX (CASE_EVENTS_PER_NODE_MAX * CASE_NODES_MAX)

/* files (wire, disk: FORMATS.md "Files") */
#define FILE_CHUNK_BYTES (1u << 20)               /* of content */
#define FILE_BYTES_MAX ((uint64_t)2 << 30)        /* content of one file */
#define FILE_CHUNKS_MAX 2048u                     /* FILE_BYTES_MAX / FILE_CHUNK_BYTES */
#define FILE_ROOM_BYTES_MIN ((uint64_t)256 << 20) /* left free on the disk by files, for the ledger */
#define FILE_UPLOADS_MAX 64u                      /* unfinished uploads of the local API */
#define FILE_UPLOAD_DAYS_MAX 7u                   /* an unfinished upload nobody goes on with is thrown away */
#define FILE_NAME_BYTES_MAX 255u
#define FILE_FETCHES_MAX 2u  /* files fetched from one peer at once */
#define FILE_WINDOW 4u       /* chunks asked for at once, of one file */
#define FILE_OPEN_MAX 8u     /* with those that have come and are being hashed and written */
#define FILE_SOURCES_MAX 16u /* nodes asked for a lost file */
#define FILE_LOST_MAX 1000u  /* lost files asked back at once */
#define FILE_SERVES_MAX 32u  /* chunks of all peers being read and sent */

/* catalog */
#define CATALOG_FILE_BYTES_MAX (64u << 20)
#define CATALOG_ITEMS_MAX 100000u
#define CATALOG_ITEM_BYTES_MAX (64u << 10) /* one item's JSON */
#define CATALOG_VALUES_MAX (16u << 20)     /* JSON values of one catalog file, 16 bytes of memory each */
#define CATALOG_DAYS_MAX 3650u             /* a limit of an item or a stage */
#define IMPORT_SHEETS_MAX 16u
#define IMPORT_ROWS_MAX 1000000u               /* of all sheets of one import: items, materials, stages, … */
#define IMPORT_COLUMNS_MAX 256u                /* a row */
#define IMPORT_CELLS_MAX 4000000u              /* of all sheets */
#define IMPORT_CELL_BYTES_MAX 32767u           /* Excel's own limit is that many characters */
#define IMPORT_UNPACKED_BYTES_MAX (256u << 20) /* what a workbook, which is a ZIP archive, unpacks to */
#define IMPORT_PROBLEMS_MAX 1000u              /* listed in a report; all are counted */
#define IMPORT_CHANGES_MAX 1000u /* items listed in a report: new, changed, withdrawn, of each; all are counted */
#define IMPORT_ITEM_DIFFERENCES_MAX 100u /* listed of one changed item; all are counted */
#define IMPORT_DIFFERENCES_MAX 10000u    /* listed in a report */
#define IMPORT_DIFFERENCE_BYTES_MAX 160u /* shown of one value */
#define EVENT_FEN_MAX 10000000000u       /* of a fee: 1 亿元 */
#define CALENDAR_FILE_BYTES_MAX (1u << 20)
#define CALENDAR_DATES_MAX 20000u
#define REGION_FILE_BYTES_MAX (4u << 20)
#define REGION_ROWS_MAX 65536u
#define REGION_HOPS_MAX 16u /* changes from an abolished division to that of today; six are known */
#define REGION_SUCCESSORS_MAX 16u
#define REGION_NAME_BYTES_MAX 200u /* full name with all levels */

/* local API */
#define HTTP_BODY_BYTES_MAX (1u << 20)
#define HTTP_BODIES_BYTES_MAX (128u << 20) /* of all requests under way */
#define HTTP_CONNECTIONS_MAX 1024u
#define HTTP_REQUEST_SECONDS_MAX 60u     /* header and body must be in by then */
#define HTTP_WAIT_MS_MAX 60000u          /* longest ?wait= of a long poll */
#define WITNESS_HTTP_CONNECTIONS_MAX 64u /* of the public witness door, */
#define WITNESS_HTTP_PER_ADDRESS_MAX 8u  /* and of one address; */
#define WITNESS_HTTP_SECONDS_MAX 10u     /* header and body must be in by then */
#define WITNESS_HTTP_RATE 20u /* requests a second of one address, and as many at once; ten times that of all */
#define IDEMPOTENCY_KEY_BYTES_MAX 128u
#define JSON_DEPTH_MAX 32u
#define LIST_ROWS_MAX 1000u /* rows of one page */

/* certificates and trust */
#define NODE_NAME_BYTES_MAX 96u /* UTF-8 name of a node in certificates and the member list */
#define FEDERATION_NAME_BYTES_MAX 100u
#define CERT_HOSTS_MAX 16u             /* DNS names and addresses of one node certificate */
#define PEM_FILE_BYTES_MAX (64u << 10) /* certificate, request or key file */
#define CRL_FILE_BYTES_MAX (8u << 20)
#define CA_INDEX_BYTES_MAX (32u << 20)
#define CA_ENTRIES_MAX 100000u   /* certificates one CA ever issued */
#define HANDSHAKES_OPEN_MAX 512u /* TLS connections of strangers that have not proved themselves yet */

#define CONFIG_FILE_BYTES_MAX (64u << 10)

#endif
