/* What the programs call their version. In a file of its own, so that another version compiles one file. */
#ifndef TB_BASE_VERSION_H
#define TB_BASE_VERSION_H

/* As `tongban version` prints it: "0.1.0". */
extern const char tongban_version[];
/* As peers are told it (HELLO, PROTOCOL.md): "tongban/0.1.0". */
extern const char tongban_software[];

#endif
