-- What was done is undone when a later step fails or the run is cancelled: ctx.defer.
return {
    description = "Charges a card and confirms; gives the money back when that fails.",
    http = "POST /order",
    on_error = "fail",
    request = { body = {
        phone = { type = "string", required = true },
        amount = { type = "int", default = 50, min = 1 },
    } },
    run = function(ctx, input)
        local amount = input.body.amount
        local charge = ctx.request { url = ctx.env.CARD_URL, json = { amount = amount } }
        ctx.defer(function()
            ctx.request { url = ctx.env.CARD_URL, json = { amount = -amount, receipt = charge.receipt } }
        end)
        local message = { phone = input.body.phone, text = "paid " .. amount }
        ctx.component("send_message", message, { retry = { max = 2, base = 60 } })
        return { receipt = charge.receipt }
    end,
}
