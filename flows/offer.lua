-- The first of several that succeeds: a coupon, or none once the time is over. What the other waits for is dropped.
return {
    description = "Offers a price, with a coupon if there is one in time.",
    http = "POST /offer",
    request = { body = {
        user_id = { type = "int", required = true },
        within = { type = "float", default = 0.5, min = 0 },
    } },
    run = function(ctx, input)
        local coupon, index = ctx.any {
            function()
                return ctx.request { url = ctx.env.COUPON_URL, json = { user_id = input.body.user_id } }
            end,
            function()
                ctx.sleep(input.body.within)
            end,
        }
        return { price = index == 1 and 100 - coupon.percent or 100 }
    end,
}
