---@meta flowhost.ctx
-- SPDX-License-Identifier: MIT
-- What flows call through ctx, for lua-language-server. docs/reference/ctx.md says more of each. All times are seconds.

---JSON: nil, boolean, number, string, or a table of these (keys 1..n: an array, else texts).
---@alias flowhost.Json nil|boolean|number|string|table

---What ctx raises and `pcall` catches; prints as "CODE: message".
---@class flowhost.Error
---@field code string       a stable name: "TIMEOUT", "HTTP_STATUS", or the flow's own
---@field message string    a sentence for a person
---@field retryable? boolean  trying again may help
---@field step? string      path of the step that raised it, e.g. "2.1"
---@field status? integer   of the HTTP answer that was the reason
---@field data? any         what came with it, e.g. the body of that answer

---When a failed attempt is followed by another. Waits longer than a second survive restarts.
---@class flowhost.Retry
---@field max integer         how many times more, at most 10,000
---@field base? number        seconds before the first retry; default 1, 0: at once
---@field factor? number      each wait is that many times the one before; default 2
---@field linear? boolean     waits of base, 2 base, 3 base ...
---@field fibonacci? boolean  waits of base, base, 2 base, 3 base, 5 base ...
---@field cap? number         longest wait in seconds; default 60
---@field jitter? boolean|number  true: a random part of the wait; 0 to 1: that share of it is random
---@field on? (string|integer)[]  error codes and HTTP statuses that are tried again; default: those that say retryable

---@class flowhost.StepOptions
---@field retry? integer|flowhost.Retry
---@field timeout? number     seconds; then TIMEOUT is raised
---@field once? boolean       never run twice: after a crash in between the run waits for a person (OUTCOME_UNKNOWN)

---@class flowhost.CallOptions
---@field retry? integer|flowhost.Retry
---@field timeout? number     seconds; then the child is cancelled and TIMEOUT is raised

---@class flowhost.WaitOptions
---@field timeout? number     seconds; then TIMEOUT is raised
---@field schema? table       what the data must be, as `request.body` of a flow; others are refused when sent

---@class flowhost.TaskOptions
---@field timeout? number     seconds from here to the task's end; then TIMEOUT is raised
---@field heartbeat? number   seconds within which a worker that has it gives a sign of life; else TIMEOUT is raised

---@class flowhost.SignalUrlOptions
---@field data? any           what the signal carries
---@field expires? number     seconds the link holds; default 7 days
---@field title? string       what the page behind it asks, at most 200 bytes

---@class flowhost.Auth
---@field user string
---@field pass string

---@class flowhost.Request
---@field url string              http:// or https://
---@field method? string          default POST with a body, else GET
---@field query? table<string, any>|string   added to the url; a list gives a name several times
---@field headers? table<string, any>  one line each, 90 at most
---@field header? table<string, any>   the same as headers
---@field json? any               body: this value as JSON
---@field form? table<string, any>  body: url-encoded
---@field xml? any                body: this value as XML below the root xmlName
---@field body? string|table      body: text as it is, a table as JSON, or as requestType says; a table of a GET goes
---into the query
---@field requestType? "json"|"xml"|"text"|"form"  how `body` is written
---@field contentType? string     Content-Type of the body; default: what it is written as
---@field xmlName? string         root of a body in XML; default "xml"
---@field tls? { ca?: string, cert?: string, key?: string }  secrets with PEM: who is trusted, the client's own
---certificate and its key
---@field isCache? boolean        an answer serves five minutes for whoever asks for the same
---@field auth? flowhost.Auth     basic authentication
---@field bearer? string|flowhost.Secret   Authorization: Bearer ...
---@field timeout? number         seconds for the whole call; default 30
---@field responseType? "json"|"xml"|"text"  default: what Content-Type says
---@field onlyData? boolean       default true; false returns a flowhost.Answer instead of the body
---@field raise? boolean          whether a status of 400 and above is an error; default: as onlyData, in rules never
---@field follow? integer         redirects to follow; default 0
---@field max_bytes? integer      largest body of the answer; default 8388608
---@field retry? integer|flowhost.Retry
---@field once? boolean           never sent twice, see flowhost.StepOptions

---What ctx.request returns with onlyData = false.
---@class flowhost.Answer
---@field status integer
---@field headers table<string, string>  names in lower case, repeated ones joined by ", "
---@field header table<string, string>   the same as headers
---@field cookies table<string, string>
---@field data any                the body, decoded when it is JSON

---A sealed value by its name. Its bytes are nowhere in Lua.
---@class flowhost.Secret
---@field secret string
---A key: a string, or what ctx.secret returns.
---@alias flowhost.Key string|flowhost.Secret

---A key pair: the name of a secret, PEM text, or what ctx.secret returns.
---@alias flowhost.KeyPair string|flowhost.Secret

---@class flowhost.HashOptions
---@field encoding? "hex"|"base64"|"raw"  of the result; default "hex"

---@class flowhost.SignOptions
---@field padding? "pss"|"pkcs1"  default "pss"

---@class flowhost.JwtSignOptions
---@field alg "HS256"|"RS256"|"EdDSA"
---@field expires_in? number   seconds; gives the claim exp
---@field header? table        e.g. { kid = "1" }

---@class flowhost.JwtVerifyOptions
---@field alg "HS256"|"RS256"|"EdDSA"  no other is taken
---@field leeway? number       seconds that clocks may differ; default 0
---@field issuer? string       what the claim iss must be
---@field audience? string     what the claim aud must be or hold

---@class flowhost.RunInfo
---@field id string           26 characters
---@field flow string
---@field version string
---@field started_at number   unix seconds

---@class flowhost.Log
---@field debug fun(...: any)
---@field info fun(...: any)
---@field warn fun(...: any)
---@field error fun(...: any)

---@class flowhost.Ctx
---@field run flowhost.RunInfo           about this run
---@field env table<string, string|number|boolean>  values of `env` in host.lua
local ctx = {}

---An HTTP call as a step, sent once all that was recorded is on disk.
---Raises HTTP_STATUS, NETWORK, TIMEOUT, TLS, TOO_LARGE, NOT_JSON, INVALID.
---@param o flowhost.Request
---@return any body  decoded when it is JSON, else text; nil when empty; a flowhost.Answer with onlyData = false
function ctx.request(o) end

---Runs fn once and records its result under a name. Verbs called inside are nested steps.
---Raises what fn raises, and NOT_JSON, TIMEOUT.
---@generic T
---@param name string
---@param fn fun(): T
---@param o? flowhost.StepOptions
---@return T
function ctx.step(name, fn, o) end

---Calls components/NAME.lua, or a component of the embedding program, as a step.
---Raises NOT_FOUND, NOT_JSON, TIMEOUT, and what the component raises.
---@param name string
---@param input? flowhost.Json
---@param o? flowhost.StepOptions
---@return any
function ctx.component(name, input, o) end

---Runs another flow of the same release and returns its output. It is cancelled when this run is.
---Raises NOT_FOUND, INPUT_INVALID, TIMEOUT, and the error the child ended with.
---@param flow string
---@param input? flowhost.Json
---@param o? flowhost.CallOptions
---@return any
function ctx.call(flow, input, o) end

---Starts another flow of the same release; it goes its own way.
---Raises NOT_FOUND, INPUT_INVALID.
---@param flow string
---@param input? flowhost.Json
---@return string id  of its run
function ctx.start(flow, input) end

---Runs the functions at the same time; as many results as functions, in order. At most 100,000.
---@param functions (fun(): any)[]
---@return any ...
function ctx.all(functions) end

---Runs the functions at the same time; the value of the first that succeeds, and its index. The others are cancelled.
---Raises ALL_FAILED when none does.
---@param functions (fun(): any)[]
---@return any value
---@return integer index
function ctx.any(functions) end

---Runs the functions at the same time; the value of the first that ends, and its index. The others are cancelled.
---Raises what that one raised.
---@param functions (fun(): any)[]
---@return any value
---@return integer index
function ctx.race(functions) end

---Runs fn(item, index) for each entry at the same time; the results in order, nil as ctx.json.null. At most 100,000.
---@generic T, R
---@param list T[]
---@param fn fun(item: T, index: integer): R
---@param o? { concurrency: integer }  how many at a time; default all
---@return R[]
function ctx.map(list, fn, o) end

---Waits; what is recorded is when it is due, so a restart does not begin the wait anew.
---@param seconds number  0 to 1e10, fractions allowed
function ctx.sleep(seconds) end

---Waits until a time; over at once when it has passed.
---@param time number  unix seconds, fractions allowed
function ctx.sleep_until(time) end

---Waits for a signal, POST /v1/runs/{id}/signal/{name}, which may have come before. Signals of a name come in order.
---Raises TIMEOUT.
---@param name string
---@param o? flowhost.WaitOptions
---@return any data
function ctx.wait(name, o) end

---A link that sends a signal of this run once, for somebody without an account. Recorded.
---@param name string
---@param o? flowhost.SignalUrlOptions
---@return string url
function ctx.signal_url(name, o) end

---Hands work to an outside worker and waits for the result. Raises the worker's error by its name (TASK_FAILED without
---one; data { error, cause }) and TIMEOUT.
---@param queue string
---@param input? any
---@param o? flowhost.TaskOptions
---@return any output
function ctx.task(queue, input, o) end

---The time, recorded.
---@return number seconds  unix time with a fraction
function ctx.now() end

---A random number from a good source, recorded: 0 <= x < 1; with n, 1 to n; with m and n, m to n.
---@param m? integer
---@param n? integer
---@return number
function ctx.random(m, n) end

---A random UUID (version 4), recorded.
---@return string  32 upper-case hex digits
function ctx.uuid() end

---Ends the run now as `broken`. No pcall catches it.
---@param reason? string
function ctx.stop(reason) end

---The same as ctx.stop.
ctx["break"] = ctx.stop

---Ends the run now as `failed` with this code. No pcall catches it.
---@param code string
---@param message? string
function ctx.fail(code, message) end

---Stops the run for a person: it is `suspended` with this code until somebody lets it go on.
---@param code string
---@param reason? string
---@return any value  what `recover` passes
function ctx.suspend(code, reason) end

---What undoes the steps so far. Run in reverse order, as steps, when the run fails or is cancelled.
---Not inside of a step.
---@param fn fun()
function ctx.defer(fn) end

---A handle for a sealed value, for ctx.request and the ciphers. Raises SECRET_MISSING.
---@param name string
---@return flowhost.Secret
function ctx.secret(name) end

ctx.xml = {}

---The value of an XML document, and the name of its root. Leaves are text, elements of one name an array.
---@param text string
---@return any value, string root
function ctx.xml.decode(text) end

---The text of a value as an XML document: objects are elements, arrays repeat theirs, "-name" is an attribute.
---@param value any
---@param root string  name of the outermost element
---@return string
function ctx.xml.encode(value, root) end

---A tag by which the run is found: GET /v1/runs?tag=name:value. 50 at most.
---@param name string
---@param value string|number|boolean
function ctx.tag(name, value) end

---How far the run is, shown with it.
---@param done number
---@param total? number
---@param text? string  at most 200 bytes
function ctx.progress(done, total, text) end

---Answers the caller now, once all that was recorded is on disk; the run goes on. Only the first counts.
---@param body? flowhost.Json
---@param o? { status: integer?, headers: table<string, any>? }  status 200 to 599, default 200
function ctx.response(body, o) end

---The run's id.
---@return string  26 characters
function ctx.trx() end

---The trace id: the caller's, or made up.
---@return string
function ctx.logId() end

---Values of the whole run, seen by all its branches and components.
ctx.data = {}

---Keeps a value, as a step.
---@param key string
---@param value flowhost.Json
function ctx.data.store(key, value) end

---A value that was stored, as a step; nil when there is none.
---@param key string
---@return any
function ctx.data.load(key) end

---Lines in the host's log, kept with the run too. Tables are written as JSON.
---@type flowhost.Log
ctx.log = {}

---A line of level debug.
---@param ... any
function ctx.log.debug(...) end

---A line of level info.
---@param ... any
function ctx.log.info(...) end

---A line of level warn.
---@param ... any
function ctx.log.warn(...) end

---A line of level error.
---@param ... any
function ctx.log.error(...) end

---JSON, without a step. Errors raise INVALID.
ctx.json = {}

---@type userdata  JSON's null inside of tables
ctx.json.null = nil

---JSON text of a value, keys sorted.
---@param value any
---@return string
function ctx.json.encode(value) end

---The value of JSON text; integers beyond 2^53 as 64-bit integers.
---@param text string
---@return any
function ctx.json.decode(text) end

---Marks a table as an array, so that an empty one is [].
---@generic T
---@param list? T[]
---@return T[]
function ctx.json.array(list) end

---Base64, without a step. Errors raise INVALID.
ctx.base64 = {}

---@param bytes string
---@return string
function ctx.base64.encode(bytes) end

---Either alphabet, with or without padding.
---@param text string
---@return string bytes
function ctx.base64.decode(text) end

---Base64 of urls: - and _ instead of + and /, no padding.
---@param bytes string
---@return string
function ctx.base64.encode_url(bytes) end

---That alphabet only, no padding.
---@param text string
---@return string bytes
function ctx.base64.decode_url(text) end

---AES. A key has 16, 24 or 32 bytes. Raises KEY_INVALID, DECRYPT_FAILED, TOO_LARGE, SECRET_MISSING.
ctx.aes = {}

---AES-CBC as ps-go has it, for partners who ask for it: PKCS#7 padding, the key's first 16 bytes as IV.
---@param key flowhost.Key
---@param text string
---@return string
function ctx.aes.encodeToBase64(key, text) end

---The same in lower-case hex.
---@param key flowhost.Key
---@param text string
---@return string
function ctx.aes.encodeToHex(key, text) end

---The text that encodeToBase64 made this of.
---@param key flowhost.Key
---@param text string
---@return string plain
function ctx.aes.decodeFromBase64(key, text) end

---The text that encodeToHex made this of.
---@param key flowhost.Key
---@param text string
---@return string plain
function ctx.aes.decodeFromHex(key, text) end

---AES-GCM with a random nonce, recorded: nobody can change the text unnoticed.
---@param key flowhost.Key
---@param text string
---@param aad? string  must be the same to open it
---@return string sealed  base64
function ctx.aes.seal(key, text, aad) end

---The text that was sealed. Raises DECRYPT_FAILED when anything of it was changed.
---@param key flowhost.Key
---@param sealed string
---@param aad? string
---@return string plain
function ctx.aes.open(key, sealed, aad) end

---RSA. Raises KEY_INVALID, DECRYPT_FAILED, TOO_LARGE, SECRET_MISSING.
ctx.rsa = {}

---PKCS#1 v1.5 as ps-go has it, recorded. At most 245 bytes with a key of 2048 bits.
---@param secret flowhost.KeyPair
---@param text string
---@return string
function ctx.rsa.encodeToBase64(secret, text) end

---The same in lower-case hex.
---@param secret flowhost.KeyPair
---@param text string
---@return string
function ctx.rsa.encodeToHex(secret, text) end

---The text that encodeToBase64 made this of.
---@param secret flowhost.KeyPair
---@param text string
---@return string plain
function ctx.rsa.decodeFromBase64(secret, text) end

---The text that encodeToHex made this of.
---@param secret flowhost.KeyPair
---@param text string
---@return string plain
function ctx.rsa.decodeFromHex(secret, text) end

---OAEP with SHA-256, recorded. At most 190 bytes with a key of 2048 bits.
---@param secret flowhost.KeyPair
---@param text string
---@return string sealed  base64
function ctx.rsa.seal(secret, text) end

---The text that was sealed.
---@param secret flowhost.KeyPair
---@param sealed string
---@return string plain
function ctx.rsa.open(secret, sealed) end

---A signature over SHA-256, recorded.
---@param secret flowhost.KeyPair
---@param text string
---@param o? flowhost.SignOptions
---@return string signature  base64
function ctx.rsa.sign(secret, text, o) end

---Whether the signature is that of the text.
---@param secret flowhost.KeyPair
---@param text string
---@param signature string  base64
---@param o? flowhost.SignOptions
---@return boolean
function ctx.rsa.verify(secret, text, signature, o) end

---Signatures by Ed25519. Raises KEY_INVALID, SECRET_MISSING.
ctx.ed25519 = {}

---An Ed25519 signature in base64.
---@param secret flowhost.KeyPair
---@param text string
---@return string signature  base64
function ctx.ed25519.sign(secret, text) end

---Whether the signature is that of the text.
---@param secret flowhost.KeyPair
---@param text string
---@param signature string  base64
---@return boolean
function ctx.ed25519.verify(secret, text, signature) end

---Codes that who has the key can make. Raises KEY_INVALID, SECRET_MISSING.
ctx.hmac = {}

---HMAC-SHA-256.
---@param key flowhost.Key
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hmac.sha256(key, text, o) end

---HMAC-SHA-384.
---@param key flowhost.Key
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hmac.sha384(key, text, o) end

---HMAC-SHA-512.
---@param key flowhost.Key
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hmac.sha512(key, text, o) end

---Whether two texts are the same, in a time that tells nothing of where they differ.
---@param a string
---@param b string
---@return boolean
function ctx.hmac.equal(a, b) end

---Hashes, without a step.
ctx.hash = {}

---SHA-256.
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hash.sha256(text, o) end

---SHA-384.
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hash.sha384(text, o) end

---SHA-512.
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hash.sha512(text, o) end

---For partners that ask for it; good for nothing else.
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hash.sha1(text, o) end

---For partners that ask for it; good for nothing else.
---@param text string
---@param o? flowhost.HashOptions
---@return string
function ctx.hash.md5(text, o) end

---JSON Web Tokens.
ctx.jwt = {}

---A token with the claim iat, and exp if it is to expire. Only the time is recorded.
---Raises INVALID, KEY_INVALID, SECRET_MISSING, TOO_LARGE.
---@param claims table
---@param key flowhost.Key  HS256: a shared text; RS256, EdDSA: a private key as PEM text
---@param o flowhost.JwtSignOptions
---@return string token
function ctx.jwt.sign(claims, key, o) end

---The claims of a token whose signature, exp, nbf and iat hold, recorded.
---Raises JWT_INVALID, JWT_EXPIRED, KEY_INVALID, SECRET_MISSING.
---@param token string
---@param key flowhost.Key  HS256: a shared text; RS256, EdDSA: a public key as PEM text
---@param o flowhost.JwtVerifyOptions
---@return table claims
function ctx.jwt.verify(token, key, o) end

return ctx
