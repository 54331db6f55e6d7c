#pragma once
// What the second opinion needs of OpenSSL's libcrypto (3.0 and later).
#include <openssl/evp.h>
#include <openssl/kdf.h>
