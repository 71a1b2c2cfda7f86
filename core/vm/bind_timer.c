/* SPDX-License-Identifier: MIT */
/* core.timer: one-shot timers and the time.
 *
 *   start(ms, token) -> timer      event "timer"(token) when due, never early
 *   start_at(wall_ms, token) -> timer    the same at a time of the wall clock, also when that is set meanwhile
 *   timer:stop()                   harmless when it has fired
 *   now_ms() -> wall milliseconds  mono_us() -> microseconds that never run backwards */
#include "loop/alarm.h"
#include "loop/loop.h"
#include "vm/bind.h"

#include <math.h>

static const char class_name[] = "flowhost.timer";

/* In a userdata that the registry anchors while the timer runs. */
struct timer {
    struct fh_timer timer; /* of start */
    struct fh_alarm alarm; /* of start_at */
    struct fh_list link;
    struct fh_vm *vm;
    double token;
    int anchor;
};

static void release(struct timer *timer)
{
    fh_timer_stop(timer->vm->context.loop, &timer->timer);
    fh_alarm_stop(&timer->alarm);
    fh_list_pop(&timer->link);
    luaL_unref(timer->vm->L, LUA_REGISTRYINDEX, timer->anchor);
    timer->anchor = LUA_NOREF;
}

static int push_token(lua_State *L, void *arg)
{
    lua_pushnumber(L, *(double *)arg);
    return 1;
}

static void fire(struct timer *timer)
{
    struct fh_vm *vm = timer->vm;
    double token = timer->token;
    release(timer);
    fh_vm_emit(vm, FH_EVENT_TIMER, push_token, &token);
}

static void on_due(struct fh_timer *due)
{
    fire(FH_LIST_ENTRY(due, struct timer, timer));
}

static void on_alarm(struct fh_alarm *due)
{
    fire(FH_LIST_ENTRY(due, struct timer, alarm));
}

/* Pushes a timer that is anchored and not yet started. */
static struct timer *push_timer(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    double token = luaL_checknumber(L, 2);
    struct timer *timer = lua_newuserdata(L, sizeof(*timer));
    *timer = (struct timer){.vm = vm, .token = token, .anchor = LUA_NOREF};
    fh_list_init(&timer->link);
    fh_timer_init(&timer->timer, on_due);
    fh_alarm_init(&timer->alarm, on_alarm);
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    timer->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    fh_list_push(&vm->timers, &timer->link);
    return timer;
}

/* Of milliseconds: what no clock reaches is as far as it gets, what is no number is now. */
static int64_t clamp_ms(double ms)
{
    static const double far_ms = 9e15;
    return ms > 0 ? (int64_t)(ms < far_ms ? ms : far_ms) : 0;
}

static int start(lua_State *L)
{
    int64_t delay_ms = clamp_ms(luaL_checknumber(L, 1));
    struct timer *timer = push_timer(L);
    fh_timer_start(timer->vm->context.loop, &timer->timer, delay_ms);
    return 1;
}

static int start_at(lua_State *L)
{
    int64_t at_ms = clamp_ms(ceil(luaL_checknumber(L, 1)));
    struct timer *timer = push_timer(L);
    fh_alarm_start(timer->vm->context.loop, &timer->alarm, at_ms);
    return 1;
}

static int stop(lua_State *L)
{
    struct timer *timer = luaL_checkudata(L, 1, class_name);
    if (timer->anchor != LUA_NOREF) {
        release(timer);
    }
    return 0;
}

static int now_ms(lua_State *L)
{
    lua_pushnumber(L, (double)fh_clock_wall_ms(fh_vm_of(L)->context.clock));
    return 1;
}

static int mono_us(lua_State *L)
{
    lua_pushnumber(L, (double)fh_clock_mono_us(fh_vm_of(L)->context.clock));
    return 1;
}

void fh_bind_timer_stop_all(struct fh_vm *vm)
{
    while (!fh_list_is_empty(&vm->timers)) {
        release(FH_LIST_ENTRY(vm->timers.next, struct timer, link));
    }
}

void fh_bind_timer_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"stop", stop}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"start", start},
                                         {"start_at", start_at},
                                         {"now_ms", now_ms},
                                         {"mono_us", mono_us},
                                         {NULL, NULL}};
    fh_bind_class(L, class_name, methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
