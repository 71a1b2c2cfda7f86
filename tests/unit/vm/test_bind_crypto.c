/* SPDX-License-Identifier: MIT */
/* core.crypto: keys as text and as handles of secrets, what is refused, results that there is no memory for. */
#include "vm_fixture.h"

#include "crypto/hash.h"
#include "crypto/keystore.h"

static struct fh_keystore *open_keystore(struct bench *bench)
{
    struct fh_keystore *keystore;
    assert_int_equal(fh_hash_init(), 0);
    assert_int_equal(fh_keystore_open(&keystore), 0);
    assert_int_equal(fh_keystore_put(keystore, FH_KEYSTORE_FOLDER, FH_SLICE_LIT("KEY"),
                                     FH_SLICE_LIT("0123456789abcdef")),
                     0);
    bench->vm->context.keystore = keystore;
    return keystore;
}

static void a_handle_is_as_good_as_its_bytes(void **state)
{
    struct bench *bench = *state;
    struct fh_keystore *keystore = open_keystore(bench);
    bench_do(
        bench,
        "local handle = { secret = 'KEY' }"
        "local text = '0123456789abcdef'"
        "local a, b = core.crypto.aes_encrypt(handle, 'x'), core.crypto.aes_encrypt(text, 'x')"
        "assert(a == b and core.crypto.aes_decrypt(handle, a) == 'x')"
        "local sealed = core.crypto.aes_seal(handle, '0123456789ab', 'x', 'aad')"
        "assert(core.crypto.aes_open(text, sealed, 'aad') == 'x')"
        "assert(core.crypto.hmac(handle, 'sha256', 'x') == core.crypto.hmac(text, 'sha256', 'x'))");
    fh_keystore_close(keystore);
}

static void a_secret_that_is_not_there_is_not_found(void **state)
{
    struct bench *bench = *state;
    const char *code =
        "local value, code, detail = core.crypto.aes_encrypt({ secret = 'OTHER' }, 'x')"
        "assert(value == nil and code == 'NOT_FOUND' and detail:find('OTHER'))";
    bench_do(bench, code); /* no keystore at all */
    struct fh_keystore *keystore = open_keystore(bench);
    bench_do(bench, code);
    fh_keystore_close(keystore);
}

static void errors_are_codes(void **state)
{
    bench_do(*state,
             "local function code_of(...) return (select(2, ...)) end "
             "local c = core.crypto "
             "assert(code_of(c.aes_encrypt('short', 'x')) == 'KEY_INVALID') "
             "assert(code_of(c.aes_decrypt('0123456789abcdef', 'x')) == 'DECRYPT_FAILED') "
             "assert(code_of(c.aes_open('0123456789abcdef', 'x', '')) == 'DECRYPT_FAILED') "
             "assert(code_of(c.rsa_encrypt('x', 'oaep', 'x')) == 'KEY_INVALID') "
             "assert(code_of(c.sign('x', 'pss', 'x')) == 'KEY_INVALID') "
             "assert(code_of(c.verify('x', 'ed25519', 'x', 'y')) == 'KEY_INVALID') "
             "assert(code_of(c.hmac('-----BEGIN X', 'sha256', 'x', true)) == 'KEY_INVALID') "
             "assert(#c.hmac('-----BEGIN X', 'sha256', 'x') == 32) "
             "assert(code_of(c.hmac('k', 'md5', 'x')) == 'INVALID')");
}

static void wrong_arguments_raise(void **state)
{
    bench_do(*state,
             "local c = core.crypto "
             "for _, call in ipairs {"
             " function() c.aes_encrypt(nil, 'x') end, function() c.aes_encrypt({}, 'x') end,"
             " function() c.aes_encrypt({ secret = {} }, 'x') end,"
             " function() c.aes_encrypt(print, 'x') end, function() c.aes_encrypt('k') end,"
             " function() c.aes_seal('0123456789abcdef', 'short', 'x', '') end,"
             " function() c.rsa_encrypt('k', 'none', 'x') end,"
             " function() c.sign('k', 'none', 'x') end, function() c.hash('md4', 'x') end }"
             " do assert(not pcall(call)) end");
}

static void hex_is_read_strictly(void **state)
{
    bench_do(*state, "local u = core.crypto.unhex "
                     "assert(u '' == '' and u '00fF7a' == '\\0\\255z') "
                     "for _, bad in ipairs { '0', '0g', 'g0', ' 00', '0x', '@@', '::' } do"
                     " assert(u(bad) == nil) end");
}

/* The text fits, what comes of it does not: nothing but the call is lost. */
static void too_large_for_the_memory_is_an_error(void **state)
{
    (void)state;
    struct bench *bench = bench_open(24 << 20, 0);
    struct fh_keystore *keystore = open_keystore(bench);
    bench->vm->is_in_flow = true; /* the cap applies to flows */
    bench_do(bench, "local text = ('x'):rep(8 * 1024 * 1024) "
                    "local handle = { secret = 'KEY' } "
                    "local ok, err = pcall(core.crypto.aes_encrypt, handle, text) "
                    "assert(not ok and err == 'not enough memory', tostring(err)) "
                    "text = nil collectgarbage() "
                    "assert(core.crypto.aes_encrypt(handle, 'x'))");
    bench->vm->is_in_flow = false;
    fh_keystore_close(keystore);
    bench->vm->context.keystore = NULL;
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_VM(a_handle_is_as_good_as_its_bytes),
        WITH_VM(a_secret_that_is_not_there_is_not_found),
        WITH_VM(errors_are_codes),
        WITH_VM(wrong_arguments_raise),
        WITH_VM(hex_is_read_strictly),
        cmocka_unit_test(too_large_for_the_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
