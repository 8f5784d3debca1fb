/* The version (see version.h). */
#include "node/base/version.h"

const char tongban_version[] = TONGBAN_VERSION;
const char tongban_software[] = "tongban/" TONGBAN_VERSION;
