/* SPDX-License-Identifier: MIT */
/* The gate, the events and the bindings that need no outside. Limits of flows: test_flow.c. */
#include "vm_fixture.h"

#include "base/log.h"

static const char *error_of(struct bench *bench, enum fh_event event, int code)
{
    static struct fh_error err;
    err = (struct fh_error){0, ""};
    assert_int_equal(fh_vm_call(bench->vm, event, NULL, NULL, NULL, &err), code);
    assert_int_equal(err.code, code);
    assert_int_equal(fh_vm_call(bench->vm, event, NULL, NULL, NULL, NULL), code);
    assert_int_equal(lua_gettop(bench->vm->L), 0);
    return err.detail;
}

/* --- the gate --------------------------------------------------------------------------------- */

struct sum {
    double a, b, result;
};

static int push_sum(lua_State *L, void *arg)
{
    const struct sum *sum = arg;
    lua_pushnumber(L, sum->a);
    lua_pushnumber(L, sum->b);
    return 2;
}

static void take_sum(lua_State *L, int index, void *arg)
{
    ((struct sum *)arg)->result = luaL_checknumber(L, index);
}

static void hands_arguments_in_and_the_result_out(void **state)
{
    struct bench *bench = *state;
    struct sum sum = {3, 4, 0};
    bench_do(bench, "core.on('timer', function(a, b) last = a return a + b end)");
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_TIMER, push_sum, take_sum, &sum, NULL), 0);
    assert_true(sum.result == 7);
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_TIMER, push_sum, NULL, &sum, NULL), 0);
    assert_string_equal(bench_get(bench, "last"), "3");
}

static void an_event_without_handler_is_named(void **state)
{
    struct bench *bench = *state;
    assert_non_null(strstr(error_of(bench, FH_EVENT_MAIL, FH_E_NOT_FOUND), "'mail'"));
}

static void the_last_handler_counts(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "core.on('mail', function() which = 'first' end)\n"
                    "core.on('mail', function() which = 'second' end)");
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, NULL, NULL, NULL, NULL), 0);
    assert_string_equal(bench_get(bench, "which"), "second");
}

static void refuses_unknown_events(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "ok, err = pcall(core.on, 'moon', print)\n"
                    "ok2 = pcall(core.on, 'mail', 7)\n"
                    "ok3 = pcall(core.on)");
    assert_string_equal(bench_get(bench, "ok"), "false");
    assert_non_null(strstr(bench_get(bench, "err"), "moon"));
    assert_string_equal(bench_get(bench, "ok2"), "false");
    assert_string_equal(bench_get(bench, "ok3"), "false");
}

static void errors_have_a_traceback(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "local function deep() error 'broken' end\n"
                    "core.on('mail', function() deep() end)");
    const char *detail = error_of(bench, FH_EVENT_MAIL, FH_E_LUA);
    assert_non_null(strstr(detail, "test:1: broken"));
    assert_non_null(strstr(detail, "stack traceback"));
    assert_non_null(strstr(detail, "test:2"));
}

static void errors_may_be_any_value(void **state)
{
    struct bench *bench = *state;
    static const char *const values[] = {"{}",
                                         "nil",
                                         "true",
                                         "function() end",
                                         "setmetatable({}, { __tostring = error })",
                                         "coroutine.create(print)"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char code[128];
        snprintf(code, sizeof(code), "core.on('mail', function() error(%s) end)", values[i]);
        bench_do(bench, code);
        assert_true(strlen(error_of(bench, FH_EVENT_MAIL, FH_E_LUA)) > 0);
    }
    bench_do(bench, "core.on('mail', function() error(42) end)");
    assert_non_null(strstr(error_of(bench, FH_EVENT_MAIL, FH_E_LUA), "42"));
}

static int push_broken(lua_State *L, void *arg)
{
    (void)arg;
    return luaL_error(L, "cannot push");
}

static void take_broken(lua_State *L, int index, void *arg)
{
    (void)index, (void)arg;
    luaL_error(L, "cannot take");
}

static void pushing_and_taking_may_throw(void **state)
{
    struct bench *bench = *state;
    struct fh_error err;
    bench_do(bench, "core.on('mail', function() return 1 end)");
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, push_broken, NULL, NULL, &err), FH_E_LUA);
    assert_non_null(strstr(err.detail, "cannot push"));
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, NULL, take_broken, NULL, &err), FH_E_LUA);
    assert_non_null(strstr(err.detail, "cannot take"));
    assert_int_equal(lua_gettop(bench->vm->L), 0);
}

static size_t bytes_after_errors(struct bench *bench)
{
    lua_State *L = bench->vm->L;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, NULL, NULL, NULL, NULL), FH_E_LUA);
    }
    assert_int_equal(lua_gettop(L), 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    return (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
}

static void errors_leave_nothing_behind(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "core.on('mail', function() error('broken ' .. 1) end)");
    size_t bytes = bytes_after_errors(bench);
    assert_int_equal(bytes_after_errors(bench), bytes);
    assert_int_equal(bytes_after_errors(bench), bytes);
}

static int emit_mail(lua_State *L)
{
    fh_vm_emit(fh_vm_of(L), FH_EVENT_MAIL, NULL, NULL);
    return 0;
}

/* A handler may call C that emits another event: an error inside stays inside. */
static void events_may_nest(void **state)
{
    struct bench *bench = *state;
    lua_pushcfunction(bench->vm->L, emit_mail);
    lua_setglobal(bench->vm->L, "emit_mail");
    bench_do(bench,
             "log = ''\n"
             "core.on('mail', function() log = log .. 'm' error 'inner' end)\n"
             "core.on('timer', function() log = log .. '<' emit_mail() log = log .. '>' end)");
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_TIMER, NULL, NULL, NULL, NULL), 0);
    assert_string_equal(bench_get(bench, "log"), "<m>");

    bench_do(bench, "local depth = 0\n"
                    "core.on('mail', function()\n"
                    "  depth = depth + 1\n"
                    "  if depth < 20 then emit_mail() end\n"
                    "  last = depth\n"
                    "end)");
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, NULL, NULL, NULL, NULL), 0);
    assert_string_equal(bench_get(bench, "last"), "20");
}

static void a_muted_vm_swallows_events(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "count = 0 core.on('mail', function() count = count + 1 end)");
    fh_vm_emit(bench->vm, FH_EVENT_MAIL, NULL, NULL);
    fh_vm_mute(bench->vm);
    fh_vm_emit(bench->vm, FH_EVENT_MAIL, NULL, NULL);
    assert_string_equal(bench_get(bench, "count"), "1");
}

/* --- local requests --------------------------------------------------------------------------- */

struct reply {
    int status;
    int count;
    char body[256];
};

static void on_answer(void *arg, int status, struct fh_slice body)
{
    struct reply *reply = arg;
    reply->status = status;
    reply->count++;
    snprintf(reply->body, sizeof(reply->body), "%.*s", (int)body.len, body.data);
}

static void ask(struct bench *bench, const char *path, const char *body, struct reply *reply)
{
    *reply = (struct reply){0, 0, ""};
    fh_vm_request(bench->vm, FH_SLICE_LIT("POST"), fh_slice_from(path), fh_slice_from(body),
                  on_answer, reply);
}

static void requests_come_with_all_their_parts(void **state)
{
    struct bench *bench = *state;
    struct reply reply;
    bench_do(bench,
             "core.on('http', function(request, method, path, body)\n"
             "  local q = request:query()\n"
             "  local text = table.concat({ method, path, body, tostring(q.a), tostring(q.b),\n"
             "    tostring(q.c), tostring(request:is_loopback()) }, ' ')\n"
             "  request:respond(201, { 'X', 'y' }, text)\n"
             "  again = pcall(request.respond, request, 200, nil, '')\n"
             "end)");
    ask(bench, "/x/y?a=1&b&c=x=y&", "body", &reply);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 201);
    assert_string_equal(reply.body, "POST /x/y body 1  x=y true");
    assert_string_equal(bench_get(bench, "again"), "false");
}

static void a_request_that_lua_fails_to_take_is_answered(void **state)
{
    struct bench *bench = *state;
    struct reply reply;
    bench_do(bench, "core.on('http', function() error 'no' end)");
    ask(bench, "/", "", &reply);
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 500);
}

static void a_streamed_answer_comes_in_one_piece(void **state)
{
    struct bench *bench = *state;
    struct reply reply;
    bench_do(bench, "core.on('http', function(request)\n"
                    "  stream = request:stream(202, { 'X', 'y' })\n"
                    "  assert(stream:write 'one ' and stream:write '' and stream:write 'two')\n"
                    "  again = pcall(request.respond, request, 200, nil, '')\n"
                    "end)");
    ask(bench, "/", "", &reply);
    assert_int_equal(reply.count, 0);
    bench_do(bench, "assert(stream:is_open()) stream:write ' three' stream:close()\n"
                    "assert(not stream:is_open()) stream:close()\n"
                    "local ok, code = stream:write 'more'\n"
                    "assert(ok == nil and code == 'CLOSED')\n"
                    "assert(not pcall(stream.write, {}, 'x') and not pcall(stream.write, stream))");
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 202);
    assert_string_equal(reply.body, "one two three");
    assert_string_equal(bench_get(bench, "again"), "false");
}

/* What is wrong with the arguments is told before the answer has begun. */
static void a_stream_that_lua_loses_is_closed(void **state)
{
    struct bench *bench = *state;
    struct reply reply;
    bench_do(bench, "core.on('http', function(request)\n"
                    "  assert(not pcall(request.stream, request, 'x'))\n"
                    "  assert(not pcall(request.stream, request, 200, { 'a', {} }))\n"
                    "  assert(not pcall(request.stream, request, 200, {}, 'token'))\n"
                    "  request:stream(200):write 'half'\n"
                    "  error 'lost'\n"
                    "end)");
    ask(bench, "/", "", &reply);
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 503);
}

static void a_streamed_answer_has_a_limit(void **state)
{
    struct bench *bench = *state;
    struct reply reply;
    bench_do(bench, "core.on('http', function(request)\n"
                    "  local stream, ok, code = request:stream(200)\n"
                    "  for _ = 1, 17 do ok, code = stream:write(('x'):rep(1024 * 1024)) end\n"
                    "  assert(ok == nil and code == 'NO_MEMORY')\n"
                    "  stream:close()\n"
                    "end)");
    ask(bench, "/", "", &reply);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 200);
}

static void a_request_left_at_close_is_answered(void **state)
{
    (void)state;
    struct bench *bench = bench_open(0, 0);
    struct reply reply;
    bench_do(bench, "core.on('http', function(request) kept = request end)");
    ask(bench, "/", "", &reply);
    assert_int_equal(reply.count, 0);
    fh_vm_mute(bench->vm);
    bench_close(bench);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 503);
}

/* --- bindings --------------------------------------------------------------------------------- */

static void timers_bring_their_token(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "log = ''\n"
                    "core.on('timer', function(token) log = log .. token .. ' ' end)\n"
                    "core.timer.start(3, 33) core.timer.start(0, 1)\n"
                    "stopped = core.timer.start(1, 99) stopped:stop() stopped:stop()\n"
                    "kept = core.timer.start(3600000, 98)");
    while (strcmp(bench_get(bench, "log"), "1 33 ") != 0) {
        lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
        fh_loop_run_once(bench->loop, -1);
    }
    bench_do(bench, "ok = pcall(stopped.stop, {}) again = pcall(stopped.stop, stopped)");
    assert_string_equal(bench_get(bench, "ok"), "false");
    assert_string_equal(bench_get(bench, "again"), "true");
}

/* By the system's wall clock, as the delays are by its other one. */
static void timers_may_be_due_at_a_time(void **state)
{
    struct bench *bench = *state;
    char code[512];
    int64_t now_ms = fh_clock_wall_ms(&fh_clock_system);
    snprintf(code, sizeof(code),
             "log = ''\n"
             "core.on('timer', function(token) log = log .. token .. ' ' end)\n"
             "local now = %lld\n"
             "core.timer.start_at(now + 5.5, 3) core.timer.start_at(now - 1000, 1)\n"
             "core.timer.start_at(-1 / 0, 2)\n"
             "core.timer.start_at(now + 1, 99):stop()\n"
             "kept = { core.timer.start_at(now + 3600000, 98), core.timer.start_at(1 / 0, 97) }",
             (long long)now_ms);
    bench_do(bench, code);
    while (strlen(bench_get(bench, "log")) < 6) {
        lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
        fh_loop_run_once(bench->loop, -1);
    }
    assert_string_equal(bench_get(bench, "log"), "2 1 3 ");
    assert_true(fh_clock_wall_ms(&fh_clock_system) >= now_ms + 6);
}

static void a_timer_may_be_started_by_a_timer(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "count = 0\n"
                    "core.on('timer', function()\n"
                    "  count = count + 1\n"
                    "  if count < 5 then core.timer.start(-1, 0) end\n"
                    "  if count == 3 then error 'a failed handler stops nothing' end\n"
                    "end)\n"
                    "core.timer.start(0, 0)");
    while (strcmp(bench_get(bench, "count"), "5") != 0) {
        fh_loop_run_once(bench->loop, -1);
    }
}

static void time_is_the_contexts(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "wall, mono = core.timer.now_ms(), core.timer.mono_us()");
    assert_string_equal(bench_get(bench, "wall"), "1700000000123");
    bench->clock.now_us += 1000;
    bench_do(bench, "wall = core.timer.now_ms()");
    assert_string_equal(bench_get(bench, "wall"), "1700000000124");
}

/* What Lua code gets wrong raises; it does not crash. */
static void bindings_check_their_arguments(void **state)
{
    struct bench *bench = *state;
    bench_do(
        bench,
        "local s = core.system\n"
        "for i, call in ipairs {\n"
        "  function() core.timer.start_at 'x' end, function() core.timer.start_at(1) end,\n"
        "  function() core.timer.start 'x' end, function() core.timer.start(1) end,\n"
        "  function() s.run_id() end, function() s.id_text 'short' end,\n"
        "  function() s.partition '' end, function() s.random(-1) end,\n"
        "  function() s.random(65537) end, function() s.log('loud', 'x') end,\n"
        "  function() s.log('off', 'x') end, function() s.log('error') end,\n"
        "  function() s.u64(-1) end, function() s.u64(0.5) end, function() s.u64(2 ^ 54) end,\n"
        "  function() s.u64(0 / 0) end, function() s.u64(1 / 0) end, function() s.from_u64 'x' "
        "end,\n"
        "  function() s.from_u64(('\\255'):rep(8)) end, function() s.equal 'x' end,\n"
        "  function() s.mac('short', 'x') end, function() s.mac(('k'):rep(32)) end,\n"
        "  function() s.u32 'x' end, function() s.sha256() end,\n"
        "  function() core.shard.post(-1, 'x') end, function() core.shard.post(1, 'x') end,\n"
        "  function() core.native.call('none', '{}', 1) end, function() core.native.has() end,\n"
        "  function() core.flow.resume(7) end, function() core.store.batch():put(-1, 'k', 'v') "
        "end,\n"
        "  function() core.store.batch():put(99, 'k', 'v') end, function() core.store.get(99, 'k') "
        "end,\n"
        "  function() core.store.batch():put(1) end, function() core.store.scan(1) end,\n"
        "} do\n"
        "  local ok = pcall(call)\n"
        "  if ok then error('no error of call ' .. i) end\n"
        "end");
}

static void ids_and_hashes_are_cs(void **state)
{
    struct bench *bench = *state;
    bench_do(
        bench,
        "local s = core.system\n"
        "local text, bytes = s.run_id(7)\n"
        "assert(#text == 26 and #bytes == 16 and s.id_text(bytes) == text)\n"
        "assert(s.id_bytes(text:lower()) == bytes and s.id_bytes 'x' == nil)\n"
        "assert(s.partition(bytes) == 7)\n"
        "assert(s.hex(s.sha256 'abc'):sub(1, 8) == 'ba7816bf')\n"
        "assert(s.u32(0x01020304) == '\\1\\2\\3\\4' and s.u32(4294967295) == "
        "'\\255\\255\\255\\255')\n"
        "assert(#s.random(0) == 0 and #s.random(65536) == 65536)\n"
        "assert(s.shard == 0 and s.shards == 1)\n"
        "for n, coded in ipairs { 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE=', 'Zm9vYmFy' } do\n"
        "  local plain = ('foobar'):sub(1, n)\n"
        "  assert(s.base64_encode(plain) == coded and s.base64_decode(coded) == plain)\n"
        "  assert(s.base64_decode((coded:gsub('=', ''))) == plain)\n"
        "end\n"
        "assert(s.base64_decode '-_8' == '\\251\\255' and s.base64_decode ' +/ 8=\\n' == "
        "'\\251\\255')\n"
        "for _, bad in ipairs { 'A', 'AAAAA', 'A*==', '\\0', 'A=A=' } do\n"
        "  assert(s.base64_decode(bad) == nil, bad)\n"
        "end");
}

static void numbers_of_eight_bytes_sort_as_they_count(void **state)
{
    struct bench *bench = *state;
    bench_do(
        bench,
        "local s = core.system\n"
        "assert(s.u64(0x0102030405) == '\\0\\0\\0\\1\\2\\3\\4\\5')\n"
        "local last = ''\n"
        "for _, number in ipairs { 0, 1, 255, 256, 2 ^ 31, 2 ^ 32, 1700000000123, 2 ^ 53 } do\n"
        "  local bytes = s.u64(number)\n"
        "  assert(#bytes == 8 and bytes > last and s.from_u64(bytes) == number)\n"
        "  last = bytes\n"
        "end");
}

static void codes_of_a_key_are_cs(void **state)
{
    struct bench *bench = *state;
    bench_do(
        bench,
        "local s = core.system\n"
        "local key = ('k'):rep(32)\n"
        "local code = s.mac(key, 'bytes')\n"
        "assert(#code == 32 and s.equal(code, s.mac(key, 'bytes')))\n"
        "assert(not s.equal(code, s.mac(key, 'byteS')))\n"
        "assert(not s.equal(code, s.mac(('K'):rep(32), 'bytes')))\n"
        "assert(s.equal('', '') and not s.equal('', 'a') and not s.equal('a\\0b', 'a\\0c'))\n"
        "for _, case in ipairs { { '', '' }, { '\\251', '-w' }, { '\\251\\255', '-_8' },\n"
        "    { '\\251\\255\\254', '-__-' } } do\n"
        "  assert(s.base64url_encode(case[1]) == case[2] and s.base64_decode(case[2]) == case[1])\n"
        "end\n"
        "assert(s.base64_encode '\\251\\255' == '+/8=')");
}

static void files_are_written_with_their_folders(void **state)
{
    struct bench *bench = *state;
    bench_do(bench,
             "local write, top = core.system.write_file, os.tmpname()\n"
             "os.remove(top)\n"
             "for _, text in ipairs { 'a\\0b', '' } do\n"
             "  assert(write(top .. '/b/c', text))\n"
             "  local file = assert(io.open(top .. '/b/c', 'rb'))\n"
             "  assert(file:read '*a' == text)\n"
             "  file:close()\n"
             "end\n"
             "local ok, reason = write(top .. '/b/c/d', 'x')\n"
             "assert(not ok and reason:find 'cannot be made', reason)\n"
             "ok, reason = write(top .. '/b', 'x')\n"
             "assert(not ok and #reason > 0)\n"
             "assert(not pcall(write, '', 'x'))\n"
             "assert(os.remove(top .. '/b/c') and os.remove(top .. '/b') and os.remove(top))");
}

static void modules_come_out_of_the_program(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "assert(require 'flowhost.core' and require 'argparse')\n"
                    "ok, err = pcall(require, 'no.such')\n"
                    "ok2 = pcall(require, 'lfs') ok3 = pcall(require, '../../etc/passwd')");
    assert_string_equal(bench_get(bench, "ok"), "false");
    assert_non_null(strstr(bench_get(bench, "err"), "no module 'no/such' in the program"));
    assert_string_equal(bench_get(bench, "ok2"), "false");
    assert_string_equal(bench_get(bench, "ok3"), "false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_VM(hands_arguments_in_and_the_result_out),
        WITH_VM(an_event_without_handler_is_named),
        WITH_VM(the_last_handler_counts),
        WITH_VM(refuses_unknown_events),
        WITH_VM(errors_have_a_traceback),
        WITH_VM(errors_may_be_any_value),
        WITH_VM(pushing_and_taking_may_throw),
        WITH_VM(errors_leave_nothing_behind),
        WITH_VM(events_may_nest),
        WITH_VM(a_muted_vm_swallows_events),
        WITH_VM(requests_come_with_all_their_parts),
        WITH_VM(a_request_that_lua_fails_to_take_is_answered),
        WITH_VM(a_streamed_answer_comes_in_one_piece),
        WITH_VM(a_stream_that_lua_loses_is_closed),
        WITH_VM(a_streamed_answer_has_a_limit),
        cmocka_unit_test(a_request_left_at_close_is_answered),
        WITH_VM(timers_bring_their_token),
        WITH_VM(timers_may_be_due_at_a_time),
        WITH_VM(a_timer_may_be_started_by_a_timer),
        WITH_VM(time_is_the_contexts),
        WITH_VM(bindings_check_their_arguments),
        WITH_VM(ids_and_hashes_are_cs),
        WITH_VM(numbers_of_eight_bytes_sort_as_they_count),
        WITH_VM(codes_of_a_key_are_cs),
        WITH_VM(files_are_written_with_their_folders),
        WITH_VM(modules_come_out_of_the_program),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
