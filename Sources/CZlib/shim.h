// zlib (RFC 1950, RFC 1951), as the system has it.
#include <zlib.h>
