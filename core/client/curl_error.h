/* SPDX-License-Identifier: MIT */
/* The one place where curl's result codes become ours. */
#pragma once

#include "base/error.h"

#include <curl/curl.h>
#include <stdbool.h>

struct fh_curl_failure {
    CURLcode curl;
    const char *peer;           /* "host:port" */
    const char *more;           /* curl's own words, or "" */
    int system_errno;           /* of a connection that was not made; 0: unknown */
    long long connect_limit_ms; /* what CURLE_OPERATION_TIMEDOUT ran into */
    bool is_answered;           /* a status line had come: what is wrong came from the peer */
};

/* Fills `err` with a code and a sentence; returns the code. */
int fh_curl_error_set(struct fh_error *err, const struct fh_curl_failure *failure);
