/* What the node that makes an archive package (归档) and the command line that judges it agree on (federation/FORMATS.md "Archive
 * package"). */
#ifndef TB_RECEIPT_ARCHIVE_H
#define TB_RECEIPT_ARCHIVE_H

#define ARCHIVE_FORMAT "tongban-archive/1"
#define ARCHIVE_MANIFEST "manifest.json"
#define ARCHIVE_SUMS "SHA256SUMS"
#define ARCHIVE_CASE "case.json"
#define ARCHIVE_ITEM "item.json"
#define ARCHIVE_MATERIALS "materials.json"
/* Last in a stream that ends early: the error, as the API words it. Never in a package. */
#define ARCHIVE_ERROR "error.json"

#define ARCHIVE_FILES_MAX 20000u

#endif
