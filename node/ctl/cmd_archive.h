/* What case archive-export and archive-verify agree on (federation/FORMATS.md "Archive package"). */
#ifndef TB_CTL_CMD_ARCHIVE_H
#define TB_CTL_CMD_ARCHIVE_H

#define ARCHIVE_FORMAT "tongban-archive/1"
#define ARCHIVE_MANIFEST "manifest.json"
#define ARCHIVE_CASE "case.json"
#define ARCHIVE_ITEM "item.json"
#define ARCHIVE_MATERIALS "materials.json"

#endif
