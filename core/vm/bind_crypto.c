/* SPDX-License-Identifier: MIT */
/* core.crypto: what partners' encryptions and signatures need (core/crypto). A key, always the first argument, is a
 * string or the handle of a secret, { secret = NAME }. All but `hash` and `unhex` may fail: nil, code, detail.
 *
 *   aes_encrypt(key, text) -> bytes                     aes_decrypt(key, bytes) -> text
 *   aes_seal(key, nonce, text, aad) -> bytes            aes_open(key, bytes, aad) -> text
 *   rsa_encrypt(key, padding, text) -> bytes            rsa_decrypt(key, padding, bytes) -> text; "pkcs1" | "oaep"
 *   sign(key, scheme, text) -> bytes                    scheme: "pss" | "pkcs1" | "ed25519"
 *   verify(key, scheme, text, signature) -> boolean
 *   hmac(key, digest, text, is_shared) -> bytes         is_shared: a key in PEM form is refused
 *   hash(digest, bytes) -> bytes | nil, code, detail    digest: "md5" | "sha1" | "sha256" | "sha384" | "sha512"
 *   unhex(text) -> bytes | nil                          pairs of hex digits of either case */
#include "crypto/cipher.h"
#include "crypto/digest.h"
#include "crypto/keystore.h"
#include "crypto/rsa.h"
#include "crypto/sign.h"
#include "vm/bind.h"

static const char *const paddings[] = {"pkcs1", "oaep", NULL};
static const char *const schemes[] = {"pss", "pkcs1", "ed25519", NULL};

/* One operation: its arguments, read before the key is, and its result. */
struct job {
    int (*run)(struct job *job, struct fh_slice key, struct fh_error *err);
    int option; /* padding, scheme or digest */
    bool is_shared;
    struct fh_slice text;
    struct fh_slice second; /* signature or aad */
    const unsigned char *nonce;
    unsigned char *out; /* a userdata on the stack */
    size_t len;
    bool is_good;
};

/* Of a handle at 1: the secret's name, which the handle keeps alive; NULL for a string. */
static const char *secret_name(lua_State *L)
{
    if (!lua_istable(L, 1)) {
        return NULL;
    }
    lua_pushliteral(L, "secret");
    lua_rawget(L, 1);
    const char *name = lua_tostring(L, -1);
    lua_pop(L, 1);
    return name;
}

static int run_with_secret(struct fh_keystore *keystore, const char *name, struct job *job,
                           struct fh_error *err)
{
    struct fh_secret key = {NULL, 0};
    int rc = keystore ? fh_keystore_get(keystore, fh_slice_from(name), &key) : FH_E_NOT_FOUND;
    if (rc != 0) {
        return fh_error_set(err, rc, "there is no secret '%s'", name);
    }
    rc = job->run(job, fh_secret_slice(&key), err);
    fh_secret_deinit(&key);
    return rc;
}

/* The one place where keys come in. Nothing here can throw between taking a key and giving it back. */
static int run_with_key(lua_State *L, struct job *job, struct fh_error *err)
{
    size_t len;
    const char *name = secret_name(L);
    if (name) {
        return run_with_secret(fh_vm_of(L)->context.keystore, name, job, err);
    }
    const char *key = lua_tolstring(L, 1, &len);
    return job->run(job, fh_slice_make(key, len), err);
}

static void check_key(lua_State *L)
{
    luaL_argcheck(L, lua_type(L, 1) == LUA_TSTRING || secret_name(L), 1, "a key is expected");
}

/* Runs the job and pushes its bytes. `room`: how many there may be. */
static int finish(lua_State *L, struct job *job, size_t room)
{
    struct fh_error err = {0, ""};
    check_key(L);
    job->out = lua_newuserdata(L, room + 1);
    int rc = run_with_key(L, job, &err);
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    lua_pushlstring(L, (const char *)job->out, job->len);
    return 1;
}

static int run_encrypt(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_cipher_encrypt(key, job->text, job->out, &job->len, err);
}

static int aes_encrypt(lua_State *L)
{
    struct job job = {.run = run_encrypt, .text = fh_bind_slice(L, 2)};
    return finish(L, &job, job.text.len + FH_CIPHER_BLOCK_BYTES);
}

static int run_decrypt(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_cipher_decrypt(key, job->text, job->out, &job->len, err);
}

static int aes_decrypt(lua_State *L)
{
    struct job job = {.run = run_decrypt, .text = fh_bind_slice(L, 2)};
    return finish(L, &job, job.text.len + FH_CIPHER_BLOCK_BYTES);
}

static int run_seal(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_cipher_seal(key, job->nonce, job->text, job->second, job->out, &job->len, err);
}

static int aes_seal(lua_State *L)
{
    struct fh_slice nonce = fh_bind_slice(L, 2);
    luaL_argcheck(L, nonce.len == FH_CIPHER_NONCE_BYTES, 2, "a nonce has 12 bytes");
    struct job job = {.run = run_seal, .nonce = (const unsigned char *)nonce.data};
    job.text = fh_bind_slice(L, 3);
    job.second = fh_bind_slice(L, 4);
    return finish(L, &job, job.text.len + FH_CIPHER_SEAL_BYTES);
}

static int run_open(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_cipher_open(key, job->text, job->second, job->out, &job->len, err);
}

static int aes_open(lua_State *L)
{
    struct job job = {.run = run_open, .text = fh_bind_slice(L, 2)};
    job.second = fh_bind_slice(L, 3);
    return finish(L, &job, job.text.len);
}

static int run_rsa_encrypt(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_rsa_encrypt(key, (enum fh_rsa_padding)job->option, job->text, job->out, &job->len,
                          err);
}

static int rsa_encrypt(lua_State *L)
{
    struct job job = {.run = run_rsa_encrypt, .text = fh_bind_slice(L, 3)};
    job.option = luaL_checkoption(L, 2, NULL, paddings);
    return finish(L, &job, FH_PKEY_MAX_BYTES);
}

static int run_rsa_decrypt(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_rsa_decrypt(key, (enum fh_rsa_padding)job->option, job->text, job->out, &job->len,
                          err);
}

static int rsa_decrypt(lua_State *L)
{
    struct job job = {.run = run_rsa_decrypt, .text = fh_bind_slice(L, 3)};
    job.option = luaL_checkoption(L, 2, NULL, paddings);
    return finish(L, &job, FH_PKEY_MAX_BYTES);
}

static int run_sign(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_sign_make(key, (enum fh_sign_scheme)job->option, job->text, job->out, &job->len, err);
}

static int sign(lua_State *L)
{
    struct job job = {.run = run_sign, .text = fh_bind_slice(L, 3)};
    job.option = luaL_checkoption(L, 2, NULL, schemes);
    return finish(L, &job, FH_PKEY_MAX_BYTES);
}

static int run_verify(struct job *job, struct fh_slice key, struct fh_error *err)
{
    return fh_sign_check(key, (enum fh_sign_scheme)job->option, job->text, job->second,
                         &job->is_good, err);
}

static int verify(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct job job = {.run = run_verify, .text = fh_bind_slice(L, 3)};
    job.second = fh_bind_slice(L, 4);
    job.option = luaL_checkoption(L, 2, NULL, schemes);
    check_key(L);
    int rc = run_with_key(L, &job, &err);
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    lua_pushboolean(L, job.is_good);
    return 1;
}

/* Whoever has a public key could make the code: as a shared secret it is a mistake. */
static int run_hmac(struct job *job, struct fh_slice key, struct fh_error *err)
{
    static const char begin[] = "-----BEGIN ";
    if (job->is_shared && key.len > 0 && memmem(key.data, key.len, begin, sizeof(begin) - 1)) {
        return fh_error_set(err, FH_E_KEY, "a shared secret is expected, not a key in PEM form");
    }
    return fh_digest_hmac((enum fh_digest)job->option, key, job->text, job->out, &job->len, err);
}

static int hmac(lua_State *L)
{
    struct job job = {.run = run_hmac, .text = fh_bind_slice(L, 3)};
    job.option = luaL_checkoption(L, 2, NULL, fh_digest_names);
    job.is_shared = lua_toboolean(L, 4);
    return finish(L, &job, FH_DIGEST_MAX_BYTES);
}

static int hash(lua_State *L)
{
    unsigned char out[FH_DIGEST_MAX_BYTES];
    size_t len = 0;
    struct fh_error err = {0, ""};
    int digest = luaL_checkoption(L, 1, NULL, fh_digest_names);
    int rc = fh_digest_make((enum fh_digest)digest, fh_bind_slice(L, 2), out, &len, &err);
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    lua_pushlstring(L, (const char *)out, len);
    return 1;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int unhex(lua_State *L)
{
    struct fh_slice text = fh_bind_slice(L, 1);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        int high = digit_value(text.data[i]);
        int low = digit_value(text.data[i + 1]);
        if (high < 0 || low < 0) {
            return 0;
        }
        luaL_addchar(&out, (char)(high << 4 | low));
    }
    if (text.len % 2 != 0) {
        return 0;
    }
    luaL_pushresult(&out);
    return 1;
}

void fh_bind_crypto_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"aes_encrypt", aes_encrypt},
                                         {"aes_decrypt", aes_decrypt},
                                         {"aes_seal", aes_seal},
                                         {"aes_open", aes_open},
                                         {"rsa_encrypt", rsa_encrypt},
                                         {"rsa_decrypt", rsa_decrypt},
                                         {"sign", sign},
                                         {"verify", verify},
                                         {"hmac", hmac},
                                         {"hash", hash},
                                         {"unhex", unhex},
                                         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
