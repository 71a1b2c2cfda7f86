-- Writes nothing to disk while all goes well. A run that fails is kept with all its steps, as if it had been recorded.
return {
    description = "Looks a user and a coupon up.",
    http = "GET /profile",
    request = { query = { phone = { type = "string", required = true } } },
    durable = "on_error",
    run = function(ctx, input)
        local user = ctx.request { url = ctx.env.USER_URL, json = { phone = input.query.phone }, retry = 2 }
        local coupon = ctx.request { url = ctx.env.COUPON_URL, json = { user_id = user.id }, retry = 2 }
        return { id = user.id, coupon = coupon.code }
    end,
}
