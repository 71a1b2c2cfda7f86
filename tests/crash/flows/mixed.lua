-- A pure step, a request, a sleep, a component with a request of its own, values made by the host.
return function(ctx, input)
    local made = ctx.step("make", function()
        return { token = ctx.uuid(), number = input.number }
    end)
    local user = ctx.request { url = ctx.env.USER_URL, json = { number = made.number } }
    ctx.sleep(0.03)
    local notified = ctx.component("notify", { user_id = user.id })
    local last = ctx.request { url = ctx.env.COUPON_URL, json = { message_id = notified.id } }
    return { made = made, user = user, notified = notified, last = last, at = ctx.now() }
end
