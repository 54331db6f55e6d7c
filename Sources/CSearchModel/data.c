#include "CSearchModel.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

_Alignas(64) static const uint8_t model[] = {
#embed "model.safetensors"
};

static const uint8_t vocabulary[] = {
#embed "vocab.txt"
};

csearch_bytes csearch_model(void) { return (csearch_bytes){model, sizeof model}; }

csearch_bytes csearch_vocabulary(void) { return (csearch_bytes){vocabulary, sizeof vocabulary}; }
