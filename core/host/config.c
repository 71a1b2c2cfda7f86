/* SPDX-License-Identifier: MIT */
#include "host/config.h"

#include <stdlib.h>
#include <string.h>

static const int64_t max_ms = INT64_C(1000000000) * 1000;

void fh_config_init(struct fh_config *config)
{
    *config = (struct fh_config){NULL, 0, 0};
}

void fh_config_deinit(struct fh_config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free((void *)config->pairs[i].name);
        free((void *)config->pairs[i].value.data);
    }
    free(config->pairs);
    fh_config_init(config);
}

static struct fh_pair *find(const struct fh_config *config, const char *name)
{
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->pairs[i].name, name) == 0) {
            return &config->pairs[i];
        }
    }
    return NULL;
}

static int grow(struct fh_config *config)
{
    if (config->count < config->cap) {
        return 0;
    }
    size_t cap = config->cap ? config->cap * 2 : 32;
    struct fh_pair *pairs = realloc(config->pairs, cap * sizeof(*pairs));
    if (!pairs) {
        return FH_E_NO_MEMORY;
    }
    config->pairs = pairs;
    config->cap = cap;
    return 0;
}

int fh_config_put(struct fh_config *config, const char *name, const char *value)
{
    char *copy = strdup(value);
    struct fh_pair *pair = find(config, name);
    if (copy && pair) {
        free((void *)pair->value.data);
        pair->value = fh_slice_from(copy);
        return 0;
    }
    char *own_name = strdup(name);
    if (!copy || !own_name || grow(config) != 0) {
        free(copy);
        free(own_name);
        return FH_E_NO_MEMORY;
    }
    pair = &config->pairs[config->count++];
    pair->name = own_name;
    pair->value = fh_slice_from(copy);
    return 0;
}

const char *fh_config_text(const struct fh_config *config, const char *name)
{
    const struct fh_pair *pair = find(config, name);
    return pair ? pair->value.data : NULL;
}

uint64_t fh_config_number(const struct fh_config *config, const char *name)
{
    const char *text = fh_config_text(config, name);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* Not strtod, which reads 1.5 as 1 where the embedding program has set a locale with decimal commas.
 * An exponent, as Lua writes it for the very large and the very small, only says which. */
static int64_t parse_ms(const char *text)
{
    int64_t ms = 0;
    int places = 0; /* 1: behind the point */
    for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
        if (*text == '.' || places > 0) {
            places++;
        }
        if (*text != '.' && places <= 4) {
            ms = ms * 10 + (*text - '0');
        } else if (places > 4) {
            return ms + (*text >= '5');
        }
        if (ms > max_ms) {
            return max_ms;
        }
    }
    if (*text != '\0') {
        return *text == 'e' && text[1] == '-' ? 0 : max_ms;
    }
    for (places = places > 0 ? places : 1; places < 4; places++) {
        ms *= 10;
    }
    return ms < max_ms ? ms : max_ms;
}

int64_t fh_config_ms(const struct fh_config *config, const char *name)
{
    const char *text = fh_config_text(config, name);
    return text ? parse_ms(text) : 0;
}
