/* SPDX-License-Identifier: MIT */
#include "client/curl_error.h"

#include <errno.h>
#include <string.h>

/* The sentence is `text`, the peer, and curl's own words where they say more. */
struct row {
    CURLcode curl;
    int code;
    const char *text;
    bool has_more;
};

static const struct row rows[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, FH_E_NETWORK, "unusable answer from", true},
    {CURLE_FAILED_INIT, FH_E_NO_MEMORY, "cannot prepare a call to", true},
    {CURLE_URL_MALFORMAT, FH_E_INVALID, "malformed url", true},
    {CURLE_NOT_BUILT_IN, FH_E_INVALID, "not supported by this libcurl, in a call to", true},
    {CURLE_COULDNT_RESOLVE_HOST, FH_E_NETWORK, "cannot resolve the host name of", false},
    {CURLE_COULDNT_CONNECT, FH_E_NETWORK, "cannot connect to", true},
    {CURLE_WEIRD_SERVER_REPLY, FH_E_NETWORK, "malformed HTTP answer from", true},
    {CURLE_REMOTE_ACCESS_DENIED, FH_E_NETWORK, "access denied by", true},
    {CURLE_HTTP2, FH_E_NETWORK, "HTTP/2 error on the connection to", true},
    {CURLE_HTTP2_STREAM, FH_E_NETWORK, "HTTP/2 error on the connection to", true},
    {CURLE_HTTP3, FH_E_NETWORK, "HTTP/3 error on the connection to", true},
    {CURLE_QUIC_CONNECT_ERROR, FH_E_NETWORK, "cannot connect to", true},
    {CURLE_PARTIAL_FILE, FH_E_NETWORK, "answer cut short by", true},
    {CURLE_HTTP_RETURNED_ERROR, FH_E_NETWORK, "error answered by", true},
    {CURLE_WRITE_ERROR, FH_E_NETWORK, "unreadable answer from", true},
    {CURLE_READ_ERROR, FH_E_NETWORK, "cannot send the body again to", true},
    {CURLE_UPLOAD_FAILED, FH_E_NETWORK, "cannot send the body to", true},
    {CURLE_OUT_OF_MEMORY, FH_E_NO_MEMORY, "no memory for a call to", false},
    {CURLE_OPERATION_TIMEDOUT, FH_E_TIMEOUT, "no connection to", false},
    {CURLE_HTTP_POST_ERROR, FH_E_NETWORK, "cannot send the body to", true},
    {CURLE_ABORTED_BY_CALLBACK, FH_E_NO_MEMORY, "call dropped, to", true},
    {CURLE_INTERFACE_FAILED, FH_E_NETWORK, "no network interface towards", true},
    {CURLE_TOO_MANY_REDIRECTS, FH_E_NETWORK, "too many redirects, the last to", false},
    {CURLE_GOT_NOTHING, FH_E_NETWORK, "connection closed without an answer by", false},
    {CURLE_SEND_ERROR, FH_E_NETWORK, "cannot send to", true},
    {CURLE_RECV_ERROR, FH_E_NETWORK, "connection broken by", true},
    {CURLE_SEND_FAIL_REWIND, FH_E_NETWORK, "cannot send the body again to", true},
    {CURLE_BAD_CONTENT_ENCODING, FH_E_NETWORK, "answer that cannot be decompressed from", true},
    {CURLE_FILESIZE_EXCEEDED, FH_E_TOO_LARGE, "answer too large from", true},
    {CURLE_LOGIN_DENIED, FH_E_NETWORK, "login refused by", true},
    {CURLE_AUTH_ERROR, FH_E_NETWORK, "login failed at", true},
    {CURLE_NO_CONNECTION_AVAILABLE, FH_E_NETWORK, "no free connection to", false},
    {CURLE_UNRECOVERABLE_POLL, FH_E_NETWORK, "cannot wait for", true},
    {CURLE_CHUNK_FAILED, FH_E_NETWORK, "malformed chunks from", true},
    {CURLE_SSL_CONNECT_ERROR, FH_E_TLS, "TLS handshake failed with", true},
    {CURLE_SSL_ENGINE_NOTFOUND, FH_E_TLS, "no TLS engine for", true},
    {CURLE_SSL_ENGINE_SETFAILED, FH_E_TLS, "no TLS engine for", true},
    {CURLE_SSL_ENGINE_INITFAILED, FH_E_TLS, "no TLS engine for", true},
    {CURLE_SSL_CERTPROBLEM, FH_E_TLS, "unusable client certificate for", true},
    {CURLE_SSL_CIPHER, FH_E_TLS, "no common TLS cipher with", true},
    {CURLE_PEER_FAILED_VERIFICATION, FH_E_TLS, "certificate not trusted, of", true},
    {CURLE_USE_SSL_FAILED, FH_E_TLS, "TLS handshake failed with", true},
    {CURLE_SSL_CACERT_BADFILE, FH_E_TLS, "cannot read the CA certificates to check", true},
    {CURLE_SSL_SHUTDOWN_FAILED, FH_E_TLS, "TLS connection not closed well by", true},
    {CURLE_SSL_CRL_BADFILE, FH_E_TLS, "cannot read the revocation list to check", true},
    {CURLE_SSL_ISSUER_ERROR, FH_E_TLS, "certificate of a wrong issuer, of", true},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, FH_E_TLS, "certificate not trusted, of", true},
    {CURLE_SSL_INVALIDCERTSTATUS, FH_E_TLS, "certificate not trusted, of", true},
    {CURLE_SSL_CLIENTCERT, FH_E_TLS, "client certificate wanted by", true},
};

/* What else curl has is of other protocols and cannot come from http(s). */
static const struct row other = {CURL_LAST, FH_E_NETWORK, "call failed, to", true};

static const struct row *find(CURLcode curl)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].curl == curl) {
            return &rows[i];
        }
    }
    return &other;
}

static int set_unconnected(struct fh_error *err, const struct fh_curl_failure *failure)
{
    if (failure->system_errno == ECONNREFUSED) {
        return fh_error_set(err, FH_E_NETWORK, "connection refused by %s", failure->peer);
    }
    return fh_error_set(err, FH_E_NETWORK, "cannot connect to %s: %s", failure->peer,
                        failure->system_errno ? strerror(failure->system_errno) : failure->more);
}

/* In TLS 1.3 a peer that does not take our certificate says so after the handshake, in OpenSSL's words for an alert. */
static bool is_alert(const struct fh_curl_failure *failure)
{
    return failure->curl == CURLE_RECV_ERROR && strstr(failure->more, "SSL routines") &&
           strstr(failure->more, " alert ");
}

int fh_curl_error_set(struct fh_error *err, const struct fh_curl_failure *failure)
{
    const struct row *row = find(failure->curl);
    int code = row->code;
    if (failure->curl == CURLE_COULDNT_CONNECT) {
        return set_unconnected(err, failure);
    }
    if (is_alert(failure)) {
        return fh_error_set(err, FH_E_TLS, "TLS refused by %s: %s", failure->peer, failure->more);
    }
    if (failure->curl == CURLE_OPERATION_TIMEDOUT) {
        return fh_error_set(err, code, "no connection to %s within %lld ms (connect timeout)",
                            failure->peer, failure->connect_limit_ms);
    }
    if (code == FH_E_INVALID && failure->is_answered) {
        return fh_error_set(err, FH_E_NETWORK, "malformed redirect: %s", failure->more);
    }
    if (failure->curl == CURLE_URL_MALFORMAT) {
        return fh_error_set(err, code, "malformed url: %s", failure->more);
    }
    const char *more = failure->more[0] ? failure->more : curl_easy_strerror(failure->curl);
    bool has_more = row->has_more;
    return fh_error_set(err, code, "%s %s%s%s", row->text, failure->peer, has_more ? ": " : "",
                        has_more ? more : "");
}
