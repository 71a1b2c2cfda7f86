-- Three services in one call: the user first, then coupon and message at the same time.
return {
    description = "Register a user, then grant a coupon and send a message.",
    http = "POST /register",
    request = { body = { phone = { type = "string", required = true, minLen = 6 } } },
    run = function(ctx, input)
        local phone = input.body.phone
        local user = ctx.request { url = ctx.env.USER_URL, json = { phone = phone } }
        local coupon, message = ctx.all {
            function()
                return ctx.request { url = ctx.env.COUPON_URL, json = { user_id = user.id } }
            end,
            function()
                return ctx.request { url = ctx.env.MESSAGE_URL, json = { phone = phone, text = "welcome" } }
            end,
        }
        return { code = 200, msg = "success", data = { user = user, coupon = coupon, message = message } }
    end,
}
