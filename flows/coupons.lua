-- The same step for each entry of a list, at most two at a time; the results are in the order of the list.
return {
    description = "Grants a coupon to each of several users.",
    http = "POST /coupons",
    request = { body = { users = { type = "slice", required = true, maxLen = 100 } } },
    run = function(ctx, input)
        local coupons = ctx.map(input.body.users, function(user_id)
            return ctx.request { url = ctx.env.COUPON_URL, json = { user_id = user_id } }
        end, { concurrency = 2 })
        return { coupons = coupons }
    end,
}
