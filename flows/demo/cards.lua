-- Stands for a card service that declines more than 100.
return {
    http = "POST /demo/cards",
    durable = "never",
    request = { body = { amount = { type = "int", required = true } } },
    run = function(ctx, input)
        if input.body.amount > 100 then
            ctx.response({ reason = "over the limit of 100" }, { status = 402 })
            return
        end
        return { receipt = "R-" .. input.body.amount }
    end,
}
