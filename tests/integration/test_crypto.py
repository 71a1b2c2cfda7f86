# SPDX-License-Identifier: MIT
"""The crypto verbs against the openssl program and Python's own: what one side makes, the other side reads."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
import unittest

from suite import Host, HostCase, Upstream, binary, get_steps, recover, start_run, wait_for_run, write_files

# One flow for all: input { verb = "aes.seal", args = {...}, hex = [numbers of args that are hex] }.
CALL = """
local function find(ctx, verb)
    local group, name = verb:match "^(%w+)%.([%w_]+)$"
    return ctx[group][name]
end
local function unhex(text)
    return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end
return function(ctx, input)
    local args = input.args
    for i = 1, #args do
        if args[i] == ctx.json.null then args[i] = nil end
    end
    for _, i in ipairs(input.hex or {}) do args[i] = unhex(args[i]) end
    local results = { pcall(find(ctx, input.verb), unpack(args, 1, input.n or #args)) }
    if not results[1] then
        return { code = results[2].code, message = results[2].message }
    elseif input.hex_out then
        results[2] = results[2]:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    end
    return { value = results[2] }
end
"""
ALL_BYTES = bytes(range(256)) * 5 + b"end"


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_url64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def flip(text, at):
    """The text with another character of base64 (or hex) there."""
    return text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1:]


class Keys:
    """Key pairs as PEM text and as files for the openssl program."""

    def __init__(self, folder):
        self.folder = folder
        self.write("rsa", openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
        self.write("ed", openssl("genpkey", "-algorithm", "ed25519"))
        for name in ("rsa", "ed"):
            self.write(name + "_public", openssl("pkey", "-in", self.path(name), "-pubout"))
        self.write("rsa_pkcs1", openssl("pkey", "-in", self.path("rsa"), "-traditional"))
        self.write("rsa_public_pkcs1", openssl("rsa", "-in", self.path("rsa"), "-RSAPublicKey_out"))

    def path(self, name):
        return os.path.join(self.folder, name + ".pem")

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text)

    def pem(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return file.read()


class Crypto(HostCase):
    FLOWS = {"call.lua": CALL}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.keys = Keys(cls.folder)

    def answer(self, verb, *args, **options):
        """Bytes among the arguments and, with raw=True, the result cross as hex."""
        numbers = [i + 1 for i, arg in enumerate(args) if isinstance(arg, bytes)]
        sent = [arg.hex() if isinstance(arg, bytes) else arg for arg in args]
        answer = self.start_run("call", {"verb": verb, "args": sent, "hex": numbers, "hex_out": options.get("raw", False),
                                         "n": len(args)})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.body

    def call(self, verb, *args, **options):
        answer = self.answer(verb, *args, **options)
        self.assertNotIn("code", answer)
        return bytes.fromhex(answer["value"]) if options.get("raw") else answer.get("value")

    def error(self, code, verb, *args):
        answer = self.answer(verb, *args)
        self.assertEqual(answer.get("code"), code, answer)
        self.assertTrue(answer["message"].startswith(f"ctx.{verb}: "), answer)
        return answer["message"]

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    # --- AES ------------------------------------------------------------------------------------------------------

    def test_aes_is_what_openssl_makes(self):
        for size in (16, 24, 32):
            key = os.urandom(size)
            cipher = ["enc", f"-aes-{size * 8}-cbc", "-K", key.hex(), "-iv", key[:16].hex()]
            for text in (b"", b"x", b"0123456789abcdef", "\u6d41\u7a0b".encode(), ALL_BYTES):
                made = openssl(*cipher, data=text)
                self.assertEqual(self.call("aes.encodeToBase64", key, text), base64.b64encode(made).decode())
                self.assertEqual(self.call("aes.encodeToHex", key, text), made.hex())
                self.assertEqual(self.call("aes.decodeFromBase64", key, base64.b64encode(made).decode(), raw=True), text)
                self.assertEqual(self.call("aes.decodeFromHex", key, made.hex().upper(), raw=True), text)

    def test_aes_refuses(self):
        key = "0123456789abcdef"
        for args in ((), (key,), (key, 7), (7, "x"), (key, "x", "y"), (None, "x")):
            self.error("INVALID", "aes.encodeToHex", *args)
        self.error("INVALID", "aes.decodeFromHex", key, "abc")
        self.error("INVALID", "aes.decodeFromHex", key, "zz" * 16)
        self.error("INVALID", "aes.decodeFromBase64", key, "?")
        self.assertNotIn("shortkey", self.error("KEY_INVALID", "aes.encodeToHex", "shortkey", "x"))
        messages = {self.error("DECRYPT_FAILED", "aes.decodeFromHex", key, text) for text in ("", "00", "00" * 16)}
        self.assertEqual(messages, {"ctx.aes.decodeFromHex: cannot be decrypted with this key"})

    def test_sealed_texts_open_as_they_were_sealed_only(self):
        for size in (16, 24, 32):
            key = os.urandom(size)
            sealed = self.call("aes.seal", key, ALL_BYTES, "order 17")
            data = base64.b64decode(sealed)
            self.assertEqual(len(data), 12 + len(ALL_BYTES) + 16)
            self.assertNotEqual(self.call("aes.seal", key, ALL_BYTES, "order 17"), sealed)
            self.assertEqual(self.call("aes.open", key, sealed, "order 17", raw=True), ALL_BYTES)
            self.error("DECRYPT_FAILED", "aes.open", key, sealed, "order 18")
            self.error("DECRYPT_FAILED", "aes.open", key, sealed)
            self.error("DECRYPT_FAILED", "aes.open", os.urandom(size), sealed, "order 17")
            for at in (0, 11, 12, 700, len(data) - 16, len(data) - 1):
                changed = bytearray(data)
                changed[at] ^= 1 << (at % 8)
                self.error("DECRYPT_FAILED", "aes.open", key, base64.b64encode(changed).decode(), "order 17")
            for length in (0, 12, 27, len(data) - 1):
                self.error("DECRYPT_FAILED", "aes.open", key, base64.b64encode(data[:length]).decode(), "order 17")

    # --- RSA, Ed25519 ---------------------------------------------------------------------------------------------

    def pkeyutl(self, verb, key, data, *options):
        public = ["-pubin"] if "public" in key else []
        return openssl("pkeyutl", verb, *public, "-inkey", self.keys.path(key),
                       *(word for option in options for word in ("-pkeyopt", option)), data=data)

    def test_rsa_is_read_by_openssl_and_reads_it(self):
        for text in (b"x", b"13800000000", bytes(245)):
            for public in ("rsa_public", "rsa_public_pkcs1", "rsa"):
                made = self.call("rsa.encodeToBase64", self.keys.pem(public), text)
                self.assertEqual(self.pkeyutl("-decrypt", "rsa", base64.b64decode(made)), text)
            made = self.call("rsa.encodeToHex", self.keys.pem("rsa_public"), text)
            self.assertEqual(self.pkeyutl("-decrypt", "rsa", bytes.fromhex(made)), text)
            made = self.pkeyutl("-encrypt", "rsa_public", text)
            for private in ("rsa", "rsa_pkcs1"):
                self.assertEqual(self.call("rsa.decodeFromHex", self.keys.pem(private), made.hex(), raw=True), text)
                self.assertEqual(self.call("rsa.decodeFromBase64", self.keys.pem(private),
                                           base64.b64encode(made).decode(), raw=True), text)
        self.error("TOO_LARGE", "rsa.encodeToHex", self.keys.pem("rsa_public"), "x" * 246)

    def test_oaep(self):
        oaep = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256")
        for text in (b"x", bytes(190)):
            made = self.call("rsa.seal", self.keys.pem("rsa_public"), text)
            self.assertEqual(self.pkeyutl("-decrypt", "rsa", base64.b64decode(made), *oaep), text)
            made = base64.b64encode(self.pkeyutl("-encrypt", "rsa_public", text, *oaep)).decode()
            self.assertEqual(self.call("rsa.open", self.keys.pem("rsa_pkcs1"), made, raw=True), text)
            for at in (0, 100, 300):
                self.error("DECRYPT_FAILED", "rsa.open", self.keys.pem("rsa"), flip(made, at))
        self.error("TOO_LARGE", "rsa.seal", self.keys.pem("rsa_public"), "x" * 191)

    def test_signatures_of_rsa(self):
        text = self.file("text", ALL_BYTES)
        for padding, options in (("pkcs1", ()), ("pss", ("-sigopt", "rsa_padding_mode:pss"))):
            made = openssl("dgst", "-sha256", *options, "-sign", self.keys.path("rsa"), text)
            good = base64.b64encode(made).decode()
            other = "pss" if padding == "pkcs1" else "pkcs1"
            public = self.keys.pem("rsa_public")

            def verify(*args):
                return self.call("rsa.verify", *args)
            self.assertIs(verify(public, ALL_BYTES, good, {"padding": padding}), True)
            self.assertIs(verify(public, ALL_BYTES, good, {"padding": other}), False)
            self.assertIs(verify(public, ALL_BYTES + b"x", good, {"padding": padding}), False)
            for at in (0, 170, 340):
                self.assertIs(verify(public, ALL_BYTES, flip(good, at), {"padding": padding}), False)
            for bad in ("", "?", good[:-8]):
                self.assertIs(verify(public, ALL_BYTES, bad, {"padding": padding}), False)
            ours = self.file("signature", base64.b64decode(self.call("rsa.sign", self.keys.pem("rsa"), ALL_BYTES,
                                                                     {"padding": padding})))
            said = openssl("dgst", "-sha256", *options, "-verify", self.keys.path("rsa_public"), "-signature", ours, text)
            self.assertEqual(said, b"Verified OK\n")
        self.assertIs(self.call("rsa.verify", public, "text", self.call("rsa.sign", self.keys.pem("rsa"), "text")), True)
        self.error("INVALID", "rsa.sign", self.keys.pem("rsa"), "text", {"padding": "none"})
        self.error("INVALID", "rsa.sign", self.keys.pem("rsa"), "text", {"pading": "pss"})
        self.error("KEY_INVALID", "rsa.sign", public, "text")

    def test_ed25519(self):
        text = self.file("text", ALL_BYTES)
        made = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.keys.path("ed"), "-in", text)
        self.assertEqual(self.call("ed25519.sign", self.keys.pem("ed"), ALL_BYTES), base64.b64encode(made).decode())
        good, public = base64.b64encode(made).decode(), self.keys.pem("ed_public")
        self.assertIs(self.call("ed25519.verify", public, ALL_BYTES, good), True)
        self.assertIs(self.call("ed25519.verify", public, ALL_BYTES[:-1], good), False)
        self.assertIs(self.call("ed25519.verify", public, ALL_BYTES, flip(good, 3)), False)
        self.error("KEY_INVALID", "ed25519.verify", self.keys.pem("rsa_public"), "x", good)

    def test_names_of_secrets_that_are_not_there(self):
        for verb in ("rsa.encodeToHex", "rsa.decodeFromHex", "rsa.open", "rsa.sign", "ed25519.sign"):
            self.assertIn("'nobody'", self.error("SECRET_MISSING", verb, "nobody", "x"))
        self.assertNotIn("hush", self.error("SECRET_MISSING", "rsa.sign", "a key = hush", "x"))

    # --- codes and hashes -----------------------------------------------------------------------------------------

    def test_hashes(self):
        for name in ("md5", "sha1", "sha256", "sha384", "sha512"):
            expected = hashlib.new(name, ALL_BYTES)
            self.assertEqual(self.call(f"hash.{name}", ALL_BYTES), expected.hexdigest())
            self.assertEqual(self.call(f"hash.{name}", ALL_BYTES, {"encoding": "raw"}, raw=True), expected.digest())
        self.error("INVALID", "hash.sha256", 7)
        self.error("INVALID", "hash.sha256", "x", {"encoding": "base32"})

    def test_hmac(self):
        for name in ("sha256", "sha384", "sha512"):
            for key in (b"k", os.urandom(200)):
                expected = hmac.new(key, ALL_BYTES, name).digest()
                self.assertEqual(self.call(f"hmac.{name}", key, ALL_BYTES), expected.hex())
                self.assertEqual(self.call(f"hmac.{name}", key, ALL_BYTES, {"encoding": "base64"}),
                                 base64.b64encode(expected).decode())
        self.assertEqual([self.call("hmac.equal", *pair) for pair in (("ab", "ab"), ("ab", "aB"), ("ab", "abc"))],
                         [True, False, False])
        self.error("KEY_INVALID", "hmac.sha256", "", "x")
        self.error("INVALID", "hmac.equal", "x", None)

    def test_base64_of_urls(self):
        for size in range(6):
            text = b"\xff\xfe?"[:size] + bytes(size)
            self.assertEqual(self.call("base64.encode_url", text), url64(text))
            self.assertEqual(self.call("base64.decode_url", url64(text), raw=True), text)
            self.assertEqual(self.call("base64.decode", self.call("base64.encode", text), raw=True), text)
        for bad in ("a+b/", "ab==", "a b", "a"):
            self.error("INVALID", "base64.decode_url", bad)

    # --- tokens ---------------------------------------------------------------------------------------------------

    def make_token(self, header, claims, alg, key):
        signed = url64(json.dumps(header).encode()) + "." + url64(json.dumps(claims).encode())
        return signed + "." + url64(self.sign(alg, key, signed.encode()))

    def sign(self, alg, key, data):
        if alg == "HS256":
            return hmac.new(key.encode(), data, "sha256").digest()
        if alg == "RS256":
            return openssl("dgst", "-sha256", "-sign", self.keys.path("rsa"), data=data)
        if alg == "EdDSA":
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.keys.path("ed"), "-in", self.file("jwt", data))
        return b""

    def keys_of(self, alg):
        """What signs, what checks."""
        shared = "a shared secret that is long enough"
        return {"HS256": (shared, shared), "RS256": (self.keys.pem("rsa"), self.keys.pem("rsa_public")),
                "EdDSA": (self.keys.pem("ed"), self.keys.pem("ed_public"))}[alg]

    def test_tokens_of_others(self):
        claims = {"sub": "17", "exp": 32503680000, "list": [1, {"a": None}]}
        for alg in ("HS256", "RS256", "EdDSA"):
            sign_key, key = self.keys_of(alg)
            token = self.make_token({"alg": alg, "typ": "JWT"}, claims, alg, sign_key)
            self.assertEqual(self.call("jwt.verify", token, key, {"alg": alg}), claims)
            header, payload, signature = token.split(".")
            for at in range(0, len(token), 23):
                self.error("JWT_INVALID", "jwt.verify", flip(token, at), key, {"alg": alg})
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            for last in range(64):  # the last character has bits that no byte holds
                if alphabet[last] != token[-1]:
                    self.error("JWT_INVALID", "jwt.verify", token[:-1] + alphabet[last], key, {"alg": alg})
            for bad in ("", ".", "..", "...", header, f"{header}.{payload}", f"{header}.{payload}.", f".{payload}.{signature}",
                        f"{header}..{signature}", token + ".", token + "=", " " + token, token + "\n", token[:-1]):
                self.error("JWT_INVALID", "jwt.verify", bad, key, {"alg": alg})

    def test_tokens_of_ours(self):
        for alg in ("HS256", "RS256", "EdDSA"):
            sign_key, key = self.keys_of(alg)
            token = self.call("jwt.sign", {"sub": "17"}, sign_key, {"alg": alg, "expires_in": 60, "header": {"kid": "k"}})
            header, payload, signature = token.split(".")
            self.assertEqual(json.loads(from_url64(header)), {"alg": alg, "kid": "k", "typ": "JWT"})
            claims = json.loads(from_url64(payload))
            self.assertEqual((claims["sub"], claims["exp"] - claims["iat"]), ("17", 60))
            self.assertEqual(from_url64(signature), self.sign(alg, sign_key, f"{header}.{payload}".encode()))
            self.assertEqual(self.call("jwt.verify", token, key, {"alg": alg}), claims)

    def test_no_algorithm_but_the_one_that_was_asked_for(self):
        shared, public = self.keys_of("HS256")[0], self.keys.pem("rsa_public")
        claims = {"sub": "17"}
        for name in ("none", "None", "NONE", "", None, "HS512", "hs256", ["HS256"], {"a": 1}):
            token = self.make_token({"alg": name}, claims, "none", "")
            self.error("JWT_INVALID", "jwt.verify", token, shared, {"alg": "HS256"})
            self.error("JWT_INVALID", "jwt.verify", token, public, {"alg": "RS256"})
            self.error("JWT_INVALID", "jwt.verify", token + url64(self.sign("HS256", shared, token[:-1].encode())),
                       shared, {"alg": "HS256"})
        self.error("JWT_INVALID", "jwt.verify", self.make_token({}, claims, "HS256", shared), shared, {"alg": "HS256"})
        # the public key as a shared one: not by the token's word, and not by mistake either
        confused = self.make_token({"alg": "HS256"}, claims, "HS256", public)
        self.error("JWT_INVALID", "jwt.verify", confused, public, {"alg": "RS256"})
        self.error("KEY_INVALID", "jwt.verify", confused, public, {"alg": "HS256"})
        for o in (None, {}, {"alg": "none"}, {"alg": "HS512"}, {"alg": 7}, {"alg": "HS256", "algs": 1}):
            self.error("INVALID", "jwt.verify", confused, shared, o)
        self.error("JWT_INVALID", "jwt.verify", self.make_token({"alg": "HS256", "crit": ["b64"]}, claims, "HS256", shared),
                   shared, {"alg": "HS256"})

    def test_claims(self):
        key = self.keys_of("HS256")[0]
        far = 32503680000
        cases = [
            ({}, {}, None), ({"exp": 1}, {}, "JWT_EXPIRED"), ({"exp": 1}, {"leeway": 1e10}, None),
            ({"exp": far}, {}, None), ({"exp": 2 ** 62}, {}, None), ({"exp": "soon"}, {}, "JWT_INVALID"),
            ({"exp": True}, {}, "JWT_INVALID"), ({"nbf": far}, {}, "JWT_INVALID"), ({"nbf": 1, "iat": 1.5}, {}, None),
            ({"iat": far}, {}, "JWT_INVALID"), ({"iss": "us"}, {"issuer": "us"}, None),
            ({"iss": "them"}, {"issuer": "us"}, "JWT_INVALID"), ({}, {"issuer": "us"}, "JWT_INVALID"),
            ({"aud": "shop"}, {"audience": "shop"}, None), ({"aud": ["a", "shop"]}, {"audience": "shop"}, None),
            ({"aud": ["a"]}, {"audience": "shop"}, "JWT_INVALID"), ({}, {"audience": "shop"}, "JWT_INVALID"),
            ({"aud": {"x": "shop"}}, {"audience": "shop"}, "JWT_INVALID"),
        ]
        for claims, o, code in cases:
            with self.subTest(claims=claims, o=o):
                token = self.make_token({"alg": "HS256"}, claims, "HS256", key)
                if code:
                    self.error(code, "jwt.verify", token, key, {"alg": "HS256", **o})
                else:
                    self.assertEqual(self.call("jwt.verify", token, key, {"alg": "HS256", **o}) or {}, claims)
        for claims in ([1], "x", 7, None):
            self.error("JWT_INVALID", "jwt.verify", self.make_token({"alg": "HS256"}, claims, "HS256", key), key,
                       {"alg": "HS256"})

    def test_what_cannot_be_signed(self):
        key = self.keys_of("HS256")[0]
        for claims, o in (("x", {"alg": "HS256"}), ([1, 2], {"alg": "HS256"}), ({}, {}), ({}, {"alg": "none"}),
                          ({"exp": 1}, {"alg": "HS256", "expires_in": 1}), ({}, {"alg": "HS256", "expires_in": -1}),
                          ({}, {"alg": "HS256", "header": {"alg": "none"}}), ({}, {"alg": "HS256", "header": 7})):
            self.error("INVALID", "jwt.sign", claims, key, o)
        self.error("TOO_LARGE", "jwt.sign", {"x": "y" * 65536}, key, {"alg": "HS256"})
        self.error("KEY_INVALID", "jwt.sign", {}, key, {"alg": "RS256"})
        self.error("KEY_INVALID", "jwt.sign", {}, "", {"alg": "HS256"})


REPLAY = """
return function(ctx, input)
    local seen = {
        ctx.aes.seal(ctx.secret "SHARED", "text"), ctx.aes.encodeToHex(ctx.secret "SHARED", "text"),
        ctx.hmac.sha256(ctx.secret "SHARED", "text"), ctx.rsa.encodeToHex("PUBLIC", "text"), ctx.rsa.seal("PUBLIC", "text"),
        ctx.rsa.sign("PRIVATE", "text"), ctx.rsa.sign(ctx.secret "PRIVATE", "text"),
    }
    assert(ctx.rsa.verify("PUBLIC", "text", seen[6]) and not ctx.rsa.verify("PUBLIC", "other", seen[6]))
    local token = ctx.jwt.sign({ sub = "17" }, ctx.secret "SHARED", { alg = "HS256", expires_in = 1000 })
    seen[8] = ctx.jwt.verify(token, ctx.secret "SHARED", { alg = "HS256" })
    local _, err = pcall(ctx.jwt.verify, token .. "x", ctx.secret "SHARED", { alg = "HS256" })
    seen[9] = err.code
    assert(ctx.rsa.decodeFromHex("PRIVATE", seen[4]) == "text" and ctx.rsa.open("PRIVATE", seen[5]) == "text")
    assert(ctx.aes.open(ctx.secret "SHARED", seen[1]) == "text")
    assert(ctx.aes.decodeFromHex(ctx.secret "SHARED", seen[2]) == "text")
    ctx.request { url = input.url, json = { seen = seen, token = token } }
    return token
end
"""


class Secrets(unittest.TestCase):
    def seal(self, name, value):
        subprocess.run([binary(), "secret", "seal", name], input=value, cwd=self.folder, check=True, capture_output=True,
                       env={**os.environ, "FLOWHOST_KEY": self.key})

    def test_a_replay_sees_what_was_made_and_no_key_is_kept(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        keys = Keys(self.folder)
        self.key = os.path.join(self.folder, "my.key")
        write_files(self.folder, {"flows/replay.lua": REPLAY})
        subprocess.run([binary(), "secret", "init"], cwd=self.folder, check=True, capture_output=True,
                       env={**os.environ, "FLOWHOST_KEY": self.key})
        for name, value in (("SHARED", "0123456789abcdef"), ("PUBLIC", keys.pem("rsa_public")),
                            ("PRIVATE", keys.pem("rsa_pkcs1"))):
            self.seal(name, value.encode())
        bodies = []

        def handle(request):
            bodies.append(request.json)
            return (503, {}) if len(bodies) < 2 else (200, {})
        upstream = self.enterContext(Upstream(handle))
        host = self.enterContext(Host(os.path.join(self.folder, "flows"), args=["--key", self.key]))
        answer = start_run(host, "replay", {"url": upstream.url})
        self.assertEqual((answer.status, answer.body["code"]), (502, "HTTP_STATUS"), answer.body)
        self.assertEqual(recover(host, answer.run).status, 202)
        self.assertEqual(wait_for_run(host, answer.run)["status"], "succeeded")
        self.assertEqual(len(bodies), 2)
        self.assertEqual(bodies[0], bodies[1])
        self.assertEqual(bodies[0]["seen"][8], "JWT_INVALID")
        steps = get_steps(host, answer.run)
        self.assertEqual([step["kind"] for step in steps.values()], [
            "aes.seal", "aes.encodeToHex", "hmac.sha256", "rsa.encodeToHex", "rsa.seal", "rsa.sign", "rsa.sign",
            "rsa.verify", "rsa.verify", "jwt.sign", "jwt.verify", "jwt.verify", "request"])
        self.assertEqual([step["name"] for step in steps.values()][:7],
                         ["SHARED", "SHARED", "SHARED", "PUBLIC", "PUBLIC", "PRIVATE", "PRIVATE"])
        kept = json.dumps(list(steps.values())[:-1])
        for part in (bodies[0]["token"], "0123456789abcdef", keys.pem("rsa_pkcs1").splitlines()[3]):
            self.assertNotIn(part, kept)
            self.assertNotIn(part, host.log)


if __name__ == "__main__":
    unittest.main()
